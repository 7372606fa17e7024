//! `dev`: the whole loop on this machine, on loopback, with no account and no cluster of one's own.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use secrecy::SecretString;
use tokio::time::Instant;

use super::serve::{stop, stop_signal, surroundings};
use super::{Outcome, output};
use crate::clock::SystemClock;
use crate::config::{Config, Environment};
use crate::dev::forge::{DevForge, DevForgeConfig};
use crate::dev::git_http::GitFaults;
use crate::dev::tls::DevTls;
use crate::dev::{ControlPlane, ControlPlaneOptions, Programs, sample};
use crate::jobs::Engine;
use crate::lifecycle::Tasks;
use crate::store::runs::{RunRow, RunState};
use crate::{serve, telemetry};

/// Nothing here outlives the process, so nobody waits long for it.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks at what has happened.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// Use a cluster that is there already, by its kubeconfig's current context.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Where everything is kept; a temporary folder otherwise, which goes at the end.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The page of the embedded forge.
    #[arg(long, default_value_t = 7070)]
    forge_port: u16,
    /// Where Driftless takes webhooks.
    #[arg(long, default_value_t = 7080)]
    port: u16,
    /// Stop when the first pull request was previewed, merged and applied.
    #[arg(long)]
    once: bool,
    #[arg(long, env = "DRIFTLESS_RENDERER", default_value = "/usr/local/bin/driftless-renderer", hide = true)]
    renderer: PathBuf,
}

pub(super) async fn run(args: DevArgs, environment: &(dyn Environment + Sync)) -> anyhow::Result<Outcome> {
    telemetry::init_logs(&environment.var("RUST_LOG").unwrap_or_else(|| "driftless=warn".to_owned()))?;
    let temporary = if args.dir.is_none() { Some(tempfile::Builder::new().prefix("driftless-dev-").tempdir()?) } else { None };
    let dir = match (&args.dir, &temporary) {
        (Some(dir), _) => dir.clone(),
        (None, Some(folder)) => folder.path().to_owned(),
        (None, None) => anyhow::bail!("no folder to work in"),
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("{} can't be made", dir.display()))?;
    let dir = dir.canonicalize()?;
    let tasks = Tasks::new();

    let plane = control_plane(&args, &dir, environment).await?;
    let kubeconfig = plane.as_ref().map(|plane| plane.kubeconfig().to_owned()).or_else(|| args.kubeconfig.clone());
    let kubeconfig = kubeconfig.context("a cluster is needed")?.canonicalize()?;
    let (forge, ca) = step("starting a forge", forge(&args, &dir, &tasks)).await?;
    let config = config(&args, &dir, &kubeconfig, &ca, &forge)?;
    let socket = config.socket.clone();
    let server = step("starting Driftless", async { Ok(serve::start(config, surroundings(environment)?, &tasks).await?) }).await?;

    forge.create_repo(sample::PROJECT).await?;
    output::note(introduction(&forge, &kubeconfig, &ca, &socket));
    forge.commit(sample::PROJECT, "main", "The shop, as it runs", sample::FILES).await?;
    let show = Show { engine: Arc::clone(&server.engine), forge: forge.clone() };
    let shown = tokio::select! {
        result = show.live(args.once) => result,
        result = stop_signal() => result,
    };
    stop(&tasks, GRACE).await?;
    if let Some(plane) = plane {
        plane.stop().await;
    }
    shown.map(|()| Outcome::Done)
}

/// Does one step, and says what it is and how long it took.
async fn step<T>(what: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    output::note(format!("… {what}"));
    let begun = Instant::now();
    let done = work.await?;
    output::note(format!("  {:.1} s", begun.elapsed().as_secs_f64()));
    Ok(done)
}

