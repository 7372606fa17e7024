//! `driftless dev`, as a newcomer runs it: the program itself, with everything that it starts.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use crate::support::tool;

/// A port that was free a moment ago.
fn port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_loop_runs_by_one_command() {
    let dir = tempfile::tempdir().expect("a folder");
    let dev = tokio::process::Command::new(env!("CARGO_BIN_EXE_driftless"))
        .args(["dev", "--once", "--forge-port", &port(), "--port", &port(), "--dir"])
        .arg(dir.path())
        .env("DRIFTLESS_APISERVER", tool::program("apiserver"))
        .env("DRIFTLESS_KWOK", tool::program("kwok"))
        .env("DRIFTLESS_RENDERER", tool::program("renderer"))
        .env_remove("KUBEBUILDER_ASSETS")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_mins(3), dev).await.expect("it ends").expect("it starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    // The comment, once its first line has become the outcome.
    assert!(out.contains("applied for `shop` on `dev`, healthy after"), "{out}");
    assert!(out.contains("+  BANNER: Spring sale, 20 % off") && out.contains("-  replicas: 2"), "{out}");
    for shown in ["sync     shop/shop", "preview  shop#1", "pull request 1 is open"] {
        assert!(err.contains(shown), "{shown} is not in:\n{err}");
    }
    assert!(!out.contains("not-a-real-password") && !err.contains("not-a-real-password"), "a Secret's value is shown");
}
