//! The composition root: the only place that builds the parts and spawns them.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app::Source;
use crate::class::Class;
use crate::clock::Clock;
use crate::cluster::{Cluster, ClusterConfig, ClusterError, Propagation};
use crate::config::{self, ClusterAccess, ClusterEntry, Config, Hook};
use crate::forge::{self, Forge, SetupError};
use crate::http::{
    self, Hooks, Intake, IntakeLimits, Readiness, RevisionError, Revisions, ServerLimits, Socket, SocketError,
};
use crate::ids::{ClusterName, HookName, Oid};
use crate::jobs::{
    self, Context, Definitions, Looked, LookedThrough, Remembered, UnclaimedCache, UnrecordedCache, listen_to_waits,
    note_waits,
};
use crate::lifecycle::Tasks;
use crate::queue::{JobError, Key, Queue, QueueConfig, QueueError, Worker};
use crate::render::{RenderError, Renderer, RendererConfig, sandbox};
use crate::report::{Destination, Outbox, OutboxOptions};
use crate::schedule::{self, Pace};
use crate::source::{Mirrors, MirrorsConfig, SourceError};
use crate::store::{Store, StoreError};
use crate::sync::health::Waits;
use crate::telemetry::Metrics;

/// The settings beside the configuration that differ between a server and a test.
pub struct Environment {
    pub clock: Arc<dyn Clock>,
    /// The seed for the jitter of retries and of the schedule.
    pub seed: u64,
    /// The program that sets up the renderer's sandbox: this one.
    pub launcher: PathBuf,
    /// After a start everything is checked once, spread over this long.
    pub first_looks: Duration,
    /// Between two writes to a forge. None: as the forge asks for.
    pub between_writes: Option<Duration>,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the data folder {} cannot be created: {source}", path.display())]
    Data {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot listen on {address}, the configuration's `{key}`: {source}. Set another address there.")]
    Listen {
        key: &'static str,
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("hook {hook}: {source}")]
    Forge {
        hook: HookName,
        #[source]
        source: SetupError,
    },
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
    /// The address for webhooks, with the chosen port if none was configured.
    pub address: SocketAddr,
    /// The address for probes and metrics.
    pub probes: SocketAddr,
    pub context: Arc<Context>,
    pub tasks: Tasks,
}

/// Starts everything. The default crypto provider of rustls must have been installed.
pub async fn start(config: Config, environment: Environment, tasks: &Tasks) -> Result<Running, ServeError> {
    let config = Arc::new(config);
    let readiness = Readiness::default();
    let starting = readiness.begin("start");
    std::fs::create_dir_all(&config.data).map_err(|source| ServeError::Data { path: config.data.clone(), source })?;
    // Mirrors hold what repositories do. A folder that is not ours to change, as a mounted one may be, stays as it is.
    if let Err(error) = std::fs::set_permissions(&config.data, std::fs::Permissions::from_mode(0o700)) {
        tracing::warn!(folder = %config.data.display(), %error, "the rights of the data folder could not be set: \
                                                                 others may read it");
    }
    let store = Store::open(&config.data.join("driftless.db"), environment.clock.clone()).await?;
    store.cancel_running().await?;
    let queue = Queue::start(store.clone(), queue_config(&config), tasks).await?;
    let metrics = Arc::new(Metrics::default());
    let (context, ended) = context(&config, &environment, store, queue.clone(), tasks).await?;

    let (listener, address) = listen("listen", config.listen).await?;
    let (probes_listener, probes) = listen("probes", config.probes).await?;
    // An answer in several pieces must not wait for the other side's acknowledgement.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let intake = Intake::new(
        Hooks::from_config(&config),
        queue.clone(),
        environment.clock,
        metrics.clone(),
        IntakeLimits::default(),
    );
    let public = http::public(intake, readiness.clone(), queue.clone());
    let limits = ServerLimits::default().within(open_files());
    tasks.spawn("http", http::serve(listener, public, limits, tasks.clone()));
    let watched = http::probes(readiness.clone(), queue.clone(), metrics.clone());
    tasks.spawn("probes", http::serve(probes_listener, watched, ServerLimits::probes(), tasks.clone()));
    let revisions = Arc::new(Finder { context: Arc::clone(&context), stop: tasks.soft().clone() });
    let private = http::private(&queue, http::apps::router(context.store.clone(), queue.clone(), revisions));
    tasks.spawn("socket", Socket::bind(&config.socket)?.serve(private, tasks.clone()));

    match context.mirrors.git_version().await {
        Ok(version) => tracing::info!(version, "git merges pull requests"),
        // Syncs go on without: only previews need merges.
        Err(error) => tracing::error!("no pull request can be previewed: {error}"),
    }
    context.outbox.run_sender(tasks);
    tasks.spawn("ends of waits", listen_to_waits(Arc::clone(&context), ended, tasks.soft().clone()));
    tasks.spawn("what is waited for", note_waits(Arc::clone(&context), tasks.soft().clone()));
    context.waits.resume().await?;
    let reaper = Arc::clone(&context);
    let soft = tasks.soft().clone();
    tasks.spawn("idle renderers", async move { reaper.renderer.reap(soft).await });
    let pace = Pace { every: config.timing.resync, first: environment.first_looks, seed: environment.seed };
    let looks = schedule::run(queue.clone(), looked_at(&config), pace, tasks.soft().clone());
    tasks.spawn("resync", looks);
    let pauses = schedule::end_pauses(context.store.clone(), queue.clone(), tasks.soft().clone());
    tasks.spawn("ends of pauses", pauses);
    Worker::new(queue, context.clone(), tasks, metrics, environment.seed).spawn();
    drop(starting);
    tracing::info!(%address, %probes, instance = config.instance, "Driftless is running");
    Ok(Running { address, probes, context, tasks: tasks.clone() })
}

