//! Why a delivery is not taken.

use axum::http::StatusCode;
use driftless_webhooks::Rejection;

use crate::http::Problem;
use crate::queue::QueueError;

/// Why a request is refused, with one word for the metrics.
pub(super) struct Refused {
    pub outcome: &'static str,
    pub problem: Problem,
}

impl Refused {
    pub(super) fn new(outcome: &'static str, problem: Problem) -> Self {
        Self { outcome, problem }
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        let status = StatusCode::from_u16(rejection.kind.status()).unwrap_or(StatusCode::BAD_REQUEST);
        Self::new(rejection.kind.as_str(), Problem::new(status, rejection.message))
    }
}

impl From<QueueError> for Refused {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Overloaded { .. } => Self::new("overloaded", Problem::overloaded(error.to_string())),
            QueueError::Store(error) => {
                tracing::error!(%error, "a delivery could not be stored");
                let message = "the delivery could not be stored: send it again. See the server's log for the reason";
                Self::new("unstored", Problem::overloaded(message))
            }
        }
    }
}
