//! Answers: errors, pages with their `Link`, and `304` for who has it already.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

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

/// Which page of a list is asked for, and by which address.
pub(super) struct Paging {
    page: usize,
    size: usize,
    /// Path and query without `page`.
    path: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let number = |name: &str, default: usize| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.and_then(|(_, value)| value.parse().ok()).filter(|number| *number > 0).unwrap_or(default)
        };
        let rest: Vec<String> =
            pairs.iter().filter(|(key, _)| *key != "page").map(|(key, value)| format!("{key}={value}")).collect();
        // Routes are nested, and the address that the client used is kept aside.
        let path =
            parts.extensions.get::<axum::extract::OriginalUri>().map_or_else(|| parts.uri.path(), |uri| uri.path());
        let path = format!("{path}?{}", rest.join("&"));
        Ok(Self { page: number("page", 1), size: number("per_page", 30).min(100), path })
    }
}

impl Paging {
    pub(super) fn slice<'a, T>(&self, items: &'a [T]) -> &'a [T] {
        let start = (self.page - 1).saturating_mul(self.size).min(items.len());
        &items[start..start.saturating_add(self.size).min(items.len())]
    }

    /// Adds the `Link` header that leads on.
    pub(super) fn linked(&self, site: &str, total: usize, mut response: Response) -> Response {
        let last = total.div_ceil(self.size).max(1);
        let link = |page: usize, rel: &str| format!("<{site}{}&page={page}>; rel=\"{rel}\"", self.path);
        let mut links = Vec::new();
        if self.page > 1 {
            links.push(link(self.page - 1, "prev"));
        }
        if self.page < last {
            links.push(link(self.page + 1, "next"));
            links.push(link(last, "last"));
        }
        if let (false, Ok(value)) = (links.is_empty(), links.join(", ").parse()) {
            response.headers_mut().insert(header::LINK, value);
        }
        response
    }
}
