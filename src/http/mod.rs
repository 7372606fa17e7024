//! The HTTP servers: webhooks and probes for everybody, the API for whoever can open the server's socket.

pub mod answer;
mod answers;
pub mod api;
pub mod apps;
mod caller;
mod causes;
mod framing;
mod guarded;
pub mod hooks;
mod layers;
pub mod ops;
mod ready;
mod revisions;
pub mod route;
mod run_views;
mod server;
mod slots;
mod socket;
mod standing;
pub mod webhook;

pub use answer::Problem;
pub use hooks::{Hook, Hooks};
pub use ready::{Initialising, Readiness};
pub use revisions::{RevisionError, Revisions};
pub use server::{ServerLimits, serve};
pub use slots::Peer;
pub use socket::{Socket, SocketError};
pub use webhook::{Intake, IntakeLimits};

use std::sync::Arc;

use axum::Router;

use crate::queue::Queue;
use crate::telemetry::Metrics;

/// What faces the network: `/webhooks/{hook}`, and `/healthz` and `/readyz` for a load balancer that can ask nowhere
/// else.
pub fn public(intake: Arc<Intake>, readiness: Readiness, queue: Queue) -> Router {
    layers::wrap(webhook::router(intake).merge(ops::health(readiness, queue)))
}

/// What has a listener of its own, so that no crowd at the webhooks keeps a probe waiting: `/healthz`, `/readyz`,
/// `/metrics`.
pub fn probes(readiness: Readiness, queue: Queue, metrics: Arc<Metrics>) -> Router {
    layers::wrap(ops::health(readiness, queue.clone()).merge(ops::metrics(queue, metrics)))
}

/// What the socket serves: the API's base, and `more` of it.
pub fn private(queue: &Queue, more: Router) -> Router {
    layers::wrap(api::router(queue).merge(more))
}
