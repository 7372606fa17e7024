//! `driftless dev`, as a newcomer runs it: the program itself, with everything that it starts.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::support::tool;

/// Nothing here takes longer, on a machine that does other things as well.
const BOUND: Duration = Duration::from_mins(3);

/// A port that was free a moment ago.
fn port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port().to_string()
}

fn dev(dir: &Path, forge_port: &str) -> Command {
    let mut dev = Command::new(env!("CARGO_BIN_EXE_driftless"));
    dev.args(["dev", "--forge-port", forge_port, "--port", &port(), "--dir"])
        .arg(dir)
        .env("DRIFTLESS_APISERVER", tool::program("apiserver"))
        .env("DRIFTLESS_KWOK", tool::program("kwok"))
        .env("DRIFTLESS_RENDERER", tool::program("renderer"))
        .env_remove("KUBEBUILDER_ASSETS")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    dev
}

async fn ended(command: &mut Command) -> (Output, String) {
    let output = tokio::time::timeout(BOUND, command.output()).await.expect("it ends").expect("it starts");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, err)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_loop_runs_by_one_command() {
    let dir = tempfile::tempdir().expect("a folder");
    let (output, err) = ended(dev(dir.path(), &port()).arg("--once")).await;
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}\n{err}");
    // The comment, once its first line has become the outcome.
    assert!(out.contains("applied for `shop` on `dev`, healthy after"), "{out}");
    assert!(out.contains("+  BANNER: Spring sale, 20 % off") && out.contains("-  replicas: 2"), "{out}");
    for shown in [
        // L12: git takes the variable before the option.
        "GIT_SSL_CAINFO=",
        "sync     shop/shop",
        "preview  shop#1",
        "2 to update",
        "pull request 1 is open",
        "comment  shop#1         Merging changes 1 app.",
        "pull request 1 is merged",
    ] {
        assert!(err.contains(shown), "{shown} is not in:\n{err}");
    }
    assert!(!out.contains("not-a-real-password") && !err.contains("not-a-real-password"), "a Secret's value is shown");

    // What that has left cannot be continued.
    let (output, err) = ended(&mut dev(dir.path(), &port())).await;
    assert!(!output.status.success() && err.contains("contains an earlier run") && err.contains("--dir"), "{err}");
}

/// The same on a forge that speaks GitLab's dialect.
#[tokio::test(flavor = "multi_thread")]
async fn the_whole_loop_runs_on_gitlab_as_well() {
    let dir = tempfile::tempdir().expect("a folder");
    let (output, err) = ended(dev(dir.path(), &port()).args(["--once", "--forge", "gitlab"])).await;
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("applied for `shop` on `dev`, healthy after"), "{out}");
    for shown in ["Read the comment on the merge request", "merge request 1 is open", "merge request 1 is merged"] {
        assert!(err.contains(shown), "{shown} is not in:\n{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_said_before_anything_starts() {
    let dir = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let (output, err) = ended(&mut dev(dir.path(), &port)).await;
    assert!(!output.status.success(), "{err}");
    assert!(
        err.contains(&format!("port {port} is in use")) && err.contains("--forge-port") && !err.contains("starting"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_all_that_was_started() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut running = dev(dir.path(), &port()).stdout(Stdio::null()).spawn().expect("it starts");
    let mut lines = BufReader::new(running.stderr.take().expect("it was asked for")).lines();
    let mut seen = String::new();
    let up = async {
        while let Some(line) = lines.next_line().await.expect("a line") {
            seen.push_str(&line);
            seen.push('\n');
            if line.contains("Press Ctrl-C to stop") {
                return;
            }
        }
    };
    tokio::time::timeout(BOUND, up).await.expect("it comes up");
    assert!(seen.contains("Driftless is running."), "{seen}");
    let kubeconfig = std::fs::read_to_string(dir.path().join("control-plane/kubeconfig")).expect("a kubeconfig");
    let server = kubeconfig.lines().find_map(|line| line.trim().strip_prefix("server: https://")).expect("an address");
    TcpStream::connect(server).expect("the API server is up");

    let pid = running.id().expect("it runs").to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("`kill` is there").success());
    // What it still says is taken, so that it can say it.
    let end = async {
        let mut said = Vec::new();
        while let Some(line) = lines.next_line().await.expect("a line") {
            said.push(line);
        }
        said
    };
    let said = tokio::time::timeout(BOUND, end).await.expect("it says no more");
    assert!(!said.iter().any(|line| line.contains("WARN") || line.contains("ERROR")), "{said:#?}");
    let status = tokio::time::timeout(BOUND, running.wait()).await.expect("it ends").expect("a child of ours");
    assert!(status.success(), "{status}");
    assert!(TcpStream::connect(server).is_err(), "the API server has outlived it");
}
