//! Whether what was applied is what it should be: the rules, and the waiting that holds no worker.

mod board;
mod judge;
mod pod;
pub mod status;
mod waits;
mod workload;

#[cfg(test)]
mod board_tests;
#[cfg(test)]
mod tests;

pub use judge::Standing;
pub use status::Health;
pub use waits::{HEALTHY_WITHIN, WaitEnded, WaitOutcome, Waits};
