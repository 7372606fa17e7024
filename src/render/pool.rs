//! The pool of workers: warm ones for the next render, new ones after a crash, none when idle.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cache::Cache;
use super::decode;
use super::error::{Failure, RenderError};
use super::paths::Paths;
use super::places::{Asker, Places, Purpose};
use super::process::Worker;
use super::request::{NondeterministicField, RenderRequest, Rendered, digest};
use super::sandbox::Landlock;
use super::session::{self, Ended, Limits, Trouble};
use super::slow::Slow;
use crate::manifest::Manifest;
use crate::trace::Trace;
use crate::tree::Tree;

/// What the pool may use. The defaults fit a machine of two cores.
#[derive(Clone, Debug)]
pub struct RendererConfig {
    /// The program that closes the box: this one.
    pub launcher: PathBuf,
    /// The worker that it then becomes.
    pub worker: PathBuf,
    /// Workers that one tenant may have at once, each rendering one thing at a time. Beyond them there is one for a
    /// tenant that has none, and one more for such a tenant's sync.
    pub size: usize,
    /// Renders of one tenant that may wait for a worker; more are told to come again.
    pub queue: usize,
    /// The longest that one render may take, from the worker's start to the last object.
    pub deadline: Duration,
    /// Bytes of objects that one render may return.
    pub max_output: usize,
    /// Paths that one render may ask for.
    pub max_callbacks: usize,
    /// Bytes of the largest file that a render may read.
    pub max_file: u64,
    /// The last worker is ended when it had nothing to do for this long; the others after half a minute of it.
    pub idle: Duration,
    /// A worker is replaced after this many renders.
    pub renders_per_worker: usize,
    /// Bytes of rendered manifests, compressed, that are kept for the same question.
    pub cache: u64,
    /// What the box needs of the kernel.
    pub landlock: Landlock,
    /// Whether what libraries say of files that may hold secrets is passed on as it is. Only for a reader who has the
    /// files himself.
    pub full_texts: bool,
}

impl RendererConfig {
    pub fn new(launcher: impl Into<PathBuf>, worker: impl Into<PathBuf>) -> Self {
        Self {
            launcher: launcher.into(),
            worker: worker.into(),
            size: 2,
            queue: 4096,
            deadline: Duration::from_mins(1),
            max_output: 64 << 20,
            max_callbacks: 100_000,
            max_file: 16 << 20,
            idle: Duration::from_mins(5),
            renders_per_worker: 500,
            cache: 16 << 20,
            landlock: Landlock::default(),
            full_texts: false,
        }
    }
}

/// One warm worker is enough for a push now and then; each takes 30 MiB.
const SPARE: Duration = Duration::from_secs(30);

/// A worker that is lost on an input may have been killed by somebody else, or have been old. One that is lost so often
/// is lost by the input.
const MOST_LOST: u32 = 3;

/// The renderer: cheap to share behind an `Arc`.
pub struct Renderer {
    config: RendererConfig,
    identifier: Identifier,
    idle: Mutex<Vec<Rested>>,
    places: Places,
    cache: Cache,
    slow: Slow,
}

/// What makes a render what it is besides its input: the libraries, and our code around them.
#[derive(Clone)]
pub struct Identifier {
    version: Arc<str>,
}

impl Identifier {
    /// Another one renders otherwise, or may.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The identities that a render with this trace may have: that of a chart, and that of anything else.
    pub fn identities(&self, request: &RenderRequest, trace: &Trace) -> [String; 2] {
        [self.identity(request, trace, &request.cluster_key()), self.identity(request, trace, "")]
    }

    fn identity(&self, request: &RenderRequest, trace: &Trace, cluster: &str) -> String {
        digest([&request.key(&self.version), &trace.hash(), cluster])
    }
}

struct Rested {
    worker: Worker,
    since: Instant,
}

/// How one try in one worker ended without a result.
enum Try {
    Error(RenderError),
    /// The worker was lost, and nothing says whose fault that is.
    Lost {
        how: String,
        trace: Trace,
    },
}

impl From<RenderError> for Try {
    fn from(error: RenderError) -> Self {
        Self::Error(error)
    }
}

impl Renderer {
    /// Fails when the worker's program can't be read: its hash is the renderer's version.
    pub fn new(config: RendererConfig) -> Result<Self, RenderError> {
        let identifier = Identifier { version: version_of(&config.worker)?.into() };
        Ok(Self {
            identifier,
            idle: Mutex::default(),
            places: Places::new(config.size, config.queue),
            cache: Cache::new(config.cache),
            slow: Slow::new(),
            config,
        })
    }

