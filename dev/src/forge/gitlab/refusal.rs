//! How GitLab says no to who asks too often, is nobody, or asks for what has moved.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;

use super::reply;

/// As the middleware before the API answers: in plain text, with what is left of the limit.
pub(in crate::forge) fn limited(now: Timestamp, reset_after: u64) -> Response {
    let reset = now.as_second().saturating_add_unsigned(reset_after);
    let named = |name: &'static str, value: String| (HeaderName::from_static(name), value);
    let headers = [
        named("content-type", "text/plain".into()),
        named("ratelimit-limit", "7200".into()),
        named("ratelimit-name", "throttle_authenticated_api".into()),
        named("ratelimit-observed", "7201".into()),
        named("ratelimit-remaining", "0".into()),
        named("ratelimit-reset", reset.to_string()),
        named("retry-after", reset_after.to_string()),
    ];
    (StatusCode::TOO_MANY_REQUESTS, headers, "Retry later\n").into_response()
}

/// A limit of one endpoint, as that of new comments, says nothing of when it ends.
pub(in crate::forge) fn too_fast(retry_after: Option<u64>) -> Response {
    match retry_after {
        Some(seconds) => {
            let headers = [(header::CONTENT_TYPE, "text/plain".to_owned()), (header::RETRY_AFTER, seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, headers, "Retry later\n").into_response()
        }
        None => {
            let text = "This endpoint has been requested too many times. Try again later.";
            reply::with(StatusCode::TOO_MANY_REQUESTS, &json!({"message": {"error": text}}))
        }
    }
}

pub(in crate::forge) fn unauthorized() -> Response {
    reply::error(StatusCode::UNAUTHORIZED, "401 Unauthorized")
}

/// To an address by the number of the project. Only reading is sent on.
pub(in crate::forge) fn moved(is_read: bool, to: &str) -> Response {
    if !is_read {
        return reply::error(StatusCode::METHOD_NOT_ALLOWED, "Non GET methods are not allowed for moved projects");
    }
    let mut response = reply::with(StatusCode::MOVED_PERMANENTLY, &json!({"message": "301 Moved Permanently"}));
    if let Ok(to) = to.parse() {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}
