//! A world whose server is the real program in a process of its own, so that it can be killed.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use driftless::clock::SystemClock;
use driftless::store::Store;
use serde_json::Value;
use tokio::time::Instant;

use super::setup::{HOOK_SECRET, TOKEN};
use super::{PROJECT, Setup, World, setup};

const UP_WITHIN: Duration = Duration::from_secs(30);
const DOWN_WITHIN: Duration = Duration::from_secs(20);

/// A server's process; it does not outlive this.
pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_some()
    }

    /// The last lines that it logged, for a test that failed.
    pub(super) fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n") + "\n"
    }

    /// Where it takes webhooks, once it says so.
    fn address(&self) -> Option<std::net::SocketAddr> {
        let text = std::fs::read_to_string(&self.log).ok()?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .filter(|line| line["message"] == "Driftless is running")
            .find_map(|line| line["address"].as_str()?.parse().ok())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be over already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl World {
    /// The server is a child that [`World::kill`] kills.
    pub async fn with_process(words: &str, setup: Setup) -> Self {
        let mut world = Self::without_server(words, setup).await;
        world.spawn().await;
        world
    }

    /// Starts the program, on the store that the last one left.
    pub async fn spawn(&mut self) {
        let folder = self.folder.path();
        let config = folder.join("driftless.yaml");
        let text = setup::text(&self.setup, &self.namespace, &self.forge.api_url(), &self.forge.clone_url(PROJECT));
        std::fs::write(&config, text).expect("written");
        let log =
            (1..1000_u32).map(|n| folder.join(format!("server-{n}.log"))).find(|path| !path.exists()).expect("a name");
        let program = env!("CARGO_BIN_EXE_driftless");
        let mut command = if self.setup.limited {
            // What is ignored stays so in the program, and its log goes through a process that the limit is not for.
            let mut shell = Command::new("bash");
            shell.args(["-c", "trap '' XFSZ; exec \"$@\" 2> >(exec cat >&2)", "bash", program]);
            shell
        } else {
            Command::new(program)
        };
        let child = command
            .args(["serve", "--config"])
            .arg(&config)
            .env("HOOK_SECRET", HOOK_SECRET)
            .env("TOKEN", TOKEN)
            .env("RUST_LOG", "info,driftless=debug")
            // As the container has it.
            .env("MALLOC_ARENA_MAX", "2")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(OpenOptions::new().create(true).append(true).open(&log).expect("a log"))
            .spawn()
            .expect("the program starts");
        self.process = Some(Process { child, log });
        let deadline = Instant::now() + UP_WITHIN;
        let address = loop {
            let process = self.process.as_mut().expect("it was started");
            if let Some(address) = process.address() {
                break address;
            }
            assert!(
                !process.has_ended() && Instant::now() < deadline,
                "the server does not come up:\n{}",
                process.tail()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        self.relay.lead_to(Some(address));
    }

    /// Lets the server's process write no file beyond so many bytes, or any again.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let pid = i32::try_from(self.process.as_ref().expect("the server runs").child.id()).expect("a process id");
        let limits = (bytes.unwrap_or(rlimit::INFINITY), rlimit::INFINITY);
        rlimit::prlimit(pid, rlimit::Resource::FSIZE, Some(limits), None).expect("a limit");
    }

    /// What `/readyz` answers.
    pub async fn ready(&self) -> u16 {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let url = format!("http://{}/readyz", self.relay.address);
        client.get(url).send().await.map_or(0, |answer| answer.status().as_u16())
    }

    /// How long the server takes to say that it is alive.
    pub async fn answers_after(&self) -> Duration {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let started = Instant::now();
        let answer = client.get(format!("http://{}/healthz", self.relay.address)).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{answer:?}");
        started.elapsed()
    }

    /// Kills the server at once, and takes back all faults.
    pub fn kill(&mut self) {
        self.relay.lead_to(None);
        self.process.take().expect("the server runs");
        self.proxy.clear();
        self.git_faults.clear();
        self.forge.faults().clear();
    }

    /// Ends the server as a signal does, and opens what it has stored.
    pub async fn end(&mut self) -> Store {
        self.relay.lead_to(None);
        let mut process = self.process.take().expect("the server runs");
        let killed =
            Command::new("kill").args(["-TERM", &process.child.id().to_string()]).status().expect("`kill` is there");
        assert!(killed.success(), "the server takes a signal");
        let deadline = Instant::now() + DOWN_WITHIN;
        while !process.has_ended() {
            assert!(Instant::now() < deadline, "the server does not end:\n{}", process.tail());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let path = self.folder.path().join("data/driftless.db");
        Store::open(&path, Arc::new(SystemClock)).await.unwrap_or_else(|error| panic!("{error}\n{}", process.tail()))
    }

    /// Resident memory of the server in KiB: now, and the most since [`World::forget_peak`].
    pub fn memory(&self) -> (u64, u64) {
        let id = self.process.as_ref().expect("the server runs").child.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of its status");
            line.trim().trim_end_matches(" kB").parse().expect("a number")
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    pub fn forget_peak(&self) {
        let id = self.process.as_ref().expect("the server runs").child.id();
        std::fs::write(format!("/proc/{id}/clear_refs"), "5").expect("it is ours");
    }

    /// Where the server keeps the repository.
    pub fn mirror(&self) -> PathBuf {
        self.folder.path().join("data/mirrors/shop.git")
    }

    /// Asks the running server for something on its socket: `apps/REPO+APP/sync`.
    pub async fn told(&self, path: &str, wish: &Value) {
        let socket = self.folder.path().join("data/driftless.sock");
        let client = reqwest::Client::builder().unix_socket(socket).no_proxy().build().expect("a client");
        let answer = client.post(format!("http://driftless/api/v1/{path}")).json(wish).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// The newest runs first, as the running server tells them on its socket. None while it does not answer.
    pub async fn told_runs(&self) -> Option<Vec<Value>> {
        let socket = self.folder.path().join("data/driftless.sock");
        let client = reqwest::Client::builder().unix_socket(socket).no_proxy().build().expect("a client");
        let answer = client.get("http://driftless/api/v1/runs?limit=50").send().await.ok()?;
        answer.json().await.ok()
    }
}
