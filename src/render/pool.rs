//! The pool of workers: warm ones for the next render, fresh ones after a crash, none when there is nothing to do.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cache::Cache;
use super::error::{Failure, RenderError};
use super::paths::Paths;
use super::process::Worker;
use super::request::{RenderRequest, Rendered, VolatileField, digest};
use super::session::{self, Ended, Limits, Trouble};
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
    /// Workers at most, each rendering one thing at a time.
    pub size: usize,
    /// Renders that may wait for a worker; more are told to come again.
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
        }
    }
}

/// One warm worker is enough for a push now and then; each takes 30 MiB.
const SPARE: Duration = Duration::from_secs(30);

/// The renderer: cheap to share behind an `Arc`.
pub struct Renderer {
    config: RendererConfig,
    version: String,
    idle: Mutex<Vec<Rested>>,
    places: Semaphore,
    waiting: AtomicUsize,
    cache: Cache,
}

struct Rested {
    worker: Worker,
    since: Instant,
}

impl Renderer {
    /// Fails when the worker's program can't be read: its hash is the renderer's version.
    pub fn new(config: RendererConfig) -> Result<Self, RenderError> {
        let version = version_of(&config.worker)?;
        Ok(Self {
            version,
            idle: Mutex::default(),
            places: Semaphore::new(config.size),
            waiting: AtomicUsize::new(0),
            cache: Cache::new(config.cache),
            config,
        })
    }

    /// Changes when anything changes that a render depends on besides its input: the libraries, and our code around them.
    pub fn version(&self) -> String {
        self.version.clone()
    }

    /// The identities that a render with this trace may have had: that of a chart, and that of anything else.
    pub fn identities(&self, request: &RenderRequest, trace: &Trace) -> [String; 2] {
        [self.identity(request, trace, &request.cluster_key()), self.identity(request, trace, "")]
    }

    fn identity(&self, request: &RenderRequest, trace: &Trace, cluster: &str) -> String {
        digest([&request.key(&self.version), &trace.hash(), cluster])
    }

    /// Renders, or answers from the cache where the same question had the same answers before. `repo` keeps the questions of repositories
    /// apart.
    pub async fn render_cached(
        &self,
        repo: &str,
        request: RenderRequest,
        tree: Arc<dyn Tree>,
        cancel: CancellationToken,
    ) -> Result<Arc<Rendered>, RenderError> {
        let key = digest([repo, &request.key(&self.version)]);
        let cluster = request.cluster_key();
        if let Some(known) = self.cache.find(&key, &cluster, Arc::clone(&tree)).await? {
            return Ok(known);
        }
        let (rendered, made_by) = self.render_anew(request, tree, cancel).await?;
        let rendered = Arc::new(rendered);
        self.cache.keep(key, (made_by == "helm").then_some(cluster), Arc::clone(&rendered)).await;
        Ok(rendered)
    }

    /// Renders anew.
    pub async fn render(&self, request: RenderRequest, tree: Arc<dyn Tree>, cancel: CancellationToken) -> Result<Rendered, RenderError> {
        Ok(self.render_anew(request, tree, cancel).await?.0)
    }

    async fn render_anew(
        &self,
        request: RenderRequest,
        tree: Arc<dyn Tree>,
        cancel: CancellationToken,
    ) -> Result<(Rendered, String), RenderError> {
        let _place = self.place(&cancel).await?;
        let deadline = Instant::now() + self.config.deadline;
        let mut worker = self.worker(&cancel).await?;
        let killer = worker.killer.clone();
        let limits = Limits { output: self.config.max_output, questions: self.config.max_callbacks };
        let mut paths = Paths::new(tree, self.config.max_file);
        let asked = request.clone();
        let path = clean(&request.path);
        let mut job = tokio::task::spawn_blocking(move || {
            let wire = asked.wire(&path);
            let result = session::render(&mut worker.input, &mut worker.output, &wire, &mut paths, limits);
            (worker, result, paths.into_trace())
        });
        let guard = KillOnDrop(Some(killer.clone()));
        let stopped = tokio::select! {
            done = &mut job => return self.finish(done, guard, &request),
            () = cancel.cancelled() => None,
            () = tokio::time::sleep_until(deadline) => Some(self.config.deadline),
        };
        killer.kill();
        let trace = job.await.map(|(_, _, trace)| trace).unwrap_or_default();
        guard.disarm();
        match stopped {
            None => Err(RenderError::Cancelled),
            Some(deadline) => {
                let failure = Failure::new(format!("did not end within {} seconds", deadline.as_secs_f32()))
                    .with_hint("look for a loop in a template, or split the app");
                Err(failed(failure, &request, trace))
            }
        }
    }

