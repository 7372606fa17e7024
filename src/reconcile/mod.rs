//! `plan(app, revision)`: reads what is live, asks the cluster by dry-runs what would be, and lets `plan` decide what that means. What
//! previews, syncs and the resync call.

mod input;

pub use input::{ChangePlan, Owned, PlanInput, ReconcileError};
