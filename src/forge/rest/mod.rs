//! What the clients of all forges share: one request and its response, with the deadline, redirects, limits on size,
//! and pages.

mod answer;
mod api;
mod link;
mod setup;
mod token;

pub(in crate::forge) use answer::Answer;
pub(in crate::forge) use api::{Api, Call, Connection, Dialect, chain};
pub use setup::SetupError;
pub(in crate::forge) use token::{own, sendable};
