//! The texts that the forge should show are stored here, and a sender brings them there.
//!
//! There is one row per target, and the latest text wins. Callers store a text and continue; the sender paces, retries
//! and edits in place, and finds out what happened to a request whose response was lost. It continues after a restart.

mod comment;
mod handle;
mod options;
mod pace;
mod sender;
mod stored;
mod target;

use crate::lifecycle::Tasks;

pub use comment::marker;
pub use handle::{Outbox, OutboxError};
pub use options::OutboxOptions;
pub use target::{Destination, Target, TargetError};

use sender::Sender;

impl Outbox {
    /// Starts one sender for each forge, which ends with the soft stop: what is left is sent after the next start.
    pub fn run_sender(&self, tasks: &Tasks) {
        for (name, scope) in &self.0.scopes {
            let sender = Sender::new(self.clone(), name.clone(), scope.wake.clone(), &scope.pace);
            tasks.spawn("report sender", sender.run(tasks.soft().clone()));
        }
    }
}
