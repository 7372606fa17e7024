//! A proxy before a real API server that misbehaves by a script of rules, and counts what is asked.
//!
//! It speaks plain HTTP on loopback and authenticates nobody: the caller's bearer token goes through to the API
//! server, which judges it. Client certificates can't go through, so use a token. What no rule matches is
//! forwarded as it is, watches as they come.

mod count;
mod rule;
mod socket;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

pub use self::count::{Asked, Counts};
use self::rule::Script;
pub use self::rule::{Fault, Rule, RuleId};
use self::socket::{ResetSwitch, Resettable};
use super::access::{Access, AccessError};
use driftless_base::lifecycle::Tasks;

type Body = http_body_util::combinators::BoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Why there is no proxy.
#[derive(Debug, thiserror::Error)]
pub enum FaultProxyError {
    #[error("the fault proxy has no loopback port")]
    Listen(#[source] std::io::Error),
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// A running proxy. It ends with the tasks that it was started on.
#[derive(Clone, Debug)]
pub struct FaultProxy {
    access: Access,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    upstream: String,
    client: reqwest::Client,
    script: Mutex<Script>,
    counts: Mutex<Counts>,
}

/// What to do with a request, once the rules have been asked.
enum Verdict {
    Answer(Response<Body>),
    /// Close the connection so that the other side sees a reset.
    Reset,
}

impl FaultProxy {
    /// Listens on a free loopback port before `upstream`; no rule is set yet.
    pub async fn start(upstream: &Access, tasks: &Tasks) -> Result<Self, FaultProxyError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(FaultProxyError::Listen)?;
        let address = listener.local_addr().map_err(FaultProxyError::Listen)?;
        let state = Arc::new(State {
            upstream: upstream.server.clone(),
            client: upstream.client()?,
            script: Mutex::default(),
            counts: Mutex::default(),
        });
        tasks.spawn("fault proxy", accept(listener, Arc::clone(&state), tasks.clone()));
        let access = Access { server: format!("http://{address}"), authority: None, token: upstream.token.clone() };
        Ok(Self { access, state })
    }

    /// How to reach the API server through the proxy.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The same as a kubeconfig.
    pub fn write_kubeconfig(&self, path: &Path) -> Result<(), AccessError> {
        self.access.write_kubeconfig(path)
    }

    /// Adds a rule behind those that are there; the first that matches a request and isn't used up decides.
    pub fn add(&self, rule: Rule) -> RuleId {
        lock(&self.state.script).add(rule)
    }

    /// How often a rule has struck; 0 for one that was cleared.
    pub fn struck(&self, rule: RuleId) -> usize {
        lock(&self.state.script).struck(rule)
    }

    /// Forgets all rules: everything is forwarded from now on. What hangs goes on hanging.
    pub fn clear(&self) {
        lock(&self.state.script).clear();
    }

    /// What was asked since the start or the last `forget_counts`, refused requests included.
    pub fn counts(&self) -> Counts {
        lock(&self.state.counts).clone()
    }

    /// Counts from zero again.
    pub fn forget_counts(&self) {
        *lock(&self.state.counts) = Counts::default();
    }
}

/// No holder of these locks can panic half way through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<State>, tasks: Tasks) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = tasks.soft().cancelled() => return,
        };
        if let Ok((stream, peer)) = accepted {
            let stop = tasks.soft().clone();
            let connection = serve(stream, peer, Arc::clone(&state));
            tasks.spawn("fault proxy connection", async move { stop.run_until_cancelled(connection).await });
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, state: Arc<State>) {
    let switch = ResetSwitch::default();
    let socket = Resettable::new(stream, switch.clone());
    let service = service_fn(move |request| {
        let (state, switch) = (Arc::clone(&state), switch.clone());
        async move {
            match state.handle(request).await {
                Verdict::Answer(answer) => Ok(answer),
                Verdict::Reset => {
                    switch.turn_on();
                    Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
                }
            }
        }
    });
    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "a connection of the fault proxy ended");
    }
}

impl State {
    async fn handle(&self, request: Request<Incoming>) -> Verdict {
        let target = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
        lock(&self.counts).add(Asked::of(request.method(), request.uri()));
        let fault = lock(&self.script).strike(request.method(), &target);
        match fault {
            None => self.forward(request, &target).await.map_or(Verdict::Reset, Verdict::Answer),
            Some(Fault::Answer { status, retry_after }) => {
                // A connection closed with unread bytes is reset, and the answer may be lost with it.
                let _ = request.into_body().collect().await;
                Verdict::Answer(refusal(status, retry_after))
            }
            Some(Fault::Reset) => Verdict::Reset,
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::LoseAnswer) => {
                self.work(request, &target).await;
                Verdict::Reset
            }
            Some(Fault::Swallow) => {
                self.work(request, &target).await;
                std::future::pending().await
            }
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                self.forward(request, &target).await.map_or(Verdict::Reset, Verdict::Answer)
            }
        }
    }

    /// Has the request done, and drops the answer. It is done for certain once the last byte of the answer is here.
    async fn work(&self, request: Request<Incoming>, target: &str) {
        if let Some(answer) = self.forward(request, target).await {
            let _ = answer.into_body().collect().await;
        }
    }

    /// None when the API server could not be reached: our caller sees what it would have seen.
    async fn forward(&self, request: Request<Incoming>, target: &str) -> Option<Response<Body>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let answer = self
            .client
            .request(parts.method, format!("{}{target}", self.upstream))
            .headers(end_to_end(parts.headers))
            .body(body)
            .send()
            .await
            .inspect_err(|error| tracing::warn!(%error, "the fault proxy cannot reach the API server"))
            .ok()?;
        let (mut parts, body) = Response::<reqwest::Body>::from(answer).into_parts();
        parts.headers = end_to_end(parts.headers);
        parts.version = http::Version::HTTP_11;
        Some(Response::from_parts(parts, body.map_err(Into::into).boxed()))
    }
}

/// Without the headers that are about one connection; hyper and reqwest write their own.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in [CONNECTION, HOST, TRANSFER_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
    headers
}

/// A Status object as the API server sends it, with `Retry-After` in seconds where asked for.
fn refusal(status: StatusCode, retry_after: Option<u32>) -> Response<Body> {
    let reason = match status {
        StatusCode::CONFLICT => "Conflict",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        StatusCode::INTERNAL_SERVER_ERROR => "InternalError",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
        _ => "",
    };
    let mut answer = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "injected by the fault proxy", "reason": reason, "code": status.as_u16(),
    });
    if let Some(seconds) = retry_after {
        answer["details"] = serde_json::json!({ "retryAfterSeconds": seconds });
    }
    let body = Full::new(Bytes::from(answer.to_string())).map_err(|never: Infallible| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}
