//! Bodies too long, too slow, too many; and requests that are none.

use std::time::{Duration, Instant};

use driftless::http::IntakeLimits;
use driftless::queue::QueueConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::server::{Request, Server, push, read_answer};

fn limits() -> IntakeLimits {
    IntakeLimits { body: 100_000, time: Duration::from_millis(600), bodies: 2, free: 0, together: 150_000 }
}

async fn small() -> Server {
    Server::with(limits(), QueueConfig::default()).await
}

fn chunked() -> Request {
    Request::github("push", b"").without("Content-Length").header("Transfer-Encoding", "chunked")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announced_length_is_refused_before_anything_is_read() {
    let server = Server::start().await;
    let request = Request::github("push", b"").header("Content-Length", "26214401");
    let error = server.raw(request.head().as_bytes()).await.refused(413);
    assert!(error.contains("26214400 bytes"), "{error}");
    let absurd = request.header("Content-Length", "999999999999999999");
    server.raw(absurd.head().as_bytes()).await.refused(413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_as_long_as_allowed_is_read() {
    let server = Server::start().await;
    let mut body = push();
    body["padding"] = "x".repeat(25 << 20).into();
    let too_long = body.to_string();
    body["padding"] = "x".repeat((25 << 20) - (too_long.len() - (25 << 20))).into();
    let fits = body.to_string();
    assert_eq!(fits.len(), 25 << 20);
    assert_eq!(server.deliver("push", &fits).await.outcome(), "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_a_length_is_refused_where_it_becomes_too_long() {
    let server = small().await;
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream.write_all(chunked().head().as_bytes()).await.expect("sends");
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    // The server may close at any time after the fourth.
    for _ in 0..4 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    read_answer(&mut stream).await.refused(413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_make_a_body() {
    let server = small().await;
    let body = push().to_string();
    let (first, second) = body.split_at(20);
    let request =
        Request::github("push", body.as_bytes()).without("Content-Length").header("Transfer-Encoding", "chunked");
    let framed = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
    let answer = server.raw(&[request.head().as_bytes(), framed.as_bytes()].concat()).await;
    assert_eq!(answer.outcome(), "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_framing_is_no_body() {
    let server = small().await;
    let bytes = [chunked().head().as_bytes(), b"zz\r\nnonsense\r\n"].concat();
    let status = server.raw(&bytes).await.status;
    assert_eq!(status, 400);

    let mut early = TcpStream::connect(server.address).await.expect("connects");
    early
        .write_all(Request::github("push", b"").header("Content-Length", "100").head().as_bytes())
        .await
        .expect("sends");
    early.write_all(b"{").await.expect("sends");
    early.shutdown().await.expect("closes");
    let status = read_answer(&mut early).await.status;
    assert!(matches!(status, 0 | 400), "{status}");
    assert_eq!(server.deliveries().await, 0);
}

/// L11: what is rightly signed and framed by its chunks is refused all the same when a length is said as well, in
/// either order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_said_twice_is_refused() {
    let server = small().await;
    let body = push().to_string();
    let framed = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let request = Request::github("push", body.as_bytes()).without("Content-Length");
    let length = body.len().to_string();
    for both in [
        request.clone().header("Transfer-Encoding", "chunked").header("Content-Length", &length),
        request.clone().header("Content-Length", &length).header("Transfer-Encoding", "chunked"),
    ] {
        let answer = server.raw(&[both.head().as_bytes(), framed.as_bytes()].concat()).await;
        let error = answer.refused(400);
        assert!(error.contains("has both Transfer-Encoding and Content-Length"), "{error}");
        assert!(answer.headers.contains("connection: close"), "{answer:?}");
    }
    assert_eq!(server.deliveries().await, 0);
    let chunked = request.header("Transfer-Encoding", "chunked");
    assert_eq!(server.raw(&[chunked.head().as_bytes(), framed.as_bytes()].concat()).await.outcome(), "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_body_is_given_up() {
    let server = small().await;
    let started = Instant::now();
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream
        .write_all(Request::github("push", b"").header("Content-Length", "50").head().as_bytes())
        .await
        .expect("sends");
    for _ in 0..20 {
        if stream.write_all(b" ").await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    read_answer(&mut stream).await.refused(408);
    assert!(started.elapsed() < Duration::from_secs(5), "the drip does not extend the time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_headers_are_given_up() {
    let server = small().await;
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream.write_all(b"POST /webhooks/github HTTP/1.1\r\nHost: te").await.expect("sends");
    let started = Instant::now();
    let answer = read_answer(&mut stream).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{answer:?}");
    assert!(matches!(answer.status, 0 | 408), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_so_many_bodies_are_read_at_once() {
    let server = small().await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        stream
            .write_all(Request::github("push", b"").header("Content-Length", "50").head().as_bytes())
            .await
            .expect("sends");
        held.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let answer = server.deliver("push", &push().to_string()).await;
    answer.refused(503);
    assert!(answer.headers.contains("retry-after: 5"), "{answer:?}");
    for stream in &mut held {
        read_answer(stream).await.refused(408);
    }
    assert_eq!(server.deliver("push", &push().to_string()).await.outcome(), "accepted", "there is room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_hold_only_so_much_together() {
    let server = small().await;
    let mut first = TcpStream::connect(server.address).await.expect("connects");
    first
        .write_all(Request::github("push", b"").header("Content-Length", "90001").head().as_bytes())
        .await
        .expect("sends");
    first.write_all(&b" ".repeat(90_000)).await.expect("sends");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let answer = server.send(&Request::github("push", &b" ".repeat(90_000))).await;
    answer.refused(503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_told_and_not_swallowed() {
    let config = QueueConfig { max_pending: 1, ..QueueConfig::default() };
    let server = Server::with(IntakeLimits::default(), config).await;
    assert_eq!(server.deliver("push", &push().to_string()).await.outcome(), "accepted");
    let second = Request::github("push", push().to_string().as_bytes()).header("X-GitHub-Delivery", "2");
    let answer = server.send(&second).await;
    answer.refused(503);
    assert!(answer.headers.contains("retry-after: 5"), "{answer:?}");
    assert_eq!(server.deliveries().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_methods_and_paths_are_told_where_to_go() {
    let server = small().await;
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = server
            .raw(
                format!(
                    "{method} /webhooks/github HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                )
                .as_bytes(),
            )
            .await;
        assert!(answer.refused(405).contains("POST"));
        assert!(answer.headers.contains("allow: post"), "{answer:?}");
    }
    for path in ["/webhooks/nobody", "/webhooks/%FF", "/webhooks/../github", "/webhooks/", "/", "/api/v1/jobs"] {
        let mut request = Request::github("push", push().to_string().as_bytes());
        request.line = format!("POST {path} HTTP/1.1");
        let answer = server.send(&request).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        answer.refused(404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_http_end_the_connection() {
    let server = small().await;
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00\x01"[..], b"nonsense\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n"] {
        let status = server.raw(bytes).await.status;
        assert!(matches!(status, 0 | 400 | 505), "{status}");
    }
    let long = format!("POST /webhooks/github HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1_000_000));
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    let _ = stream.write_all(long.as_bytes()).await;
    let status = read_answer(&mut stream).await.status;
    assert!(matches!(status, 0 | 431), "{status}");
    assert_eq!(server.deliver("push", &push().to_string()).await.outcome(), "accepted", "and nobody else");
}
