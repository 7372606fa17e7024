//! The health of applied objects: the rules, and waits that hold no worker.

mod board;
mod builtin;
mod condition;
mod custom;
mod degree;
mod judge;
mod observed;
mod phase;
mod pod;
pub mod status;
mod waits;
mod watched;
mod workload;

#[cfg(test)]
mod board_tests;
#[cfg(test)]
mod builtin_tests;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod tests;

pub use degree::Health;
pub use judge::Standing;
pub use waits::{HEALTHY_WITHIN, Waits};

pub use crate::store::waits::{WaitEnded, WaitOutcome};
