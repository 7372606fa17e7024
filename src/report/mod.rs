//! Everything that people see at the forge: the texts (pure), and the outbox that brings them there.

mod gate;
pub mod given;
pub mod markdown;
pub mod merged;
mod object;
pub mod outbox;
pub mod outcome;
pub mod placed;
pub mod preview;
#[cfg(test)]
pub(crate) mod sample;
pub mod stored;
pub mod words;

pub use gate::{AWAITS_APPROVAL, blocking, gate, pending};
pub use outbox::{Destination, Outbox, OutboxError, OutboxOptions, Target};
pub use preview::PreviewReport;
