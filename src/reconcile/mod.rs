//! `plan(app, revision)`: reads live objects, runs dry runs, and passes the results to `plan`. Used by previews, syncs
//! and the resync.

mod apply;
mod ask;
mod blocked;
mod change;
mod coming;
mod contents;
mod facts;
mod input;
mod keeps;
mod kinds;
mod quota;
mod unrecorded;
mod verdict;

pub use apply::plan_apply;
pub use change::{BaseSide, plan_change};
pub use input::{ChangePlan, Owned, PlanInput, ReconcileError};
pub use unrecorded::plan_unrecorded;
