//! Who asks the API: the owner of the token, the App, or its installation.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use super::reply;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// A user, or an App's installation by its bot.
    Login(String),
    /// The App itself, which may only ask about itself.
    App,
}

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
