//! A server on a free port of the loopback, and a client that sends exactly what it is told.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use driftless::clock::{Clock, SystemClock};
use driftless::http::{Hook, Hooks, Intake, IntakeLimits, Readiness, ServerLimits, probes, public, serve};
use driftless::ids::{HookName, RepoName};
use driftless::lifecycle::Tasks;
use driftless::queue::{Queue, QueueConfig};
use driftless::secret::LiveSecret;
use driftless::store::Store;
use driftless::telemetry::Metrics;
use driftless_webhooks::{Forge, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(super) const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

const SECRET: &str = "It's a Secret to Everybody";

pub(super) fn secret() -> Secret {
    Secret::new(SECRET).expect("not empty")
}

pub(super) struct Server {
    pub address: SocketAddr,
    /// Where probes and metrics are.
    pub probes: SocketAddr,
    pub queue: Queue,
    pub readiness: Readiness,
    pub tasks: Tasks,
    pub dir: tempfile::TempDir,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::with(IntakeLimits::default(), QueueConfig::default()).await
    }

    pub(super) async fn with(limits: IntakeLimits, config: QueueConfig) -> Self {
        let connections = ServerLimits { headers: Duration::from_millis(500), ..ServerLimits::default() };
        Self::behind(connections, limits, config).await
    }

    pub(super) async fn behind(connections: ServerLimits, limits: IntakeLimits, config: QueueConfig) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Store::open(&dir.path().join("driftless.db"), clock.clone()).await.expect("opens");
        let tasks = Tasks::new();
        let queue = Queue::start(store, config, &tasks).await.expect("starts");
        let metrics = Arc::new(Metrics::default());
        let intake = Intake::new(hooks(), queue.clone(), clock, metrics.clone(), limits);
        let readiness = Readiness::default();
        let address = listen(public(intake, readiness.clone(), queue.clone()), connections, &tasks).await;
        let watched = probes(readiness.clone(), queue.clone(), metrics);
        let probes = listen(watched, ServerLimits::probes(), &tasks).await;
        Self { address, probes, queue, readiness, tasks, dir }
    }

    /// Sends `bytes` as they are and reads until the server closes.
    pub(super) async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.expect("connects");
        stream.write_all(bytes).await.expect("sends");
        read_answer(&mut stream).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.raw(get(path).as_bytes()).await
    }

    /// Asks where probes are.
    pub(super) async fn probe(&self, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.probes).await.expect("connects");
        stream.write_all(get(path).as_bytes()).await.expect("sends");
        read_answer(&mut stream).await
    }

    pub(super) async fn send(&self, request: &Request) -> Answer {
        self.raw(&request.bytes()).await
    }

    /// A signed delivery of GitHub's.
    pub(super) async fn deliver(&self, event: &str, body: &str) -> Answer {
        self.send(&Request::github(event, body.as_bytes())).await
    }

    pub(super) async fn jobs(&self) -> Vec<String> {
        self.queue.store().jobs(1_000).await.expect("lists").into_iter().map(|row| row.key).collect()
    }

    pub(super) async fn deliveries(&self) -> usize {
        self.queue.store().deliveries(1_000).await.expect("lists").len()
    }
}

async fn listen(router: axum::Router, limits: ServerLimits, tasks: &Tasks) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    tasks.spawn("http", serve(listener, router, limits, tasks.clone()));
    address
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
}

fn hooks() -> Hooks {
    let repos = || [("Acme/Shop".to_owned(), RepoName::new("shop"))];
    Hooks::new([
        (
            HookName::new("github"),
            Hook::new(Forge::GitHub, vec![LiveSecret::fixed("the new one"), LiveSecret::fixed(SECRET)], repos()),
        ),
        (HookName::new("gitlab"), Hook::new(Forge::GitLab, vec![LiveSecret::fixed(SECRET)], repos())),
    ])
}

/// A request with headers that can be changed before it is sent.
#[derive(Clone)]
pub(super) struct Request {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub(super) fn github(event: &str, body: &[u8]) -> Self {
        let request = Self { line: "POST /webhooks/github HTTP/1.1".into(), headers: Vec::new(), body: body.to_vec() };
        request
            .header("Content-Length", &body.len().to_string())
            .header("Content-Type", "application/json")
            .header("X-GitHub-Event", event)
            .header("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
            .header("X-Hub-Signature-256", &secret().github_signature(body))
    }

    /// Adds a header in place of those of the same name.
    pub(super) fn header(self, name: &str, value: &str) -> Self {
        let mut request = self.without(name);
        request.headers.push((name.into(), value.into()));
        request
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub(super) fn head(&self) -> String {
        let mut text = format!("{}\r\nHost: test\r\nConnection: close\r\n", self.line);
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text + "\r\n"
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.head().as_bytes(), &self.body].concat()
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// 0 if the server closed without a word.
    pub status: u16,
    pub headers: String,
    pub body: String,
}

impl Answer {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// `accepted`, `duplicate` or `ignored`.
    pub(super) fn outcome(&self) -> String {
        assert_eq!(self.status, 202, "{self:?}");
        self.json()["status"].as_str().expect("a status").to_owned()
    }

    /// A refusal is JSON that says what is wrong.
    #[track_caller]
    pub(super) fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        self.json()["error"].as_str().expect("an error").to_owned()
    }
}

pub(super) async fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    // A reset after the answer is as good as a close.
    let _ = read.expect("an answer in time");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (headers, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, headers: headers.to_lowercase(), body: body.to_owned() }
}

/// A push to `main` as GitHub tells of it.
pub(super) fn push() -> serde_json::Value {
    serde_json::json!({
        "ref": "refs/heads/main",
        "before": "1111111111111111111111111111111111111111",
        "after": SHA,
        "forced": false,
        "repository": { "full_name": "acme/shop", "clone_url": "https://forge.example/acme/shop.git" },
        "commits": [],
    })
}

pub(super) fn pull_request() -> serde_json::Value {
    serde_json::json!({
        "action": "opened",
        "number": 7,
        "repository": { "full_name": "acme/shop" },
        "pull_request": {
            "head": { "sha": SHA, "ref": "change", "repo": { "full_name": "acme/shop" } },
            "base": { "sha": "1111111111111111111111111111111111111111", "ref": "main",
            "repo": { "full_name": "acme/shop" } },
            "merged": false,
            "draft": false,
        },
    })
}
