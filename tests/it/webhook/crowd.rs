//! Connections that bring nothing: they cost nobody else a delivery or a probe.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use driftless::http::{IntakeLimits, ServerLimits};
use driftless::queue::QueueConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::server::{Answer, Request, Server, push, read_answer};

/// More than the server has places for, of each sort.
const EACH: usize = 500;
/// Nobody honest waits longer, on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
enum Sort {
    Silent,
    /// Requests one after the other, whose answers are never read.
    Deaf,
    SlowHeaders,
    SlowBody,
}

async fn come(address: SocketAddr, sort: Sort) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let sent = match sort {
        Sort::Silent => Ok(()),
        Sort::Deaf => fill(&stream),
        Sort::SlowHeaders => stream.write_all(b"POST /webhooks/github HTTP/1.1\r\nHost: te").await,
        Sort::SlowBody => {
            let head = Request::github("push", b"").header("Content-Length", "50").head();
            stream.write_all(head.as_bytes()).await
        }
    };
    // It may have been sent away already.
    drop(sent);
    stream
}

/// Sends requests for as long as they are taken at once, and half a megabyte at most.
fn fill(stream: &TcpStream) -> std::io::Result<()> {
    let requests = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n".repeat(1_000);
    for _ in 0..14 {
        match stream.try_write(requests.as_bytes()) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn honest(server: &Server, number: usize) -> Answer {
    let body = push().to_string();
    server
        .send(&Request::github("push", body.as_bytes()).header("X-GitHub-Delivery", &format!("honest-{number}")))
        .await
}

/// X8: 2,000 connections that bring nothing, from the same address as the honest ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_silent_connections_delay_nobody() {
    let files = rlimit::Resource::NOFILE.get_hard().and_then(rlimit::increase_nofile_limit).expect("a limit");
    assert!(files > 4_096, "this test opens 2,000 connections, and the system lets it have {files} files");
    let server = Server::behind(ServerLimits::default(), IntakeLimits::default(), QueueConfig::default()).await;
    let mut held = Vec::new();
    for (number, sort) in [Sort::Silent, Sort::Deaf, Sort::SlowHeaders, Sort::SlowBody].into_iter().enumerate() {
        for _ in 0..EACH {
            held.push(come(server.address, sort).await);
        }
        for round in 0..5 {
            let begun = Instant::now();
            assert_eq!(server.probe("/readyz").await.status, 200);
            assert_eq!(server.probe("/healthz").await.status, 200);
            assert!(server.probe("/metrics").await.body.contains("driftless_queue_jobs"));
            assert_eq!(honest(&server, number * 10 + round).await.outcome(), "accepted");
            assert_eq!(server.get("/healthz").await.status, 200, "beside the webhooks, too");
            assert!(begun.elapsed() < SOON, "{sort:?}: it took {:?}", begun.elapsed());
        }
    }
    assert_eq!(held.len(), 4 * EACH);
    assert_eq!(server.deliveries().await, 20);
}

/// X8: whoever is in the middle of an honest request keeps its connection while others of its peer are within their
/// share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_displaces_its_own_and_not_its_neighbours() {
    let limits = ServerLimits { connections: 8, per_peer: 4, ..ServerLimits::default() };
    let server = Server::behind(limits, IntakeLimits::default(), QueueConfig::default()).await;
    let body = push().to_string();
    let request = Request::github("push", body.as_bytes());
    let mut slow = from("127.0.0.2", server.address).await;
    slow.write_all(request.head().as_bytes()).await.expect("sends");
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(come(server.address, Sort::Silent).await);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    slow.write_all(body.as_bytes()).await.expect("its connection is there");
    assert_eq!(read_answer(&mut slow).await.outcome(), "accepted");
}

async fn from(ip: &str, to: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(ip.parse().expect("an address"), 0)).expect("binds");
    socket.connect(to).await.expect("connects")
}

/// X8: answers that nobody reads end the connection, although the reader takes some bytes now and then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_not_read_end_the_connection() {
    let limits = ServerLimits {
        requests: u64::MAX,
        headers: Duration::from_mins(1),
        write: Duration::from_millis(400),
        ..ServerLimits::default()
    };
    let server = Server::behind(limits, IntakeLimits::default(), QueueConfig::default()).await;
    let deaf = TcpStream::connect(server.address).await.expect("connects");
    let (begun, mut buffer) = (Instant::now(), [0; 64]);
    loop {
        if fill(&deaf).is_err() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "it is still open");
        let _ = deaf.try_read(&mut buffer);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// X8: the time for headers is also the time between two requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_goes_idle_is_closed() {
    let limits = ServerLimits { headers: Duration::from_millis(300), ..ServerLimits::default() };
    let server = Server::behind(limits, IntakeLimits::default(), QueueConfig::default()).await;
    for sent in ["", "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        stream.write_all(sent.as_bytes()).await.expect("sends");
        let begun = Instant::now();
        read_answer(&mut stream).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{sent:?}: closed after {:?}", begun.elapsed());
    }
}

/// X8: a connection has so many requests and no more, unless it brings signed deliveries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_may_ask_so_much_and_no_more() {
    let limits = ServerLimits { requests: 3, ..ServerLimits::default() };
    let server = Server::behind(limits, IntakeLimits::default(), QueueConfig::default()).await;
    let asks = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n";
    let answers = |text: &str| text.matches("http/1.1 ").count();
    let told = server.raw(asks.repeat(10).as_bytes()).await;
    assert_eq!(answers(&format!("{}{}", told.headers, told.body.to_lowercase())), 3, "{told:?}");

    let body = push().to_string();
    let mut bytes = Vec::new();
    for number in 0..8 {
        let signed = Request::github("push", body.as_bytes()).header("X-GitHub-Delivery", &number.to_string());
        let signed = String::from_utf8(signed.bytes()).expect("text").replace("Connection: close\r\n", "");
        bytes.extend_from_slice(signed.as_bytes());
    }
    bytes.extend_from_slice(asks.repeat(10).as_bytes());
    let told = server.raw(&bytes).await;
    assert_eq!(answers(&format!("{}{}", told.headers, told.body.to_lowercase())), 8 + 3, "{told:?}");
}
