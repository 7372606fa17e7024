//! `plan(app, revision)`: reads what is live, asks the cluster by dry-runs what would be, and lets `plan` decide what
//! that means. What previews, syncs and the resync call.

mod apply;
mod ask;
mod blocked;
mod change;
mod contents;
mod facts;
mod input;
mod keeps;
mod quota;
mod unrecorded;
mod verdict;

pub use apply::plan_apply;
pub use change::{BaseSide, plan_change};
pub use input::{ChangePlan, Owned, PlanInput, ReconcileError};
pub use unrecorded::plan_unrecorded;
