//! What goes wrong with requests, when it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::DevForge;

/// One thing that goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiFault {
    /// The hourly limit is used up, and resets after so many seconds.
    PrimaryLimit {
        reset_after: u64,
    },
    /// Too fast; without a hint unless one is given.
    SecondaryLimit {
        retry_after: Option<u64>,
    },
    Status(u16),
    /// Never answers.
    Hang,
    /// Answers late.
    Slow(Duration),
    /// Closes the connection before it did anything.
    Reset,
    /// Does what was asked for, and closes the connection instead of saying so.
    LoseAnswer,
    /// Does what was asked for, and never answers.
    Swallow,
    /// Sends the request on to a path below the API, as for a repository that was renamed.
    Redirect {
        to: String,
    },
    /// Says that the token is wrong.
    Unauthorized,
    /// Lists as they were so many entries ago: the newest are left out.
    Stale {
        newest: usize,
    },
}

#[derive(Debug)]
struct Rule {
    method: Option<Method>,
    path: String,
    times: usize,
    fault: ApiFault,
}

/// What is to go wrong; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    rules: VecDeque<Rule>,
    requests: Vec<String>,
}

/// Requests that are remembered.
const REMEMBERED: usize = 10_000;

impl Faults {
    /// The next `times` requests of this method (any, if none) whose path has `path` in it fail like this.
    pub fn add(&self, method: Option<Method>, path: &str, times: usize, fault: ApiFault) {
        self.lock().rules.push_back(Rule { method, path: path.to_owned(), times, fault });
    }

    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// `METHOD PATH` of each request to the API so far, faults included.
    pub fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strike(&self, request: &Request) -> Option<ApiFault> {
        let mut inner = self.lock();
        let line = format!("{} {}", request.method(), request.uri());
        if inner.requests.len() < REMEMBERED {
            inner.requests.push(line);
        }
        let path = request.uri().path();
        let rule = inner.rules.iter_mut().find(|rule| {
            rule.times > 0 && path.contains(&rule.path) && rule.method.as_ref().is_none_or(|method| method == request.method())
        })?;
        rule.times -= 1;
        Some(rule.fault.clone())
    }
}

/// How many of the newest entries a list leaves out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stale(pub usize);

pub(super) async fn layer(State(forge): State<DevForge>, mut request: Request, next: Next) -> Response {
    let Some(fault) = forge.faults().strike(&request) else { return next.run(request).await };
    match fault {
        ApiFault::PrimaryLimit { reset_after } => {
            let reset = forge.0.clock.now().as_second().saturating_add_unsigned(reset_after);
            let headers = [
                ("x-ratelimit-limit", "5000".to_owned()),
                ("x-ratelimit-remaining", "0".to_owned()),
                ("x-ratelimit-reset", reset.to_string()),
            ];
            (StatusCode::FORBIDDEN, headers, axum::Json(json!({"message": "API rate limit exceeded for user ID 1."}))).into_response()
        }
        ApiFault::SecondaryLimit { retry_after } => {
            let message =
                axum::Json(json!({"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}));
            match retry_after {
                Some(seconds) => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], message).into_response(),
                None => (StatusCode::FORBIDDEN, message).into_response(),
            }
        }
        ApiFault::Status(code) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, axum::Json(json!({"message": "as it was told to"}))).into_response()
        }
        ApiFault::Hang => std::future::pending().await,
        ApiFault::Slow(by) => {
            tokio::time::sleep(by).await;
            next.run(request).await
        }
        ApiFault::Reset => broken(),
        ApiFault::LoseAnswer => {
            drop(next.run(request).await);
            broken()
        }
        ApiFault::Swallow => {
            drop(next.run(request).await);
            std::future::pending().await
        }
        ApiFault::Redirect { to } => {
            let code = if request.method() == Method::GET { StatusCode::MOVED_PERMANENTLY } else { StatusCode::TEMPORARY_REDIRECT };
            (code, [(header::LOCATION, format!("{}{to}", forge.api_url()))], axum::Json(json!({"message": "Moved Permanently"})))
                .into_response()
        }
        ApiFault::Unauthorized => super::reply::error(StatusCode::UNAUTHORIZED, "Bad credentials"),
        ApiFault::Stale { newest } => {
            request.extensions_mut().insert(Stale(newest));
            next.run(request).await
        }
    }
}

/// An answer whose body breaks off, at which the server closes the connection.
fn broken() -> Response {
    let failure = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("as it was told to")) });
    ([(header::CONTENT_LENGTH, "100")], Body::from_stream(failure)).into_response()
}
