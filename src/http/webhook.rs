//! `POST /webhooks/{hook}`: from untrusted bytes to rows in the queue.
//!
//! Everything that the handler receives was read within limits and has a valid signature: [`body`] and
//! [`SignedDelivery`] are the only way to it. A 202 is sent only after the commit.

mod body;
mod refused;

use std::sync::Arc;

use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use driftless_webhooks::{Delivery, parse, verify};
use serde_json::{Value, json};

use super::route::{Routed, route};
use super::{Hooks, Problem};
use crate::clock::Clock;
use crate::ids::{HookName, RepoName};
use crate::queue::{Accepted, Queue, Request as Job, Trigger};
use crate::store::deliveries::NewDelivery;
use crate::telemetry::Metrics;

pub use body::IntakeLimits;

use body::Bodies;
use refused::Refused;

/// The state of the endpoint.
pub struct Intake {
    hooks: Hooks,
    queue: Queue,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    bodies: Bodies,
}

impl Intake {
    pub fn new(
        hooks: Hooks,
        queue: Queue,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        limits: IntakeLimits,
    ) -> Arc<Self> {
        Arc::new(Self { hooks, queue, clock, metrics, bodies: Bodies::new(limits) })
    }
}

pub(super) fn router(intake: Arc<Intake>) -> Router {
    Router::new().route("/webhooks/{hook}", post(receive).fallback(wrong_method)).with_state(intake)
}

async fn wrong_method() -> Response {
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "send webhooks with POST");
    ([(header::ALLOW, "POST")], problem).into_response()
}

/// A delivery with a valid signature of a configured hook. Only its extractor creates one.
struct SignedDelivery {
    hook: HookName,
    /// The configured repo of its project, if it has one.
    repo: Option<RepoName>,
    delivery: Delivery,
}

impl FromRequest<Arc<Intake>> for SignedDelivery {
    type Rejection = Problem;

    async fn from_request(request: Request, intake: &Arc<Intake>) -> Result<Self, Problem> {
        read_signed(request, intake).await.map_err(|refused| {
            intake.metrics.delivery(refused.outcome);
            let status = refused.problem.status.as_u16();
            tracing::info!(
                status,
                outcome = refused.outcome,
                reason = refused.problem.message,
                "a delivery was rejected"
            );
            refused.problem
        })
    }
}

async fn read_signed(mut request: Request, intake: &Arc<Intake>) -> Result<SignedDelivery, Refused> {
    use axum::RequestExt;
    let Path(name) = request.extract_parts::<Path<String>>().await.map_err(|_| unknown_hook())?;
    let (name, hook) = intake.hooks.get(&name).ok_or_else(unknown_hook)?;
    let (parts, body) = request.into_parts();
    let body = intake.bodies.read(&parts.headers, body).await?;
    let now = intake.clock.now().as_second();
    let delivery = parse(verify(hook.forge, &parts.headers, body.bytes(), &hook.secrets(), now)?)?;
    let repo = delivery.event.project().and_then(|project| hook.repo(project)).cloned();
    Ok(SignedDelivery { hook: name.clone(), repo, delivery })
}

fn unknown_hook() -> Refused {
    let message = "no hook of this name is configured: the last segment of the path must be the hook's name in the \
                   server's configuration";
    Refused::new("unknown_hook", Problem::new(StatusCode::NOT_FOUND, message))
}

async fn receive(State(intake): State<Arc<Intake>>, signed: SignedDelivery) -> Response {
    let event = signed.delivery.event.kind();
    tracing::info!(hook = %signed.hook, delivery = signed.delivery.id.delivery, event, "delivery received");
    match requested(&signed) {
        Routed::Ignored(reason) => {
            tracing::info!(project = signed.delivery.event.project(), reason, "delivery ignored");
            answer(&intake, "ignored", json!({ "reason": reason }))
        }
        Routed::Requests(requests) => store(&intake, signed, requests).await,
    }
}

fn requested(signed: &SignedDelivery) -> Routed {
    let cause = Trigger::Webhook { hook: signed.hook.to_string(), delivery: signed.delivery.id.delivery.clone() };
    let project = signed.delivery.event.project();
    match (&signed.repo, project) {
        (None, Some(project)) => {
            Routed::Ignored(format!("no repo of this hook has the project {project}. Add it to the configuration"))
        }
        // Events without a project ask for nothing, whatever the repo.
        (None, None) => route(&signed.delivery.event, &RepoName::new(""), &cause),
        (Some(repo), _) => route(&signed.delivery.event, repo, &cause),
    }
}

async fn store(intake: &Intake, signed: SignedDelivery, requests: Vec<Job>) -> Response {
    let jobs: Vec<_> = requests.iter().map(|request| request.key.to_string()).collect();
    let SignedDelivery { hook, repo: _, delivery } = signed;
    let new = NewDelivery {
        hook: hook.to_string(),
        hook_id: delivery.id.hook.unwrap_or_default(),
        delivery_id: delivery.id.delivery,
        event: delivery.event.kind().to_owned(),
        project: delivery.event.project().map(str::to_owned),
    };
    match intake.queue.accept(new, requests).await {
        Ok(Accepted::New) => answer(intake, "accepted", json!({ "jobs": jobs })),
        Ok(Accepted::Duplicate) => answer(intake, "duplicate", json!({ "jobs": jobs })),
        Err(error) => {
            let refused = Refused::from(error);
            intake.metrics.delivery(refused.outcome);
            refused.problem.into_response()
        }
    }
}

fn answer(intake: &Intake, status: &'static str, detail: Value) -> Response {
    intake.metrics.delivery(status);
    let mut body = json!({ "status": status });
    if let (Some(body), Value::Object(detail)) = (body.as_object_mut(), detail) {
        body.extend(detail);
    }
    (StatusCode::ACCEPTED, Json(body)).into_response()
}
