//! `dev`: Driftless with a forge and a cluster, on this machine and on loopback.

mod choice;
mod live;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use secrecy::SecretString;
use tokio::time::Instant;

use choice::ForgeChoice;
use live::Show;

use super::outcome::Outcome;
use super::output;
use super::serve::{stop, stop_signal, surroundings};
use crate::clock::SystemClock;
use crate::config::{Config, Environment};
use crate::dev::forge::{DevForge, DevForgeConfig};
use crate::dev::git_http::GitFaults;
use crate::dev::tls::DevTls;
use crate::dev::{ControlPlane, ControlPlaneOptions, Programs, sample};
use crate::lifecycle::Tasks;
use crate::{serve, telemetry};

/// Nothing here outlives the process, so nobody waits long for it.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// Use an existing cluster: the current context of this kubeconfig.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// A new folder for all data [default: a temporary folder, deleted at the end].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The kind of the embedded forge: github or gitlab.
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    forge: ForgeChoice,
    /// The port of the embedded forge and its page.
    #[arg(long, default_value_t = 7070)]
    forge_port: u16,
    /// The port for webhooks.
    #[arg(long, default_value_t = 7080)]
    port: u16,
    /// Stop after the first pull request is previewed, merged and applied.
    #[arg(long)]
    once: bool,
    #[arg(long, env = "DRIFTLESS_RENDERER", default_value = "/usr/local/bin/driftless-renderer", hide = true)]
    renderer: PathBuf,
}

pub(super) async fn run(args: DevArgs, environment: &(dyn Environment + Sync)) -> anyhow::Result<Outcome> {
    telemetry::init_logs(&environment.var("RUST_LOG").unwrap_or_else(|| "driftless=warn".to_owned()))?;
    for (port, flag) in [(args.forge_port, "--forge-port"), (args.port, "--port")] {
        free(port, flag)?;
    }
    let temporary =
        if args.dir.is_none() { Some(tempfile::Builder::new().prefix("driftless-dev-").tempdir()?) } else { None };
    let dir = match (&args.dir, &temporary) {
        (Some(dir), _) => dir.clone(),
        (None, Some(folder)) => folder.path().to_owned(),
        (None, None) => anyhow::bail!("cannot create a working folder"),
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("{} cannot be created", dir.display()))?;
    let dir = dir.canonicalize()?;
    unused(&dir)?;
    let mut parts = Parts::default();
    let shown = tokio::select! {
        result = started(&args, &dir, environment, &mut parts) => result,
        result = stop_signal() => result.inspect(|()| output::note("\n… stopping")),
    };
    parts.stop().await?;
    shown.map(|()| Outcome::Done)
}

/// What runs, each in need of those before it.
#[derive(Default)]
struct Parts {
    plane: Option<ControlPlane>,
    forge: Tasks,
    server: Tasks,
}

impl Parts {
    /// The last first: nothing finds gone what it still talks to.
    async fn stop(self) -> anyhow::Result<()> {
        let server = stop(&self.server, GRACE).await;
        self.forge.stop(GRACE).await;
        if let Some(plane) = self.plane {
            plane.stop().await;
        }
        server.map(drop)
    }
}

/// Starts the parts one after the other, and shows what happens.
async fn started(
    args: &DevArgs,
    dir: &Path,
    environment: &(dyn Environment + Sync),
    Parts { plane, forge: around, server: tasks }: &mut Parts,
) -> anyhow::Result<()> {
    *plane = control_plane(args, dir, environment).await?;
    let kubeconfig = plane.as_ref().map(|plane| plane.kubeconfig().to_owned()).or_else(|| args.kubeconfig.clone());
    let kubeconfig = kubeconfig.context("no cluster")?;
    let kubeconfig = kubeconfig.canonicalize().with_context(|| format!("{} cannot be read", kubeconfig.display()))?;
    let (forge, ca) = step("starting a forge", forge(args, dir, around)).await?;
    let config = config(args, dir, &kubeconfig, &ca, &forge)?;
    let socket = config.socket.clone();
    let surroundings = surroundings(environment)?;
    let program = surroundings.launcher.clone();
    let server = step("starting Driftless", async { Ok(serve::start(config, surroundings, tasks).await?) }).await?;

    forge.create_repo(sample::PROJECT).await?;
    let about = About {
        forge: &forge,
        kubeconfig: &kubeconfig,
        ca: &ca,
        socket: &socket,
        program: &program,
        simulated: plane.is_some(),
        pull_request: args.forge.pull_request(),
    };
    output::note(about.introduction(&output::bold("Driftless is running.")));
    forge.commit(sample::PROJECT, "main", "The shop, as it runs", sample::FILES).await?;
    Show::new(Arc::clone(&server.context), forge, args.forge.pull_request()).live(args.once).await
}

