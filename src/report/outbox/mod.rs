//! What the forge should show, stored, and a sender that makes it so.
//!
//! There is one row per target, and the latest text wins. Whoever has something to say puts it here and goes on; the
//! sender paces, retries, edits in place, and finds out what became of a request whose answer was lost. It goes on
//! where it was after a restart.

mod comment;
mod handle;
mod options;
mod pace;
mod sender;
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
        for (lane, wake) in &self.0.lanes {
            let sender = Sender::new(self.clone(), lane.clone(), wake.clone());
            tasks.spawn("report sender", sender.run(tasks.soft().clone()));
        }
    }
}
