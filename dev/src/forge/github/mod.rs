//! GitHub's dialect: its API and its webhooks.

mod access;
mod api;
mod caller;
mod hook_access;
mod json;
mod letter;
mod refusal;
mod reply;

pub(super) use api::router;
pub(super) use letter::letter;
pub(super) use refusal::{limited, moved, too_fast, unauthorized};
