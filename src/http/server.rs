//! Serves a router on a listener: with a limit on connections, without slow clients, and with an end at shutdown.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::Problem;
use super::framing::{Framed, Framing};
use super::guarded::Guarded;
use super::slots::{Peer, Slot, Slots};
use crate::lifecycle::Tasks;

/// What one listener may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// For a further one, another ends.
    pub connections: usize,
    /// Of one peer.
    pub per_peer: usize,
    /// Of one connection since its last signed delivery; then it has to come again.
    pub requests: u64,
    /// For all headers of a request, and between two requests of a connection.
    pub headers: Duration,
    /// For an answer to be read.
    pub write: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        // Behind a proxy all deliveries come from one peer, so a peer may have many.
        Self {
            connections: 1_024,
            per_peer: 512,
            requests: 100,
            headers: Duration::from_secs(10),
            write: Duration::from_secs(10),
        }
    }
}

impl ServerLimits {
    /// For who asks whether the server lives: few, and soon.
    pub fn probes() -> Self {
        Self { connections: 64, per_peer: 32, ..Self::default() }
    }

    /// Leaves most of the files that the process may open to its work.
    #[must_use]
    pub fn within(self, open_files: u64) -> Self {
        let connections = self.connections.min(usize::try_from(open_files / 4).unwrap_or(usize::MAX)).max(1);
        Self { connections, per_peer: self.per_peer.min(connections.div_ceil(2)), ..self }
    }
}

/// Room for the headers of one request; longer ones are answered with 431.
const HEADER_BYTES: usize = 64 * 1024;

/// Takes connections until the soft stop, then lets the requests that have begun finish. Returns when no more are
/// taken.
pub async fn serve<L>(mut listener: L, router: Router, limits: ServerLimits, tasks: Tasks)
where
    L: Listener,
    L::Addr: Into<Peer> + Clone + Send + Sync + 'static,
{
    let slots = Slots::new(limits.connections, limits.per_peer);
    let soft = tasks.soft().clone();
    loop {
        let (io, address) = tokio::select! {
            () = soft.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        // Counted here and not by the task, which may begin later than the next connection comes.
        let slot = Arc::new(slots.take(address.clone().into()));
        let (router, soft, hard) = (router.clone(), soft.clone(), tasks.hard().clone());
        tasks.spawn("connection", async move {
            tokio::select! {
                () = hard.cancelled() => {}
                () = slot.displaced() => tracing::debug!("a connection was closed to make room for another"),
                () = connection(io, address, router, limits, soft, Arc::clone(&slot)) => {}
            }
        });
    }
}

/// Each request comes with who has opened the connection.
async fn connection<I, A>(
    io: I,
    address: A,
    router: Router,
    limits: ServerLimits,
    soft: CancellationToken,
    slot: Arc<Slot>,
) where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    A: Clone + Send + Sync + 'static,
{
    let framing = Arc::new(Framing::default());
    let io = Guarded::new(io, limits.write, Arc::clone(&framing));
    let (requests, fruitless) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(address.clone());
        let mut framed = framing.of(requests.fetch_add(1, Ordering::Relaxed));
        if framed == Framed::Clear && fruitless.fetch_add(1, Ordering::Relaxed) + 1 >= limits.requests {
            framed = Framed::Last;
        }
        let (router, slot, fruitless) = (router.clone(), Arc::clone(&slot), Arc::clone(&fruitless));
        async move {
            let response = respond(router, request, framed).await;
            // The one answer that nobody gets who has not signed.
            if response.status() == StatusCode::ACCEPTED {
                slot.deserves();
                fruitless.store(0, Ordering::Relaxed);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = soft.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection failed");
    }
}

async fn respond(router: Router, request: Request<Incoming>, framed: Framed) -> Response {
    let mut response = match framed {
        Framed::Contradicts => {
            let message = "the request has both Transfer-Encoding and Content-Length: send one of them";
            Problem::new(StatusCode::BAD_REQUEST, message).into_response()
        }
        Framed::Clear | Framed::Last => {
            let Ok(response) = router.oneshot(request.map(Body::new)).await;
            response
        }
    };
    if framed != Framed::Clear {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
