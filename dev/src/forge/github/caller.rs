//! Who asks, as handlers take it.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use super::reply;
use crate::forge::caller::Caller;

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        parts.extensions.get().cloned().ok_or_else(reply::not_found)
    }
}

/// The name under which something is written. The App itself may write nothing.
pub(super) fn login(caller: Caller) -> Result<String, Box<Response>> {
    match caller {
        Caller::Login(login) => Ok(login),
        Caller::App => Err(Box::new(reply::error(StatusCode::FORBIDDEN, "Resource not accessible by integration"))),
    }
}
