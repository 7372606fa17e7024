//! Serves a router on a listener: so many connections, none that dawdles over its headers, all of them ended at a stop.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::lifecycle::Tasks;

/// What one listener may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Further ones wait in the system's backlog.
    pub connections: usize,
    /// For all headers of a request, and between two requests of a connection.
    pub headers: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { connections: 1_024, headers: Duration::from_secs(10) }
    }
}

/// Room for the headers of one request; longer ones are answered with 431.
const HEADER_BYTES: usize = 64 * 1024;

/// Takes connections until the soft stop, then lets the requests that have begun finish. Returns when no more are taken.
pub async fn serve<L: Listener>(mut listener: L, router: Router, limits: ServerLimits, tasks: Tasks) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let soft = tasks.soft().clone();
    loop {
        let accepted = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await.0)
        };
        let (slot, io) = tokio::select! {
            () = soft.cancelled() => return,
            accepted = accepted => accepted,
        };
        let (router, soft, hard) = (router.clone(), soft.clone(), tasks.hard().clone());
        tasks.spawn("connection", async move {
            let _slot = slot;
            tokio::select! {
                () = hard.cancelled() => {}
                () = connection(io, router, limits, soft) => {}
            }
        });
    }
}

async fn connection<I>(io: I, router: Router, limits: ServerLimits, soft: CancellationToken)
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = soft.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended badly");
    }
}
