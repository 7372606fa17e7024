//! Measures accepted deliveries per second, each on disk before it is answered, and compares them with a bare axum
//! handler that only checks the HMAC.
//!
//! Both are served in this process over loopback connections that are kept open, from the same number of clients and in
//! turns; the median of the rounds counts. Each delivery has an id and a branch of its own, so each is one new delivery
//! row and one new job row.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use driftless::clock::SystemClock;
use driftless::http::{Hook, Hooks, Intake, IntakeLimits, Readiness, ServerLimits, public, serve};
use driftless::ids::{HookName, RepoName};
use driftless::lifecycle::Tasks;
use driftless::queue::{Queue, QueueConfig};
use driftless::secret::LiveSecret;
use driftless::store::Store;
use driftless::telemetry::Metrics;
use driftless_webhooks::{Forge, Secret};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const KEY: &str = "a long random secret";
const CLIENTS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// The size of a push of a few commits.
const PADDING: usize = 7_000;

static NEXT: AtomicU64 = AtomicU64::new(0);

#[tokio::main]
async fn main() {
    let tasks = Tasks::new();
    let dir = tempfile::tempdir().expect("a directory");
    let ours = listen(driftless(dir.path(), &tasks).await, &tasks).await;
    let bare = listen(bare(), &tasks).await;
    let (mut accepted, mut floor) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (a, b) = (rate(ours).await, rate(bare).await);
        // The first warms up.
        if round > 0 {
            println!("round {round}: driftless {a:.0}/s, bare axum + HMAC {b:.0}/s");
            accepted.push(a);
            floor.push(b);
        }
    }
    let (accepted, floor) = (median(accepted), median(floor));
    println!("accept: {accepted:.0} deliveries/s, bare axum + HMAC {floor:.0}/s, ratio {:.2}", accepted / floor);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn driftless(dir: &std::path::Path, tasks: &Tasks) -> Router {
    let clock = Arc::new(SystemClock);
    let store = Store::open(&dir.join("driftless.db"), clock.clone()).await.expect("a store");
    let config = QueueConfig { max_pending: usize::MAX, ..QueueConfig::default() };
    let queue = Queue::start(store, config, tasks).await.expect("a queue");
    let hook =
        Hook::new(Forge::GitHub, vec![LiveSecret::fixed(KEY)], [("acme/shop".to_owned(), RepoName::new("shop"))]);
    let metrics = Arc::new(Metrics::default());
    let hooks = Hooks::new([(HookName::new("github"), hook)]);
    let intake = Intake::new(hooks, queue.clone(), clock, metrics, IntakeLimits::default());
    public(intake, Readiness::default(), queue)
}

fn bare() -> Router {
    Router::new().route("/webhooks/{hook}", post(check))
}

async fn check(headers: HeaderMap, body: Bytes) -> StatusCode {
    let given = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok()?.strip_prefix("sha256="));
    let given = given.and_then(|text| hex::decode(text).ok()).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("any length");
    mac.update(&body);
    if mac.verify_slice(&given).is_ok() { StatusCode::ACCEPTED } else { StatusCode::UNAUTHORIZED }
}

async fn listen(router: Router, tasks: &Tasks) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    tasks.spawn("http", serve(listener, router, ServerLimits::default(), tasks.clone()));
    address
}

/// Requests per second that were answered with 202.
async fn rate(address: SocketAddr) -> f64 {
    let started = Instant::now();
    let clients = (0..CLIENTS).map(|_| tokio::spawn(client(address, started + ROUND)));
    let counts = futures::future::join_all(clients).await;
    let total: u32 = counts.into_iter().map(|count| count.expect("a client")).sum();
    f64::from(total) / started.elapsed().as_secs_f64()
}

async fn client(address: SocketAddr, until: Instant) -> u32 {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.set_nodelay(true).expect("a TCP stream");
    let secret = Secret::new(KEY).expect("not empty");
    let mut count = 0;
    let mut answer = vec![0; 4_096];
    while Instant::now() < until {
        stream.write_all(&request(&secret)).await.expect("sends");
        let length = stream.read(&mut answer).await.expect("an answer");
        let status = answer.get(9..12).expect("a status line");
        assert_eq!(status, b"202", "{}", String::from_utf8_lossy(&answer[..length]));
        count += 1;
    }
    count
}

fn request(secret: &Secret) -> Vec<u8> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let padding = "x".repeat(PADDING);
    let body = format!(
        r#"{{"ref":"refs/heads/b{number}","after":"0123456789abcdef0123456789abcdef01234567","commits":[{{"message":"{padding}"}}],"repository":{{"full_name":"acme/shop"}}}}"#
    );
    let signature = secret.github_signature(body.as_bytes());
    format!(
        "POST /webhooks/github HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: \
         {}\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: d{number}\r\nX-Hub-Signature-256: {signature}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
