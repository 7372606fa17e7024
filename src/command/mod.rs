//! Commands in the comments of pull requests: `/driftless approve shop`. Pure.
//!
//! A command is one line of a comment. It begins with the name, then a verb of a closed list, then the names of apps.
//! Anything else is a mistake that is answered, and never a guess.

mod digest;
mod given;
mod grammar;
mod lines;
mod role;
mod verb;

pub use digest::digest;
pub use given::{Command, Known, LONGEST_PAUSE, MOST_LINES, NAME, Pause, REASON};
pub use grammar::{Mistake, duration, parse};
pub use lines::{is_addressed, lines};
pub use role::{Permissions, Role};
pub use verb::Verb;
