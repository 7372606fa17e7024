//! A raw request to a cluster and its raw response.

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Method, StatusCode};

pub(super) struct Ask {
    pub(super) method: Method,
    /// Path and query; its parts are already encoded.
    pub(super) target: String,
    pub(super) accept: &'static str,
    /// Content type and body.
    pub(super) body: Option<(&'static str, Bytes)>,
}

impl Ask {
    pub(super) fn get(target: String) -> Self {
        Self { method: Method::GET, target, accept: "application/json", body: None }
    }
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
    }
}