/// Looked at before anything slow begins.
fn free(port: u16, flag: &str) -> anyhow::Result<()> {
    std::net::TcpListener::bind(loopback(port)).map(drop).with_context(|| {
        format!(
            "port {port} is in use, perhaps by another `driftless dev`. Stop that, or choose another port with {flag}, \
             as in `make dev ARGS='--forge-port 7170 --port 7180'`"
        )
    })
}

/// Lies in the folder of each run.
const CONFIG: &str = "driftless.yaml";

/// The forge keeps its pull requests in memory, so an earlier run cannot be continued.
fn unused(dir: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        !dir.join(CONFIG).exists(),
        "{} contains an earlier run, which cannot be continued. Remove the folder, or choose another one with --dir",
        dir.display()
    );
    Ok(())
}

/// Does one step, and says what it is and how long it took.
async fn step<T>(what: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    output::note(format!("… {what}"));
    let begun = Instant::now();
    let done = work.await?;
    output::note(format!("  {:.1} s", begun.elapsed().as_secs_f64()));
    Ok(done)
}

async fn control_plane(
    args: &DevArgs,
    dir: &Path,
    environment: &(dyn Environment + Sync),
) -> anyhow::Result<Option<ControlPlane>> {
    if args.kubeconfig.is_some() {
        return Ok(None);
    }
    let path = |name: &str| environment.var(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let programs = match (path("KUBEBUILDER_ASSETS"), path("DRIFTLESS_APISERVER")) {
        (Some(folder), _) => Programs::Assets(folder),
        (None, Some(program)) => Programs::Bundled(program),
        (None, None) => anyhow::bail!(
            "no control plane found. Run `make dev`, which builds one, or pass a cluster with --kubeconfig, or set \
             KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver"
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
        dialect: args.forge.dialect(),
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
         probes: 127.0.0.1:0\n\
         data: {data}\n\
         renderer: {renderer}\n\
         ca: {ca}\n\
         timing: {{resync: 20s}}\n\
         hooks:\n\
         \x20 - name: dev\n\
         \x20   forge: {forge}\n\
         \x20   url: {api}\n\
         \x20   secrets: [{{env: DEV_WEBHOOK_SECRET}}]\n\
         \x20   credentials: {{token: {{env: DEV_TOKEN}}}}\n\
         repos:\n\
         \x20 - name: {repo}\n\
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
        forge = args.forge.name(),
        api = forge.api_url(),
        repo = sample::NAME,
        project = sample::PROJECT,
        clone = forge.clone_url(sample::PROJECT),
        kubeconfig = kubeconfig.display(),
    );
    let path = dir.join(CONFIG);
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

/// Where the parts are, for people.
struct About<'a> {
    forge: &'a DevForge,
    kubeconfig: &'a Path,
    ca: &'a Path,
    socket: &'a Path,
    program: &'a Path,
    /// The control plane is ours, and has no machine to run anything on.
    simulated: bool,
    pull_request: &'static str,
}

impl About<'_> {
    fn introduction(&self, ready: &str) -> String {
        let nodes = if self.simulated {
            "\n                The API server is real. Its node is simulated by kwok: pods become ready, but no \
             container runs."
        } else {
            ""
        };
        format!(
            "\n{ready} Open {url} in a browser. The first {pull} appears there in a moment.\n\
             \n  the cluster   export KUBECONFIG={kubeconfig}{nodes}\
             \n  the server    export DRIFTLESS_SOCKET={socket}\
             \n  the repo      GIT_SSL_CAINFO={ca} git clone {clone}\n\
             \nTo try next (in another terminal, with the two exports):\
             \n  1. Read the comment on the {pull}, and merge it on the page. The comment then shows the \
             outcome.\
             \n  2. Propose a change, on the page or with a push.\
             \n  3. Cause drift: `kubectl -n shop scale deploy/web --replicas=9`. Driftless reverts it within \
             20 s.\
             \n  4. Query the server: `{program} apps` and `{program} runs`.\
             \nPress Ctrl-C to stop.\n",
            pull = self.pull_request,
            url = self.forge.url(),
            kubeconfig = self.kubeconfig.display(),
            socket = self.socket.display(),
            ca = self.ca.display(),
            clone = self.forge.push_url(sample::PROJECT),
            program = self.program.display(),
        )
    }
}
