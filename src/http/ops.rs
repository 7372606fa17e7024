//! Liveness, readiness and metrics for operators.

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Extracted;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{Problem, Readiness, standing};
use crate::app_status::State;
use crate::queue::{Key, Kind, Queue};
use crate::store::{Store, StoreError};
use crate::telemetry::{Metrics, QueueGauges};

#[derive(Clone)]
struct Health {
    readiness: Readiness,
    queue: Queue,
}

#[derive(Clone)]
struct Measured {
    queue: Queue,
    metrics: Arc<Metrics>,
}

pub(super) fn health(readiness: Readiness, queue: Queue) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(Health { readiness, queue })
}

pub(super) fn metrics(queue: Queue, metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(metrics_text)).with_state(Measured { queue, metrics })
}

async fn ready(Extracted(ops): Extracted<Health>) -> Result<&'static str, Problem> {
    let not_ready = |message| Problem::new(StatusCode::SERVICE_UNAVAILABLE, message);
    let waiting = ops.readiness.waiting_for();
    if !waiting.is_empty() {
        return Err(not_ready(format!("still starting: {}", waiting.join(", "))));
    }
    match ops.queue.store().probe().await {
        Ok(()) => Ok("ok\n"),
        Err(error) => {
            tracing::error!(%error, "not ready");
            Err(not_ready("the store cannot be written: see the server's log".to_owned()))
        }
    }
}

async fn metrics_text(Extracted(ops): Extracted<Measured>) -> Response {
    match gauges(&ops.queue).await {
        Ok(gauges) => ops.metrics.set_queue(gauges),
        Err(error) => tracing::error!(%error, "the job queue could not be measured"),
    }
    match apps(ops.queue.store()).await {
        Ok(counts) => ops.metrics.set_apps(counts),
        Err(error) => tracing::error!(%error, "the states of the apps could not be read"),
    }
    match failing(ops.queue.store()).await {
        Ok(counts) => ops.metrics.set_failing(counts),
        Err(error) => tracing::error!(%error, "the failing jobs could not be read"),
    }
    match ops.queue.store().backlog().await {
        Ok(scopes) => scopes.iter().for_each(|scope| ops.metrics.set_reports(&scope.scope, scope.due, scope.held)),
        Err(error) => tracing::error!(%error, "the pending reports could not be read"),
    }
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], ops.metrics.render()).into_response()
}

/// By the state that `driftless apps` shows; a state that no app is in counts as well.
async fn apps(store: &Store) -> Result<Vec<(&'static str, i64)>, StoreError> {
    let mut counts: Vec<(&'static str, i64)> = State::ALL.iter().map(|state| (state.as_str(), 0)).collect();
    for one in standing::all(store).await?.into_iter().filter(|one| !one.is_over) {
        if let Some((_, count)) = counts.iter_mut().find(|(state, _)| *state == one.status.state.as_str()) {
            *count += 1;
        }
    }
    Ok(counts)
}

/// By kind; a kind of which none fails counts as well.
async fn failing(store: &Store) -> Result<Vec<(&'static str, i64)>, StoreError> {
    let mut counts: Vec<(&'static str, i64)> = Kind::ALL.iter().map(|kind| (kind.name, 0)).collect();
    let keys = store.failing_jobs().await?.into_iter().filter_map(|row| row.key.parse::<Key>().ok());
    for key in keys {
        if let Some((_, count)) = counts.iter_mut().find(|(kind, _)| *kind == key.kind().name) {
            *count += 1;
        }
    }
    Ok(counts)
}

async fn gauges(queue: &Queue) -> Result<QueueGauges, StoreError> {
    let depth = queue.store().queue_depth().await?;
    let late = depth.first_due.map_or(0, |due| (queue.store().now() - due).max(0));
    let seconds = std::time::Duration::from_millis(late.unsigned_abs()).as_secs_f64();
    Ok(QueueGauges {
        pending: depth.pending,
        running: depth.running,
        failed: depth.failed,
        oldest_due_seconds: seconds,
    })
}
