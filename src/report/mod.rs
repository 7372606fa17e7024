//! What people see at the forge: texts (pure) and the outbox that makes the forge show them.

pub mod markdown;
pub mod outbox;

pub use outbox::{Destination, Outbox, OutboxError, OutboxOptions, Target};
