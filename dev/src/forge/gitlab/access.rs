//! Finds out who asks the API, by the token, and what the token allows.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;

use super::{refusal, reply};
use crate::forge::handle::DevForge;

/// Requests in a minute.
const LIMIT: usize = 2000;

/// Whose token it was.
#[derive(Debug, Clone)]
pub(super) struct Login(pub String);

pub(super) async fn layer(State(forge): State<DevForge>, mut request: Request, next: Next) -> Response {
    if !token(request.headers()).is_some_and(|token| forge.state().is_token(token)) {
        return refusal::unauthorized();
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_allowed(&forge, is_read) {
        return out_of_scope();
    }
    request.extensions_mut().insert(Login(forge.0.config.login.clone()));
    let mut response = next.run(request).await;
    let observed = forge.faults().requests().len() % LIMIT;
    let reset = forge.0.clock.now().as_second() + 60;
    for (name, value) in [
        ("ratelimit-limit", LIMIT.to_string()),
        ("ratelimit-name", "throttle_authenticated_api".to_owned()),
        ("ratelimit-observed", observed.to_string()),
        ("ratelimit-remaining", (LIMIT - observed).to_string()),
        ("ratelimit-reset", reset.to_string()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let bearer = || headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ");
    headers.get("private-token").and_then(|token| token.to_str().ok()).or_else(bearer)
}

fn is_allowed(forge: &DevForge, is_read: bool) -> bool {
    let state = forge.state();
    let scopes = state.settings().scopes.as_deref().unwrap_or_default();
    scopes.iter().any(|scope| scope == "api" || (is_read && scope == "read_api"))
}

fn out_of_scope() -> Response {
    let text = "The request requires higher privileges than provided by the access token.";
    let body = json!({"error": "insufficient_scope", "error_description": text, "scope": "api"});
    reply::with(StatusCode::FORBIDDEN, &body)
}