    /// Tells which identities a render may have.
    pub fn identifier(&self) -> Identifier {
        self.identifier.clone()
    }

    /// Renders, or answers from the cache where the same question had the same answers before. `repo` keeps the
    /// questions of repositories apart.
    pub async fn render_cached(
        &self,
        asker: Asker<'_>,
        repo: &str,
        request: RenderRequest,
        tree: Arc<dyn Tree>,
        cancel: CancellationToken,
    ) -> Result<Arc<Rendered>, RenderError> {
        let key = digest([repo, &request.key(&self.identifier.version)]);
        let cluster = request.cluster_key();
        if let Some(known) = self.cache.find(&key, &cluster, Arc::clone(&tree)).await? {
            return Ok(known);
        }
        let slow_key = digest([&key, &cluster]);
        if asker.purpose != Purpose::ByHand
            && let Some(error) = self.slow.find(&slow_key, &tree).await?
        {
            return Err(error);
        }
        let place = self.places.acquire(asker, &cancel).await?;
        let started = Instant::now();
        let made = self.render_at(request, tree, cancel).await;
        drop(place);
        let rendered = made.inspect_err(|error| self.slow.note(slow_key, error, started.elapsed()))?;
        let rendered = Arc::new(rendered);
        self.cache.keep(key, Arc::clone(&rendered)).await;
        Ok(rendered)
    }

    /// Renders anew, for the one who waits for it.
    pub async fn render(
        &self,
        request: RenderRequest,
        tree: Arc<dyn Tree>,
        cancel: CancellationToken,
    ) -> Result<Rendered, RenderError> {
        let _place = self.places.acquire(Asker { tenant: "", purpose: Purpose::ByHand }, &cancel).await?;
        self.render_at(request, tree, cancel).await
    }

    /// Renders at a place that the caller holds.
    async fn render_at(
        &self,
        request: RenderRequest,
        tree: Arc<dyn Tree>,
        cancel: CancellationToken,
    ) -> Result<Rendered, RenderError> {
        let deadline = Instant::now() + self.config.deadline;
        let mut lost = 0;
        loop {
            let worker = self.worker(lost > 0, &cancel).await?;
            match self.try_in(worker, &request, Arc::clone(&tree), &cancel, deadline).await {
                Ok(made) => return Ok(made),
                Err(Try::Error(error)) => return Err(error),
                Err(Try::Lost { how, trace }) => {
                    lost += 1;
                    tracing::warn!(path = request.path, how, lost, "a renderer's worker crashed on an input");
                    if lost == MOST_LOST {
                        let failure =
                            Failure::new(format!("the renderer crashed on this input {lost} times in a row ({how})"));
                        let hint = "check the latest change; the same input is retried only at the next resync";
                        return Err(failed(failure.with_hint(hint), &request, trace));
                    }
                }
            }
        }
    }

    async fn try_in(
        &self,
        mut worker: Worker,
        request: &RenderRequest,
        tree: Arc<dyn Tree>,
        cancel: &CancellationToken,
        deadline: Instant,
    ) -> Result<Rendered, Try> {
        let killer = worker.killer.clone();
        let limits = Limits {
            output: self.config.max_output,
            questions: self.config.max_callbacks,
            full_texts: self.config.full_texts,
        };
        let mut paths = Paths::new(tree, self.config.max_file);
        let asked = request.clone();
        let path = clean(&request.path);
        let mut job = tokio::task::spawn_blocking(move || {
            let wire = asked.wire(&path);
            worker.begin();
            let result = session::render(&mut worker.input, &mut worker.output, &wire, &mut paths, limits);
            let result = result.and_then(|mut ended| {
                let body = std::mem::take(&mut ended.body);
                let manifests =
                    decode::manifests(&body).map_err(|failure| Trouble::Input { failure, worker_lost: false })?;
                Ok((ended, manifests))
            });
            (worker, result, paths.into_trace())
        });
        let guard = KillOnDrop(Some(killer.clone()));
        let stopped = tokio::select! {
            done = &mut job => return self.finish(done, guard, request),
            () = cancel.cancelled() => None,
            () = tokio::time::sleep_until(deadline) => Some(self.config.deadline),
        };
        killer.kill();
        let trace = job.await.map(|(_, _, trace)| trace).unwrap_or_default();
        guard.disarm();
        match stopped {
            None => Err(RenderError::Cancelled.into()),
            Some(deadline) => {
                let failure = Failure::new(format!("did not end within {} seconds", deadline.as_secs_f32()))
                    .with_hint("look for a loop in a template, or split the app");
                Err(failed(failure, request, trace).into())
            }
        }
    }

