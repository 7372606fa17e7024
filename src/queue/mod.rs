//! The queue: what to look at, when, and how often at once. A job names what to look at, never what to do.

mod key;

pub use key::{Key, KeyError, Priority};