/// What the API asks of Git.
struct Finder {
    context: Arc<Context>,
    stop: CancellationToken,
}

#[async_trait]
impl Revisions for Finder {
    async fn find(&self, source: &Source, revision: &str) -> Result<Oid, RevisionError> {
        jobs::revision::find(&self.context, source, revision, &self.stop).await.map_err(|error| revision_error(&error))
    }

    async fn is_on_ref(&self, source: &Source, commit: &Oid) -> Result<bool, RevisionError> {
        jobs::revision::is_on_ref(&self.context, source, commit, &self.stop)
            .await
            .map_err(|error| revision_error(&error))
    }
}

fn revision_error(error: &JobError) -> RevisionError {
    match error.class {
        Class::Fail => RevisionError::Unknown(error.message()),
        Class::Retry { .. } | Class::Cancelled => RevisionError::Unavailable(error.message()),
    }
}

async fn listen(key: &'static str, configured: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { key, address: configured, source };
    let listener = TcpListener::bind(configured).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// How many files may be open: as many as the system lets us have, because connections and the store share them.
fn open_files() -> u64 {
    let most = rlimit::Resource::NOFILE.get_hard().unwrap_or(1_024);
    rlimit::increase_nofile_limit(most).unwrap_or(1_024)
}

fn queue_config(config: &Config) -> QueueConfig {
    let timing = &config.timing;
    QueueConfig {
        quiet: timing.quiet,
        maximum: timing.maximum,
        give_up: timing.give_up,
        workers: config.workers,
        ..QueueConfig::default()
    }
}

/// The keys of the schedule.
fn looked_at(config: &Config) -> Vec<Key> {
    let repos = config.repos.iter().map(|repo| Key::Poll(repo.name.clone()));
    let deliveries = config.repos.iter().map(|repo| Key::Deliveries(repo.name.clone()));
    repos.chain(deliveries).chain(config.clusters.iter().map(|cluster| Key::Resync(cluster.name.clone()))).collect()
}

async fn context(
    config: &Arc<Config>,
    environment: &Environment,
    store: Store,
    queue: Queue,
    tasks: &Tasks,
) -> Result<(Arc<Context>, mpsc::Receiver<crate::sync::health::WaitEnded>), ServeError> {
    let mut clusters = BTreeMap::new();
    for entry in &config.clusters {
        let mut access = cluster_config(entry);
        access.propagation = match config.propagation {
            config::Propagation::Background => Propagation::Background,
            config::Propagation::Foreground => Propagation::Foreground,
        };
        clusters.insert(entry.name.clone(), Cluster::connect(access).await?);
    }
    let forges = forges(config, &environment.clock)?;
    let mut mirrors = MirrorsConfig::new(config.data.join("mirrors"));
    mirrors.tls_ca.clone_from(&config.ca);
    // The end of a wait is acted on at once; more than these are rows until then.
    let (sender, ended) = mpsc::channel(1024);
    let by_name: HashMap<ClusterName, Cluster> = clusters.clone().into_iter().collect();
    let context = Context {
        outbox: outbox(config, environment, &store, &forges),
        waits: Waits::start(store.clone(), tasks.clone(), by_name, sender),
        mirrors: Mirrors::new(mirrors, tasks)?,
        renderer: renderer(&environment.launcher, config)?,
        config: Arc::clone(config),
        clock: environment.clock.clone(),
        tasks: tasks.clone(),
        store,
        queue,
        clusters,
        forges,
        drifted: Remembered::default(),
        attempted: Remembered::default(),
        wants: UnclaimedCache::default(),
        unrecorded: UnrecordedCache::default(),
        definitions: Definitions::default(),
        looked: Looked::default(),
        looked_through: LookedThrough::default(),
    };
    Ok((Arc::new(context), ended))
}

/// The pool of workers, on a kernel whose sandbox is what the configuration requires.
fn renderer(launcher: &Path, config: &Config) -> Result<Renderer, ServeError> {
    let enforced = sandbox::enforced(config.landlock).map_err(|error| RenderError::Start(error.to_string()))?;
    tracing::info!("the renderer's sandbox on this kernel: {enforced}");
    let settings = RendererConfig { landlock: config.landlock, ..RendererConfig::new(launcher, &config.renderer) };
    Ok(Renderer::new(settings)?)
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
        if let Some(forge) = forge(hook, config.ca.clone(), clock)? {
            forges.insert(hook.name.clone(), forge);
        }
    }
    Ok(forges)
}

pub fn forge(hook: &Hook, ca: Option<PathBuf>, clock: &Arc<dyn Clock>) -> Result<Option<Arc<dyn Forge>>, ServeError> {
    forge::build(hook, ca, clock.clone()).map_err(|source| ServeError::Forge { hook: hook.name.clone(), source })
}

fn outbox(
    config: &Config,
    environment: &Environment,
    store: &Store,
    forges: &BTreeMap<HookName, Arc<dyn Forge>>,
) -> Outbox {
    let destinations = config.repos.iter().filter_map(|repo| {
        let forge = forges.get(&repo.hook)?;
        Some((repo.name.clone(), Destination { forge: Arc::clone(forge), project: repo.project.clone() }))
    });
    let mut options = OutboxOptions::new(&config.instance);
    options.between_writes = environment.between_writes;
    Outbox::new(store.clone(), destinations.collect(), options)
}