async fn control_plane(args: &DevArgs, dir: &Path, environment: &(dyn Environment + Sync)) -> anyhow::Result<Option<ControlPlane>> {
    if args.kubeconfig.is_some() {
        return Ok(None);
    }
    let path = |name: &str| environment.var(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let programs = match (path("KUBEBUILDER_ASSETS"), path("DRIFTLESS_APISERVER")) {
        (Some(folder), _) => Programs::Assets(folder),
        (None, Some(program)) => Programs::Bundled(program),
        (None, None) => anyhow::bail!(
            "no control plane is there: run `make dev`, which builds one, or name a cluster with --kubeconfig, or a folder with etcd and \
             kube-apiserver with KUBEBUILDER_ASSETS"
        ),
    };
    let options = ControlPlaneOptions {
        programs,
        kwok: path("DRIFTLESS_KWOK"),
        directory: dir.join("control-plane"),
        ephemeral: false,
        port: None,
        ready_within: Duration::from_mins(2),
    };
    let work = async { Ok(ControlPlane::start(&options).await?) };
    Ok(Some(step("starting a Kubernetes control plane (a real one, as a child process)", work).await?))
}

async fn forge(args: &DevArgs, dir: &Path, tasks: &Tasks) -> anyhow::Result<(DevForge, PathBuf)> {
    let repositories = dir.join("repositories");
    std::fs::create_dir_all(&repositories)?;
    let tls = DevTls::new()?;
    let files = tls.write(dir)?;
    let config = DevForgeConfig {
        dir: repositories,
        listen: loopback(args.forge_port),
        public_url: None,
        webhook_url: Some(format!("http://{}/webhooks/dev", loopback(args.port))),
        webhook_secret: SecretString::from(WEBHOOK_SECRET),
        token: SecretString::from(TOKEN),
        login: "driftless".to_owned(),
        app: None,
        git_tls: Some(tls),
        git_faults: GitFaults::default(),
    };
    Ok((DevForge::start(config, Arc::new(SystemClock), tasks).await?, files.ca))
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

// Known to everybody, and good for nothing but a forge that only this machine can reach.
const WEBHOOK_SECRET: &str = "dev-webhook-secret";
const TOKEN: &str = "dev-token";

/// The same configuration that a server reads, so that what is tried here is what runs there.
fn config(args: &DevArgs, dir: &Path, kubeconfig: &Path, ca: &Path, forge: &DevForge) -> anyhow::Result<Config> {
    let text = format!(
        "# Written by `driftless dev`; a server's configuration looks the same.\n\
         instance: dev\n\
         listen: {listen}\n\
         data: {data}\n\
         renderer: {renderer}\n\
         ca: {ca}\n\
         timing: {{resync: 20s}}\n\
         hooks:\n\
         \x20 - name: dev\n\
         \x20   forge: github\n\
         \x20   url: {api}\n\
         \x20   secrets: [{{env: DEV_WEBHOOK_SECRET}}]\n\
         \x20   credentials: {{token: {{env: DEV_TOKEN}}}}\n\
         repos:\n\
         \x20 - name: shop\n\
         \x20   hook: dev\n\
         \x20   project: {project}\n\
         \x20   url: {clone}\n\
         \x20   definitions: {{branch: main, globs: ['apps/*.yaml']}}\n\
         \x20   allow: {{clusters: [dev], namespaces: ['shop*']}}\n\
         clusters:\n\
         \x20 - name: dev\n\
         \x20   kubeconfig: {kubeconfig}\n",
        listen = loopback(args.port),
        data = dir.join("data").display(),
        renderer = std::path::absolute(&args.renderer)?.display(),
        ca = ca.display(),
        api = forge.api_url(),
        project = sample::PROJECT,
        clone = forge.clone_url(sample::PROJECT),
        kubeconfig = kubeconfig.display(),
    );
    let path = dir.join("driftless.yaml");
    std::fs::write(&path, &text)?;
    Ok(Config::parse(&path, &text, &DevSecrets)?)
}

struct DevSecrets;

impl Environment for DevSecrets {
    fn var(&self, name: &str) -> Option<String> {
        match name {
            "DEV_WEBHOOK_SECRET" => Some(WEBHOOK_SECRET.to_owned()),
            "DEV_TOKEN" => Some(TOKEN.to_owned()),
            _ => None,
        }
    }
}

fn introduction(forge: &DevForge, kubeconfig: &Path, ca: &Path, socket: &Path) -> String {
    format!(
        "\n{ready}\n\
         \n  the forge     {url}   (open and merge pull requests here)\
         \n  the cluster   export KUBECONFIG={kubeconfig}\
         \n  the server    export DRIFTLESS_SOCKET={socket}   (then: driftless apps, driftless runs)\
         \n  the repo      git -c http.sslCAInfo={ca} clone {clone}\n\
         \nTry next: merge the pull request on the page; `kubectl -n shop scale deploy/web --replicas=9` and watch it healed within 20 s;\
         \npush a branch of your own. Ctrl-C ends it all.\n",
        ready = output::bold("Driftless runs."),
        url = forge.url(),
        kubeconfig = kubeconfig.display(),
        socket = socket.display(),
        ca = ca.display(),
        clone = forge.push_url(sample::PROJECT),
    )
}

/// Shows what happens as it happens.
struct Show {
    engine: Arc<Engine>,
    forge: DevForge,
}

impl Show {
    async fn live(&self, once: bool) -> anyhow::Result<()> {
        let mut seen: BTreeMap<String, RunState> = BTreeMap::new();
        let mut pull = None;
        let mut merged = false;
        loop {
            for run in self.engine.store.runs(None, 50).await?.into_iter().rev() {
                if seen.insert(run.id.to_string(), run.state) != Some(run.state) {
                    output::note(line(&run));
                }
            }
            let applied = seen.values().any(|state| *state == RunState::Succeeded);
            match pull {
                None if applied => pull = Some(self.propose().await?),
                Some(number) if once && !merged && self.previewed(number) => {
                    self.forge.merge_pull(sample::PROJECT, number).await?;
                    merged = true;
                    output::note(format!("… merging pull request {number}"));
                }
                Some(number) if once && merged && self.done(number) => return Ok(()),
                _ => {}
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The first pull request.
    async fn propose(&self) -> anyhow::Result<u64> {
        let change = sample::change();
        let files: Vec<_> = change.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
        self.forge.commit(sample::PROJECT, sample::BRANCH, sample::TITLE, &files).await?;
        let number = self.forge.open_pull(sample::PROJECT, sample::BRANCH, "main", sample::TITLE).await?;
        output::note(format!("… pull request {number} is open: {}", self.forge.url()));
        Ok(number)
    }

    fn previewed(&self, number: u64) -> bool {
        !self.forge.comments(sample::PROJECT, number).is_empty()
    }

    /// The comment's first line has become the outcome.
    fn done(&self, number: u64) -> bool {
        let comments = self.forge.comments(sample::PROJECT, number);
        let text = comments.first().map(|comment| comment.body.as_str()).unwrap_or_default();
        let done = text.contains("healthy after");
        if done {
            output::line(text);
        }
        done
    }
}

fn line(run: &RunRow) -> String {
    let state = match run.state {
        RunState::Running => "running",
        RunState::Waiting => "applied, waiting for health",
        RunState::Succeeded => "done",
        RunState::Failed => "FAILED",
        RunState::Cancelled => "cancelled",
    };
    let kind = serde_json::to_value(run.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
    let total: u64 = run.steps.iter().map(|step| step.millis).sum();
    let text = run.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("  {kind:<8} {:<14} {state} ({total} ms){text}", run.target)
}
