//! The layers of every request: an id, a log line, a guard against panics. Headers with secrets are never logged.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tracing::{Level, Span};

use super::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const SECRET: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("x-gitlab-token"),
    HeaderName::from_static("x-hub-signature"),
    HeaderName::from_static("x-hub-signature-256"),
    HeaderName::from_static("webhook-signature"),
];

pub(super) fn wrap(router: Router) -> Router {
    let ids = Arc::new(AtomicU64::new(1));
    let layers = ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new(SECRET))
        .layer(from_fn(move |request, next| identify(ids.clone(), request, next)))
        .layer(
            TraceLayer::new_for_http().make_span_with(span).on_response(DefaultOnResponse::new().level(Level::DEBUG)),
        )
        .layer(CatchPanicLayer::custom(panicked));
    router.fallback(async || Problem::not_found()).layer(layers)
}

/// Ids are ours alone: what a stranger sends is not written to the log.
async fn identify(ids: Arc<AtomicU64>, mut request: Request, next: Next) -> Response {
    let id = HeaderValue::from(ids.fetch_add(1, Ordering::Relaxed));
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

fn span(request: &Request) -> Span {
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or("");
    tracing::info_span!("request", id, method = %request.method(), path = request.uri().path())
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("no message"), "a request failed with a panic");
    Problem::internal().into_response()
}
