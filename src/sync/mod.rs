//! Applies a plan to a cluster: stages, claims, applies, prunes, health and drift.
//!
//! A sync is [`apply`], then a wait for health that holds no worker ([`health::Waits`]), then [`prune`]. Destructive
//! changes are left out of both until somebody confirms them. [`drift`] detects drift; [`heal`] decides whether it is
//! healed again.

mod apply;
pub mod drift;
mod error;
mod gate;
pub mod heal;
pub mod health;
mod held;
mod input;
mod known;
mod permit;
mod prune;
mod ready;
mod record;
mod remains;
mod restore;
mod secrets;
mod steps;
mod take;
mod trial;
pub mod unrecorded;
mod write;

pub use apply::apply;
pub use error::{Failure, Rejection, SyncError};
pub use gate::by_marks_alone;
pub use held::all_held_for;
pub use input::{AllowDestructive, AppliedSync, PendingConfirmation, Purpose, SyncDeps, SyncInput};
pub use known::{Known, Trust, owned};
pub use permit::{Permits, Writing};
pub use prune::{Pruned, prune};
pub use remains::Remains;
pub use restore::{Lost, look_for};
pub use secrets::{Secrets, SeenSecrets, ShownError, quotes_a_server};
