//! Answers: errors, pages with their `Link`, and `304` for who has it already.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::forge::paging::Paging;

pub(super) fn error(status: StatusCode, message: &str) -> Response {
    let body = json!({"message": message, "documentation_url": "https://docs.github.com/rest",
        "status": status.as_u16().to_string()});
    (status, Json(body)).into_response()
}

pub(super) fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "Not Found")
}

/// GitHub's 422.
pub(super) fn invalid(message: &str) -> Response {
    let body = json!({"message": "Validation Failed", "errors": [{"message": message, "code": "custom"}],
        "documentation_url": "https://docs.github.com/rest"});
    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
}

/// With an `ETag`, or `304` if the client has the same.
pub(super) fn tagged(headers: &HeaderMap, body: &Value) -> Response {
    let text = body.to_string();
    let tag = format!("W/\"{}\"", hex::encode(Sha256::digest(&text)));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    if known {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    ([(header::ETAG, tag), (header::CONTENT_TYPE, "application/json; charset=utf-8".to_owned())], text).into_response()
}

/// Lists have so many on a page unless more are asked for.
pub(super) type Pages = Paging<30>;

/// Adds the `Link` header that leads on.
pub(super) fn linked(paging: &Pages, site: &str, total: usize, mut response: Response) -> Response {
    let relations: &[&str] = if paging.page() < paging.last(total) { &["prev", "next", "last"] } else { &["prev"] };
    let links = paging.links(site, total, relations);
    if let (false, Ok(value)) = (links.is_empty(), links.parse()) {
        response.headers_mut().insert(header::LINK, value);
    }
    response
}