    /// A warm worker, or a fresh one.
    async fn worker(&self, fresh: bool, cancel: &CancellationToken) -> Result<Worker, RenderError> {
        let rested = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().filter(|_| !fresh);
        if let Some(rested) = rested {
            return Ok(rested.worker);
        }
        let (launcher, worker, landlock) =
            (self.config.launcher.clone(), self.config.worker.clone(), self.config.landlock);
        let start = tokio::task::spawn_blocking(move || Worker::start(&launcher, &worker, landlock));
        tokio::select! {
            started = start => started.map_err(|error| RenderError::Start(error.to_string()))?,
            () = cancel.cancelled() => Err(RenderError::Cancelled),
        }
    }

    fn finish(&self, done: Done, guard: KillOnDrop, request: &RenderRequest) -> Result<Rendered, Try> {
        guard.disarm();
        let (mut worker, result, trace) = done.map_err(|error| RenderError::Start(error.to_string()))?;
        worker.renders += 1;
        match result {
            Ok((ended, manifests)) => {
                self.rest(worker);
                Ok(self.rendered(ended, manifests, trace, request))
            }
            Err(Trouble::Input { failure, worker_lost }) => {
                if !worker_lost {
                    self.rest(worker);
                }
                Err(failed(failure, request, trace).into())
            }
            Err(Trouble::Ended) => match worker.post_mortem()? {
                Ok(failure) => Err(failed(failure, request, trace).into()),
                Err(how) => Err(Try::Lost { how, trace }),
            },
            Err(Trouble::Garbage(how)) => Err(Try::Lost { how, trace }),
            Err(Trouble::Broken(error)) => Err(error.into()),
        }
    }

    fn rest(&self, worker: Worker) {
        if worker.renders < self.config.renders_per_worker {
            let rested = Rested { worker, since: Instant::now() };
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(rested);
        }
    }

    fn rendered(&self, ended: Ended, manifests: Vec<Manifest>, trace: Trace, request: &RenderRequest) -> Rendered {
        let nondeterministic = ended.volatile.into_iter().filter_map(|field| {
            let object = manifests.get(field.object)?.key.clone();
            Some(NondeterministicField { object, pointer: field.pointer })
        });
        let nondeterministic = nondeterministic.collect();
        let cluster = (ended.renderer == "helm").then(|| request.cluster_key());
        let identity = self.identifier.identity(request, &trace, cluster.as_deref().unwrap_or_default());
        Rendered { manifests, trace, warnings: ended.warnings, nondeterministic, cluster, identity }
    }

    /// Ends workers that had nothing to do for a while, until `stop`. To be spawned beside the service.
    pub async fn reap(&self, stop: CancellationToken) {
        let spare = self.config.idle.min(SPARE);
        let mut tick = tokio::time::interval(spare.max(Duration::from_millis(2)) / 2);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            let now = Instant::now();
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            // The one that rested last is the first to be taken.
            let mut others = idle.len();
            idle.retain(|rested| {
                others -= 1;
                now.duration_since(rested.since) < if others == 0 { self.config.idle } else { spare }
            });
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Workers that wait for something to do.
    pub fn idle_workers(&self) -> usize {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

type Done = Result<(Worker, Result<(Ended, Vec<Manifest>), Trouble>, Trace), tokio::task::JoinError>;

/// A render whose caller went away still has a worker that computes: it is killed.
struct KillOnDrop(Option<super::process::Killer>);

impl KillOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(killer) = &self.0 {
            killer.kill();
        }
    }
}

fn failed(mut failure: Failure, request: &RenderRequest, trace: Trace) -> RenderError {
    let path = clean(&request.path);
    if failure.file.as_ref().is_none_or(String::is_empty) && !path.is_empty() {
        failure.file = Some(path);
    }
    RenderError::Failed { failure: Box::new(failure), trace: Box::new(trace) }
}

fn clean(path: &str) -> String {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    names.join("/")
}

fn version_of(worker: &Path) -> Result<String, RenderError> {
    let program = std::fs::read(worker).map_err(|error| {
        RenderError::Start(format!("{}: {error}; it is built from renderer/ by make", worker.display()))
    })?;
    Ok(hex::encode(&Sha256::digest(program)[..8]))
}
