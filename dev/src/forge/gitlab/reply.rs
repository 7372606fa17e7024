//! Answers: errors with GitLab's two sorts of bodies, and pages of lists.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::forge::paging::Paging;

/// Lists have so many on a page unless more are asked for.
pub(super) type Pages = Paging<20>;

pub(super) fn with(status: StatusCode, body: &Value) -> Response {
    (status, Json(body)).into_response()
}

/// What the work itself says.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    with(status, &json!({"message": message}))
}

pub(super) fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "404 Not found")
}

pub(super) fn no_project() -> Response {
    error(StatusCode::NOT_FOUND, "404 Project Not Found")
}

pub(super) fn forbidden() -> Response {
    error(StatusCode::FORBIDDEN, "403 Forbidden")
}

/// A parameter that is missing or has a value that it must not have.
pub(super) fn bad_parameter(text: &str) -> Response {
    with(StatusCode::BAD_REQUEST, &json!({"error": text}))
}

/// A page of a list with the headers that lead on.
pub(super) fn page(site: &str, paging: &Pages, total: usize, items: Vec<Value>) -> Response {
    let mut response = with(StatusCode::OK, &Value::Array(items));
    let headers = response.headers_mut();
    let text = |number: Option<usize>| number.map(|number| number.to_string()).unwrap_or_default();
    for (name, value) in [
        ("x-page", text(Some(paging.page()))),
        ("x-per-page", text(Some(paging.size()))),
        ("x-prev-page", text(paging.page().checked_sub(1).filter(|page| *page > 0))),
        ("x-next-page", text(Some(paging.page() + 1).filter(|page| *page <= paging.last(total)))),
        ("x-total", text(Some(total))),
        ("x-total-pages", text(Some(paging.last(total)))),
        ("link", paging.links(site, total, &["prev", "next", "first", "last"])),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
