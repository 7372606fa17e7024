//! How GitHub says no to who asks too often, is nobody, or asks for what has moved.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;

use super::reply;

/// The hourly limit is used up.
pub(in crate::forge) fn limited(now: Timestamp, reset_after: u64) -> Response {
    let reset = now.as_second().saturating_add_unsigned(reset_after);
    let headers = [
        ("x-ratelimit-limit", "5000".to_owned()),
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset", reset.to_string()),
    ];
    let body = json!({"message": "API rate limit exceeded for user ID 1."});
    (StatusCode::FORBIDDEN, headers, axum::Json(body)).into_response()
}

pub(in crate::forge) fn too_fast(retry_after: Option<u64>) -> Response {
    let message = axum::Json(
        json!({"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}),
    );
    match retry_after {
        Some(seconds) => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], message).into_response()
        }
        None => (StatusCode::FORBIDDEN, message).into_response(),
    }
}

pub(in crate::forge) fn unauthorized() -> Response {
    reply::error(StatusCode::UNAUTHORIZED, "Bad credentials")
}

/// With the method kept, so that a body comes along.
pub(in crate::forge) fn moved(is_read: bool, to: &str) -> Response {
    let code = if is_read { StatusCode::MOVED_PERMANENTLY } else { StatusCode::TEMPORARY_REDIRECT };
    (code, [(header::LOCATION, to.to_owned())], axum::Json(json!({"message": "Moved Permanently"}))).into_response()
}
