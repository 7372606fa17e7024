//! What comes in over HTTP: webhooks and probes from anybody, the API from whoever may open the server's socket.

pub mod answer;
pub mod api;
pub mod apps;
pub mod hooks;
mod layers;
pub mod ops;
mod ready;
pub mod route;
mod server;
mod socket;
pub mod webhook;

pub use answer::Problem;
pub use hooks::{Hook, Hooks};
pub use ready::{Initialising, Readiness};
pub use server::{ServerLimits, serve};
pub use socket::{Socket, SocketError};
pub use webhook::{Intake, IntakeLimits};

use std::sync::Arc;

use axum::Router;

use crate::queue::Queue;
use crate::telemetry::Metrics;

/// What faces the network: `/webhooks/{hook}`, `/healthz`, `/readyz`, `/metrics`.
pub fn public(intake: Arc<Intake>, readiness: Readiness, queue: Queue, metrics: Arc<Metrics>) -> Router {
    let router = webhook::router(intake).merge(ops::router(readiness, queue, metrics));
    layers::wrap(router)
}

/// What the socket serves: the API's base, and `more` of it.
pub fn private(queue: &Queue, more: Router) -> Router {
    layers::wrap(api::router(queue).merge(more))
}
