//! Probes, metrics, the socket, and what a stop does.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use axum::Router;
use driftless::http::{Socket, private};
use driftless::lifecycle::Stopped;
use driftless::queue::{Key, Request as Job, Trigger};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::server::{Request, Server, push, read_answer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_when_everybody_has_said_so_and_the_store_can_be_written() {
    let server = Server::start().await;
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.probe("/healthz").await.status, 200);
    let (mirrors, clusters) = (server.readiness.begin("mirrors"), server.readiness.begin("clusters"));
    let error = server.get("/readyz").await.refused(503);
    assert_eq!(error, "still starting: mirrors, clusters");
    drop(mirrors);
    assert_eq!(server.get("/readyz").await.refused(503), "still starting: clusters");
    drop(clusters);
    assert_eq!(server.get("/readyz").await.status, 200);
    server.queue.store().close().await;
    // An answer holds for a second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let error = server.probe("/readyz").await.refused(503);
    assert!(error.starts_with("the store cannot be written"), "{error}");
    assert_eq!(server.get("/healthz").await.status, 200, "a restart would not help");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_gone_is_a_503_and_never_a_202() {
    let server = Server::start().await;
    server.queue.store().close().await;
    let answer = server.deliver("push", &push().to_string()).await;
    answer.refused(503);
    assert!(answer.headers.contains("retry-after"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_came() {
    let server = Server::start().await;
    server.deliver("push", &push().to_string()).await;
    server.deliver("push", &push().to_string()).await;
    server.send(&Request::github("push", b"{}").without("X-Hub-Signature-256")).await;
    assert_eq!(server.get("/metrics").await.status, 404, "not where strangers may ask");
    let answer = server.probe("/metrics").await;
    assert!(answer.headers.contains("content-type: application/openmetrics-text"), "{answer:?}");
    for line in [
        r#"driftless_deliveries_total{outcome="accepted"} 1"#,
        r#"driftless_deliveries_total{outcome="duplicate"} 1"#,
        r#"driftless_deliveries_total{outcome="unsigned"} 1"#,
        r#"driftless_queue_jobs{state="pending"} 1"#,
    ] {
        assert!(answer.body.contains(line), "{line} is not in {}", answer.body);
    }
}

async fn over_socket(path: &std::path::Path, target: &str) -> serde_json::Value {
    let mut stream = UnixStream::connect(path).await.expect("connects");
    let request = format!("GET {target} HTTP/1.1\r\nHost: driftless\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("an answer");
    let (_, body) = text.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_socket_tells_its_owner_what_is_queued() {
    let server = Server::start().await;
    let path = server.dir.path().join("driftless.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("what a dead server left"));
    let socket = Socket::bind(&path).expect("binds");
    let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let router = private(&server.queue, Router::new());
    server.tasks.spawn("socket", socket.serve(router, server.tasks.clone()));

    server.deliver("push", &push().to_string()).await;
    let manual = Job::new(Key::Sync("shop/web".parse().expect("an app")), Trigger::Resync);
    server.queue.enqueue(&[manual]).await.expect("enqueued");
    let jobs = over_socket(&path, "/api/v1/jobs?limit=10").await;
    let mut keys: Vec<_> =
        jobs.as_array().expect("a list").iter().map(|job| job["key"].as_str().expect("a key")).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["push:shop+refs/heads/main", "sync:shop/web"]);
    let deliveries = over_socket(&path, "/api/v1/deliveries").await;
    assert_eq!(deliveries[0]["event"], "push");
    assert!(over_socket(&path, "/nothing").await["error"].is_string());

    assert_eq!(server.tasks.stop(Duration::from_secs(5)).await, Stopped::Gracefully);
    assert!(!path.exists(), "the file is gone with the server");
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("precious");
    std::fs::write(&path, "data").expect("writes");
    let error = Socket::bind(&path).expect_err("refused");
    assert!(error.to_string().contains("already exists and is not a socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).expect("reads"), "data");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_has_begun_is_finished_at_a_stop() {
    let server = Server::start().await;
    let body = push().to_string();
    let request = Request::github("push", body.as_bytes());
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream.write_all(request.head().as_bytes()).await.expect("sends");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let tasks = server.tasks.clone();
    let stopping = tokio::spawn(async move { tasks.stop(Duration::from_secs(10)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    TcpStream::connect(server.address).await.expect_err("nothing new is taken");
    stream.write_all(body.as_bytes()).await.expect("sends");
    assert_eq!(read_answer(&mut stream).await.outcome(), "accepted");
    assert_eq!(stopping.await.expect("stops"), Stopped::Gracefully);
    assert_eq!(server.deliveries().await, 1);
}
