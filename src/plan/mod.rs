//! What would change: manifests against live objects. Pure: the reads are done by `reconcile`.

mod change;

pub use change::{Action, Cause, Change, Conflict, NotValidated, Plan, TakeOver, Verdict};
