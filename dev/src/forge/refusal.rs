//! How the forge says no, in its dialect.

use axum::response::Response;
use jiff::Timestamp;

use super::dialect::Dialect;
use super::{github, gitlab};

pub(super) fn limited(dialect: Dialect, now: Timestamp, reset_after: u64) -> Response {
    match dialect {
        Dialect::GitHub => github::limited(now, reset_after),
        Dialect::GitLab => gitlab::limited(now, reset_after),
    }
}

pub(super) fn too_fast(dialect: Dialect, retry_after: Option<u64>) -> Response {
    match dialect {
        Dialect::GitHub => github::too_fast(retry_after),
        Dialect::GitLab => gitlab::too_fast(retry_after),
    }
}

pub(super) fn unauthorized(dialect: Dialect) -> Response {
    match dialect {
        Dialect::GitHub => github::unauthorized(),
        Dialect::GitLab => gitlab::unauthorized(),
    }
}

pub(super) fn moved(dialect: Dialect, is_read: bool, to: &str) -> Response {
    match dialect {
        Dialect::GitHub => github::moved(is_read, to),
        Dialect::GitLab => gitlab::moved(is_read, to),
    }
}
