//! The composition root: the only place that builds the parts and spawns them.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::cluster::{Cluster, ClusterConfig, ClusterError};
use crate::config::{ClusterAccess, ClusterEntry, Config, Credentials, ForgeKind, Hook};
use crate::forge::{Forge, GitHub, GitHubConfig, GitHubCredentials, GitHubSetupError};
use crate::http::{self, Hooks, Intake, IntakeLimits, Readiness, ServerLimits, Socket, SocketError};
use crate::ids::{ClusterName, HookName};
use crate::jobs::{Definitions, Engine, Looked, Orphans, Remembered, Wants, listen_to_waits};
use crate::lifecycle::Tasks;
use crate::queue::{Key, Queue, QueueConfig, QueueError, Worker};
use crate::render::{RenderError, Renderer, RendererConfig};
use crate::report::{Destination, Outbox, OutboxOptions};
use crate::schedule;
use crate::source::{Mirrors, MirrorsConfig, SourceError};
use crate::store::{Store, StoreError};
use crate::sync::health::Waits;
use crate::telemetry::Metrics;

/// What differs between a server and a test beside the configuration.
pub struct Environment {
    pub clock: Arc<dyn Clock>,
    /// Gives the jitter of retries and of the periodic look.
    pub seed: u64,
    /// The program that closes the renderer's box: this one.
    pub launcher: PathBuf,
    /// Between two writes to a forge (GitHub asks for a second).
    pub between_writes: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the data folder {} cannot be made: {source}", path.display())]
    Data {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("hook {hook}: {source}")]
    Forge {
        hook: HookName,
        #[source]
        source: GitHubSetupError,
    },
    #[error("hook {hook} has credentials, but this release cannot use GitLab's API yet: take them out; its webhooks are accepted without")]
    NoGitLab { hook: HookName },
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// A server that runs until its tasks are stopped.
pub struct Running {
    /// Where webhooks are taken, with the port that was chosen if none was configured.
    pub address: SocketAddr,
    pub engine: Arc<Engine>,
    pub tasks: Tasks,
}

/// Starts everything. The default crypto provider of rustls must have been installed.
pub async fn start(config: Config, environment: Environment, tasks: &Tasks) -> Result<Running, ServeError> {
    let config = Arc::new(config);
    let readiness = Readiness::default();
    let starting = readiness.begin("start");
    std::fs::create_dir_all(&config.data).map_err(|source| ServeError::Data { path: config.data.clone(), source })?;
    let store = Store::open(&config.data.join("driftless.db"), environment.clock.clone()).await?;
    store.cancel_running().await?;
    let queue = Queue::start(store.clone(), queue_config(&config), tasks).await?;
    let metrics = Arc::new(Metrics::default());
    let (engine, ended) = engine(&config, &environment, store, queue.clone(), tasks).await?;

    let listener = TcpListener::bind(config.listen).await.map_err(|source| ServeError::Listen { address: config.listen, source })?;
    let address = listener.local_addr().map_err(|source| ServeError::Listen { address: config.listen, source })?;
    // An answer in several pieces must not wait for the other side's acknowledgement.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let intake = Intake::new(Hooks::from_config(&config), queue.clone(), environment.clock, metrics.clone(), IntakeLimits::default());
    let public = http::public(intake, readiness.clone(), queue.clone(), metrics.clone());
    tasks.spawn("http", http::serve(listener, public, ServerLimits::default(), tasks.clone()));
    let private = http::private(&queue, http::apps::router(engine.store.clone(), queue.clone()));
    tasks.spawn("socket", Socket::bind(&config.socket)?.serve(private, tasks.clone()));

    match engine.mirrors.git_version().await {
        Ok(version) => tracing::info!(version, "git merges pull requests"),
        // Syncs go on without: only previews need merges.
        Err(error) => tracing::error!("no pull request can be previewed: {error}"),
    }
    engine.outbox.run_sender(tasks);
    tasks.spawn("ends of waits", listen_to_waits(Arc::clone(&engine), ended, tasks.soft().clone()));
    engine.waits.resume().await?;
    let reaper = Arc::clone(&engine);
    let soft = tasks.soft().clone();
    tasks.spawn("idle renderers", async move { reaper.renderer.reap(soft).await });
    let looks = schedule::run(queue.clone(), looked_at(&config), config.timing.resync, environment.seed, tasks.soft().clone());
    tasks.spawn("resync", looks);
    Worker::new(queue, engine.clone(), tasks, metrics, environment.seed).spawn();
    drop(starting);
    tracing::info!(%address, instance = config.instance, "driftless is up");
    Ok(Running { address, engine, tasks: tasks.clone() })
}

fn queue_config(config: &Config) -> QueueConfig {
    let timing = &config.timing;
    QueueConfig { quiet: timing.quiet, maximum: timing.maximum, give_up: timing.give_up, workers: config.workers, ..QueueConfig::default() }
}

/// What the periodic look goes through.
fn looked_at(config: &Config) -> Vec<Key> {
    let repos = config.repos.iter().map(|repo| Key::Poll(repo.name.clone()));
    repos.chain(config.clusters.iter().map(|cluster| Key::Resync(cluster.name.clone()))).collect()
}

async fn engine(
    config: &Arc<Config>,
    environment: &Environment,
    store: Store,
    queue: Queue,
    tasks: &Tasks,
) -> Result<(Arc<Engine>, mpsc::Receiver<crate::sync::health::WaitEnded>), ServeError> {
    let mut clusters = BTreeMap::new();
    for entry in &config.clusters {
        clusters.insert(entry.name.clone(), Cluster::connect(cluster_config(entry)).await?);
    }
    let forges = forges(config, &environment.clock)?;
    let mut mirrors = MirrorsConfig::new(config.data.join("mirrors"));
    mirrors.tls_ca.clone_from(&config.ca);
    // The end of a wait is acted on at once; more than these are rows until then.
    let (sender, ended) = mpsc::channel(1024);
    let by_name: HashMap<ClusterName, Cluster> = clusters.clone().into_iter().collect();
    let engine = Engine {
        outbox: outbox(config, environment, &store, &forges),
        waits: Waits::start(store.clone(), tasks.clone(), by_name, sender),
        mirrors: Mirrors::new(mirrors, tasks)?,
        renderer: Renderer::new(RendererConfig::new(&environment.launcher, &config.renderer))?,
        config: Arc::clone(config),
        clock: environment.clock.clone(),
        tasks: tasks.clone(),
        store,
        queue,
        clusters,
        forges,
        ended: Remembered::default(),
        drifted: Remembered::default(),
        wants: Wants::default(),
        orphans: Orphans::default(),
        definitions: Definitions::default(),
        looked: Looked::default(),
        outcomes: tokio::sync::Mutex::default(),
    };
    Ok((Arc::new(engine), ended))
}

pub fn cluster_config(entry: &ClusterEntry) -> ClusterConfig {
    let mut config = ClusterConfig::new(entry.name.clone(), None);
    config.concurrency = entry.concurrency;
    match &entry.access {
        ClusterAccess::InCluster => config.in_cluster = true,
        ClusterAccess::Kubeconfig { path, context } => {
            config.kubeconfig = Some(path.clone());
            config.context.clone_from(context);
        }
    }
    config
}

pub fn forges(config: &Config, clock: &Arc<dyn Clock>) -> Result<BTreeMap<HookName, Arc<dyn Forge>>, ServeError> {
    let mut forges: BTreeMap<HookName, Arc<dyn Forge>> = BTreeMap::new();
    for hook in &config.hooks {
        if let Some(forge) = forge(hook, clock)? {
            forges.insert(hook.name.clone(), forge);
        }
    }
    Ok(forges)
}

fn forge(hook: &Hook, clock: &Arc<dyn Clock>) -> Result<Option<Arc<dyn Forge>>, ServeError> {
    let Some(credentials) = &hook.credentials else { return Ok(None) };
    if hook.forge != ForgeKind::GitHub {
        return Err(ServeError::NoGitLab { hook: hook.name.clone() });
    }
    let credentials = match credentials {
        Credentials::Token(token) => GitHubCredentials::Token(token.clone()),
        Credentials::App { id, private_key } => GitHubCredentials::App { id: *id, private_key_pem: private_key.clone() },
    };
    let api_url = hook.api.as_str().trim_end_matches('/').to_owned();
    let config = GitHubConfig { api_url, credentials, timeout: Duration::from_secs(30) };
    let github = GitHub::new(config, clock.clone()).map_err(|source| ServeError::Forge { hook: hook.name.clone(), source })?;
    Ok(Some(Arc::new(github)))
}

fn outbox(config: &Config, environment: &Environment, store: &Store, forges: &BTreeMap<HookName, Arc<dyn Forge>>) -> Outbox {
    let destinations = config.repos.iter().filter_map(|repo| {
        let forge = forges.get(&repo.hook)?;
        Some((repo.name.clone(), Destination { forge: Arc::clone(forge), project: repo.project.clone() }))
    });
    let mut options = OutboxOptions::new(&config.instance);
    options.between_writes = environment.between_writes;
    Outbox::new(store.clone(), destinations.collect(), options)
}
