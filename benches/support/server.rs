//! The server as a process of its own, so that its time and memory are its own: this program once more, with a
//! configuration file.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use driftless::clock::SystemClock;
use driftless::config::{Config, ProcessEnvironment};
use driftless::lifecycle::Tasks;
use driftless::queue::{Key, Request, Trigger};
use driftless::schedule::FIRST_SPREAD;
use driftless::serve::{Environment, Running, start};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::Outcome;
use super::world::{TOKEN, World, program};

/// The first argument that makes the program a server.
pub const WORD: &str = "serve-for-bench";

pub struct Server {
    child: Mutex<Child>,
    talk: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    pid: u32,
}

impl Server {
    pub async fn start(world: &World, kubeconfig: &Path) -> Outcome<Self> {
        let file = world.dir.path().join("driftless.yaml");
        std::fs::write(&file, configuration(world, kubeconfig)?)?;
        std::fs::write(world.dir.path().join("token"), TOKEN)?;
        let mut command = Command::new(std::env::current_exe()?);
        // As in deploy/Containerfile.
        command.env("MALLOC_ARENA_MAX", "2");
        command.arg(WORD).arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let pid = child.id().ok_or("the server has no id")?;
        let input = child.stdin.take().ok_or("no standard input")?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        output.next_line().await?.ok_or("the server has ended; its output above has the reason")?;
        Ok(Self { child: Mutex::new(child), talk: Mutex::new((input, output)), pid })
    }

    /// Waits until the queue is empty.
    pub async fn settle(&self) -> Outcome<()> {
        self.say("settle").await
    }

    /// Starts the resync of all repos and clusters.
    pub async fn resync(&self) -> Outcome<()> {
        self.say("resync").await
    }

    async fn say(&self, word: &str) -> Outcome<()> {
        let mut talk = self.talk.lock().await;
        talk.0.write_all(format!("{word}\n").as_bytes()).await?;
        let answer = talk.1.next_line().await?;
        if answer.as_deref() == Some(word) {
            Ok(())
        } else {
            Err(format!("the server answers {answer:?} to {word}").into())
        }
    }

    /// The processor time of the server and its renderers so far.
    pub fn cpu(&self) -> Outcome<Duration> {
        // The unit of these counters is 1/100 s on every Linux.
        let ticks = family(self.pid)?.into_iter().map(|(_, ticks)| ticks).sum::<u64>();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident bytes of the server, and of its renderers.
    pub fn memory(&self) -> Outcome<(u64, u64)> {
        let mut all = Vec::new();
        for (pid, _) in family(self.pid)? {
            all.push(resident(pid)?);
        }
        Ok((all[0], all[1..].iter().sum()))
    }

    pub async fn stop(self) -> Outcome<()> {
        drop(self.talk);
        let status = self.child.lock().await.wait().await?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }
}

/// The process and its children, each with its processor time in ticks and that of the children it has waited for.
fn family(pid: u32) -> Outcome<Vec<(u32, u64)>> {
    let mut members = vec![(pid, ticks(pid)?)];
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let children = std::fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let child = child.parse()?;
            // One that has just ended is counted by its parent.
            if let Ok(ticks) = ticks(child) {
                members.push((child, ticks));
            }
        }
    }
    Ok(members)
}

fn ticks(pid: u32) -> Outcome<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, which may hold anything, ends with the last parenthesis; the times are the 14th to 17th field.
    let (_, fields) = text.rsplit_once(')').ok_or("no stat")?;
    let times = fields.split_whitespace().skip(11).take(4).map(str::parse::<u64>);
    Ok(times.sum::<Result<u64, _>>()?)
}

fn resident(pid: u32) -> Outcome<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1_024)
}

fn configuration(world: &World, kubeconfig: &Path) -> Outcome<String> {
    let dir = world.dir.path().display();
    let repo = |name: &str| {
        format!(
            "  - {{name: {name}, hook: forge, project: bench/{name}, url: '{}', \
             definitions: {{branch: main, globs: ['apps/*.yaml']}}, allow: {{clusters: [bench], namespaces: \
             [bench]}}}}\n",
            world.forge.clone_url(&format!("bench/{name}"))
        )
    };
    Ok(format!(
        "listen: 127.0.0.1:{port}\ndata: {dir}/data\nrenderer: {renderer}\nca: {dir}/ca.pem\n\
         timing: {{quiet: 0s, resync: 24h}}\n\
         hooks:\n  - {{name: forge, forge: github, url: '{api}', secrets: [{{file: {dir}/token}}], credentials: \
         {{token: {{file: {dir}/token}}}}}}\n\
         repos:\n{one}{many}\
         clusters:\n  - {{name: bench, kubeconfig: {kubeconfig}}}\n",
        port = world.port,
        renderer = program("renderer")?.display(),
        api = world.forge.api_url(),
        one = repo("one"),
        many = repo("many"),
        kubeconfig = kubeconfig.display(),
    ))
}

/// Serves until its standard input is closed.
pub async fn run(config: &Path) -> Outcome<()> {
    driftless::telemetry::init_logs(&std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned()))?;
    let config = Config::load(config, &ProcessEnvironment)?;
    let tasks = Tasks::new();
    let environment = Environment {
        clock: Arc::new(SystemClock),
        seed: 1,
        launcher: env!("CARGO_BIN_EXE_driftless").into(),
        first_looks: FIRST_SPREAD,
        between_writes: Some(Duration::from_secs(1)),
    };
    let running = start(config, environment, &tasks).await?;
    let mut output = tokio::io::stdout();
    output.write_all(format!("{}\n", running.address).as_bytes()).await?;
    let mut words = BufReader::new(tokio::io::stdin()).lines();
    while let Some(word) = words.next_line().await? {
        match word.as_str() {
            "settle" => settle(&running).await?,
            "resync" => resync(&running).await?,
            _ => continue,
        }
        output.write_all(format!("{word}\n").as_bytes()).await?;
        output.flush().await?;
    }
    tasks.stop(Duration::from_secs(5)).await;
    Ok(())
}

async fn settle(running: &Running) -> Outcome<()> {
    loop {
        let depth = running.context.store.queue_depth().await?;
        if depth.pending + depth.running == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn resync(running: &Running) -> Outcome<()> {
    let config = &running.context.config;
    let polls = config.repos.iter().map(|repo| Key::Poll(repo.name.clone()));
    let looks = config.clusters.iter().map(|cluster| Key::Resync(cluster.name.clone()));
    let requests: Vec<_> = polls.chain(looks).map(|key| Request::new(key, Trigger::Resync)).collect();
    running.context.queue.enqueue(&requests).await?;
    Ok(())
}
