//! A real browser without a window: Chromium, spoken to over a pipe by its `DevTools` protocol.
//!
//! It keeps to this machine, with a profile of its own that goes with it. All that it tells of is kept, so that a test
//! can ask at its end for what must not have been.

mod pipe;
mod tab;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use pipe::Pipe;
pub use tab::{Tab, View};

pub struct Browser {
    pipe: Pipe,
    child: Child,
    folder: tempfile::TempDir,
}

/// Hands the pipe over where the protocol wants it: what comes in is descriptor 3, what goes out is 4.
const HAND_OVER: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >&2";

const FLAGS: [&str; 14] = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-domain-reliability",
    "--no-pings",
    // No name is looked up, and nothing but loopback reached.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

impl Browser {
    pub async fn start() -> Self {
        let program = program();
        let folder = tempfile::tempdir().expect("a folder");
        let log = File::create(folder.path().join("log")).expect("a log");
        let mut command = Command::new("sh");
        command.args(["-c", HAND_OVER]).arg(&program).args(FLAGS);
        command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
        if !may_sandbox() {
            command.arg("--no-sandbox");
        }
        command.arg("about:blank").env("HOME", folder.path()).env("XDG_CACHE_HOME", folder.path().join("cache"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("`sh` is there");
        let (to, from) = child.stdin.take().zip(child.stdout.take()).expect("both were asked for");
        let browser = Self { pipe: Pipe::new(to, from), child, folder };
        if let Err(error) = browser.pipe.call(None, "Browser.getVersion", serde_json::json!({})).await {
            panic!(
                "{} does not start ({error}): install Chromium (Debian: apt-get install chromium) and name it with \
                 DRIFTLESS_CHROMIUM=/usr/bin/chromium\n{}",
                program.display(),
                browser.log()
            );
        }
        browser
    }

    /// A tab that shows nothing yet.
    pub async fn tab(&self) -> Tab {
        Tab::new(self.pipe.clone()).await
    }

    /// Ends it, and waits until it has ended.
    pub async fn close(mut self) {
        // It may go before it answers.
        let _ = self.pipe.call(None, "Browser.close", serde_json::json!({})).await;
        if tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await.is_err() {
            self.child.kill().await.expect("a child of ours");
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// As `DRIFTLESS_CHROMIUM` says, else the one that `scripts/browser` has unpacked.
fn program() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/browser");
    let output = std::process::Command::new(&script).arg("--print").output().expect("scripts/browser runs");
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    assert!(
        path.is_file(),
        "there is no browser at {}: run `make test`, which unpacks one, or name one with \
         DRIFTLESS_CHROMIUM=/usr/bin/chromium",
        path.display()
    );
    path
}

/// Chromium refuses root, and needs user namespaces, which some machines deny.
fn may_sandbox() -> bool {
    use std::os::unix::fs::MetadataExt;
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let namespaces = || std::process::Command::new("unshare").args(["-U", "-r", "true"]).stderr(Stdio::null()).status();
    !root && namespaces().is_ok_and(|status| status.success())
}
