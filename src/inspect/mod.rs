//! The checks of `driftless check --online`: what a cluster grants compared to what apps need, and how a hook is
//! configured at the forge.
//!
//! Nothing is changed anywhere. A check that is not permitted is reported as such, and is no error by itself.

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
