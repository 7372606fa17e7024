//! Makes requests go wrong, as it was told to.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::fault::{ApiFault, Stale};
use super::handle::DevForge;
use super::refusal::{limited, moved, too_fast, unauthorized};

pub(super) async fn layer(State(forge): State<DevForge>, mut request: Request, next: Next) -> Response {
    let Some(fault) = forge.faults().strike(&request) else { return next.run(request).await };
    let dialect = forge.0.config.dialect;
    match fault {
        ApiFault::PrimaryLimit { reset_after } => limited(dialect, forge.0.clock.now(), reset_after),
        ApiFault::SecondaryLimit { retry_after } => too_fast(dialect, retry_after),
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
            moved(dialect, request.method() == Method::GET, &format!("{}{to}", forge.api_url()))
        }
        ApiFault::Unauthorized => unauthorized(dialect),
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
