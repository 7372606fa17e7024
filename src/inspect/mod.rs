//! What `driftless check --online` finds out: what a cluster grants against what apps need, and how the forge's side of
//! a hook is set.
//!
//! Nothing is changed anywhere. What is not allowed to be looked at is said, and is no error by itself.

mod grants;
mod hook;
mod needs;
mod rights;
mod role;

pub use grants::judge as judge_grants;
pub use hook::{Expected, judge as judge_hooks};
pub use needs::{Missing, Need, Uses, needs};
pub use rights::{ClusterRights, look};

use serde::Serialize;

/// What was found, by how much it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    pub passed: Vec<String>,
    /// What is worth knowing, and keeps nothing from working.
    pub notes: Vec<String>,
    pub problems: Vec<String>,
}
