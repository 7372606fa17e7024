//! What would change: manifests against live objects. Pure: the reads are done by `reconcile`.

mod adopt;
mod assemble;
mod change;
mod decide;
pub mod deletion;
mod destructive;
mod diff;
mod dropped;
pub mod marks;
mod names;
mod normalise;
pub mod order;
mod overlay;
mod owner;
mod prepare;
mod refer;
mod replace;
mod show;
mod yaml;

pub use adopt::adoption_patch;
pub use assemble::assemble;
pub use change::{Action, Cause, Change, Conflict, Desired, NotValidated, Plan, RefusedBy, TakeOver, Verdict};
pub use decide::{Asked, Claim, decide, decide_as_applied, decide_change, prune};
pub use destructive::{Destructive, PruneLimit, destructive, is_destructive, is_going};
pub use diff::{Line, ObjectDiff, Sign, same};
pub use marks::{Marked, Marks, Owner};
pub use normalise::is_secret;
pub use order::Stage;
pub use owner::controller;
pub use prepare::{Crd, Crds, Prepared, Preparing, Refused, Scope, Wanted, comparable, id, namespaces, prepare};
pub use replace::{REPLACE_ANNOTATION, stand_in};
pub use show::Redactor;