    /// A place to render at: waits for it in a queue that has an end.
    async fn place(&self, cancel: &CancellationToken) -> Result<tokio::sync::SemaphorePermit<'_>, RenderError> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        let _waiting = Waiting::enter(&self.waiting, self.config.queue).ok_or(RenderError::Overloaded)?;
        tokio::select! {
            place = self.places.acquire() => place.map_err(|_| RenderError::Cancelled),
            () = cancel.cancelled() => Err(RenderError::Cancelled),
        }
    }

    async fn worker(&self, cancel: &CancellationToken) -> Result<Worker, RenderError> {
        let rested = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(rested) = rested {
            return Ok(rested.worker);
        }
        let (launcher, worker) = (self.config.launcher.clone(), self.config.worker.clone());
        let start = tokio::task::spawn_blocking(move || Worker::start(&launcher, &worker));
        tokio::select! {
            started = start => started.map_err(|error| RenderError::Start(error.to_string()))?,
            () = cancel.cancelled() => Err(RenderError::Cancelled),
        }
    }

    fn finish(&self, done: Done, guard: KillOnDrop, request: &RenderRequest) -> Result<(Rendered, String), RenderError> {
        guard.disarm();
        let (mut worker, result, trace) = done.map_err(|error| RenderError::Start(error.to_string()))?;
        worker.renders += 1;
        match result {
            Ok(ended) => {
                self.rest(worker);
                self.rendered(ended, trace, request)
            }
            Err(Trouble::Input { failure, worker_lost }) => {
                if !worker_lost {
                    self.rest(worker);
                }
                Err(failed(failure, request, trace))
            }
            Err(Trouble::Ended) => Err(failed(worker.post_mortem()?, request, trace)),
            Err(Trouble::Broken(error)) => Err(error),
        }
    }

    fn rest(&self, worker: Worker) {
        if worker.renders < self.config.renders_per_worker {
            let rested = Rested { worker, since: Instant::now() };
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(rested);
        }
    }

    fn rendered(&self, ended: Ended, trace: Trace, request: &RenderRequest) -> Result<(Rendered, String), RenderError> {
        let objects: Option<Vec<Object>> =
            serde_json::from_slice(&ended.body).map_err(|error| RenderError::Protocol(format!("its objects are not JSON: {error}")))?;
        let mut manifests = Vec::new();
        for Object { object, origin } in objects.unwrap_or_default() {
            let named = Manifest::new(object, origin);
            manifests.push(named.map_err(|error| RenderError::Protocol(format!("it let an object pass: {error}")))?);
        }
        let volatile = ended.volatile.into_iter().filter_map(|field| {
            let object = manifests.get(field.object)?.key.clone();
            Some(VolatileField { object, pointer: field.pointer })
        });
        let volatile = volatile.collect();
        let cluster = if ended.renderer == "helm" { request.cluster_key() } else { String::new() };
        let identity = self.identity(request, &trace, &cluster);
        Ok((Rendered { manifests, trace, warnings: ended.warnings, volatile, identity }, ended.renderer))
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

/// An object as a worker returns it.
#[derive(Deserialize)]
struct Object {
    object: Value,
    origin: Option<String>,
}

type Done = Result<(Worker, Result<Ended, Trouble>, Trace), tokio::task::JoinError>;

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

/// One who waits for a place.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::SeqCst) < most).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
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
    let program = std::fs::read(worker)
        .map_err(|error| RenderError::Start(format!("{}: {error}; it is built from renderer/ by make", worker.display())))?;
    Ok(hex::encode(&Sha256::digest(program)[..8]))
}
