//! What people see at the forge: the outbox that makes the forge show it.

pub mod outbox;

pub use outbox::{Destination, Outbox, OutboxError, OutboxOptions, Target};
