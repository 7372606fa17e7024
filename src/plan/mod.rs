//! What would change: manifests against live objects. Pure: the reads are done by `reconcile`.

mod change;
pub mod marks;

pub use change::{Action, Cause, Change, Conflict, Desired, NotValidated, Plan, TakeOver, Verdict};
pub use marks::{Marked, Marks};
