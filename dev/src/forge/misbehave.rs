//! Makes requests go wrong, as it was told to.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::fault::{ApiFault, Stale};
use super::{DevForge, reply};

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
            (StatusCode::FORBIDDEN, headers, axum::Json(json!({"message": "API rate limit exceeded for user ID 1."})))
                .into_response()
        }
        ApiFault::SecondaryLimit { retry_after } => {
            let message = axum::Json(
                json!({"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try \
                                   again."}),
            );
            match retry_after {
                Some(seconds) => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], message)
                    .into_response(),
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
            let code = if request.method() == Method::GET {
                StatusCode::MOVED_PERMANENTLY
            } else {
                StatusCode::TEMPORARY_REDIRECT
            };
            (
                code,
                [(header::LOCATION, format!("{}{to}", forge.api_url()))],
                axum::Json(json!({"message": "Moved Permanently"})),
            )
                .into_response()
        }
        ApiFault::Unauthorized => reply::error(StatusCode::UNAUTHORIZED, "Bad credentials"),
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
