//! A proxy that checks requests and answers by an API's description: Prism.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

pub fn node_modules() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/node/node_modules")
}

pub struct Prism {
    pub port: u16,
    lines: mpsc::UnboundedReceiver<String>,
    _child: Child,
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Prism {
    /// Reads the description, which takes some seconds if that has twelve megabytes.
    pub async fn start(description: &Path, upstream: &str) -> Self {
        let prism = node_modules().join("@stoplight/prism-cli/dist/index.js");
        assert!(prism.is_file(), "{} is not there: run `npm ci` in tests/node", prism.display());
        let port = free_port();
        let mut child = Command::new("node")
            .arg(prism)
            .args(["proxy", "--errors", "--port", &port.to_string()])
            .arg(description)
            .arg(upstream)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node is installed (20 or newer)");
        let mut output = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (sender, mut lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let ready = async {
            while let Some(line) = lines.recv().await {
                if line.contains("Prism is listening") {
                    return true;
                }
            }
            false
        };
        assert!(tokio::time::timeout(Duration::from_mins(2), ready).await.expect("prism starts"), "prism ended");
        Self { port, lines, _child: child }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What was wrong so far.
    pub fn violations(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        while let Ok(line) = self.lines.try_recv() {
            if line.contains("prism/errors#") {
                found.push(line);
            }
        }
        found
    }
}
