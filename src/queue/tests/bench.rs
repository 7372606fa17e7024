//! A queue with a worker whose handler does as it is told, in a time that stands still until a test moves it.
//!
//! The store answers from a thread of its own, which a paused runtime takes for idleness; so the clock is held, and
//! only moved by hand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::class::{Class, Classified};
use crate::clock::Clock;
use crate::ids::RepoName;
use crate::lifecycle::Tasks;
use crate::queue::{
    Accepted, Finish, Handler, Job, JobError, Key, Queue, QueueConfig, QueueError, Request, RunningJob, Trigger, Worker,
};
use crate::store::Store;
use crate::store::deliveries::NewDelivery;
use crate::telemetry::Metrics;

/// Goes with the runtime's clock.
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.0.elapsed().as_millis()).expect("a short test");
        Timestamp::from_millisecond(1_800_000_000_000 + millis).expect("in range")
    }
}

/// What the handler does with a run.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Succeed,
    Retry(&'static str, Option<Duration>),
    Fail(&'static str),
    /// Done, to be looked at again.
    LookAgain,
    /// Fails in a way that may pass, and people have been shown it.
    Shown(&'static str),
    Panic,
    /// Works until it is cancelled, or for this long.
    Work(Duration),
    /// The same, with writes begun.
    Write(Duration),
}

#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Scripted {
    text: &'static str,
    class: Class,
}

impl Classified for Scripted {
    fn class(&self) -> Class {
        self.class
    }
}

/// One run as the handler saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub job: Job,
    pub at: Duration,
    pub ended: Option<Duration>,
    pub cancelled: bool,
}

#[derive(Default)]
struct Log {
    steps: VecDeque<Step>,
    seen: Vec<Seen>,
    reports: Vec<(String, bool)>,
}

pub(super) struct Scribe {
    start: Instant,
    log: Mutex<Log>,
}

impl Scribe {
    fn with<T>(&self, use_log: impl FnOnce(&mut Log) -> T) -> T {
        use_log(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.with(|log| log.seen.clone())
    }

    pub(super) fn reports(&self) -> Vec<(String, bool)> {
        self.with(|log| log.reports.clone())
    }

    async fn act(&self, step: Step, running: &RunningJob) -> Result<Finish, JobError> {
        match step {
            Step::LookAgain => Ok(Finish::LookAgain),
            step => self.act_or_fail(step, running).await.map(|()| Finish::Done),
        }
    }

    async fn act_or_fail(&self, step: Step, running: &RunningJob) -> Result<(), JobError> {
        let error = |text, class| JobError::from(Scripted { text, class });
        match step {
            Step::Succeed | Step::LookAgain => Ok(()),
            Step::Shown(text) => Err(error(text, Class::RETRY).shown()),
            Step::Retry(text, after) => Err(error(text, Class::Retry { after })),
            Step::Fail(text) => Err(error(text, Class::Fail)),
            Step::Panic => panic!("scripted"),
            Step::Work(time) => tokio::select! {
                () = tokio::time::sleep(time) => Ok(()),
                () = running.cancel.cancelled() => Err(error("cancelled", Class::Cancelled)),
            },
            Step::Write(time) => {
                let _writing = running.begin_writes()?;
                tokio::select! {
                    () = tokio::time::sleep(time) => Ok(()),
                    () = running.cancel.cancelled() => Err(error("cancelled", Class::Cancelled)),
                }
            }
        }
    }
}

#[async_trait]
impl Handler for Scribe {
    async fn run(&self, job: &Job, running: RunningJob) -> Result<Finish, JobError> {
        let (index, step) = self.with(|log| {
            log.seen.push(Seen { job: job.clone(), at: self.start.elapsed(), ended: None, cancelled: false });
            (log.seen.len() - 1, log.steps.pop_front().unwrap_or(Step::Succeed))
        });
        let result = self.act(step, &running).await;
        self.with(|log| {
            log.seen[index].ended = Some(self.start.elapsed());
            log.seen[index].cancelled = running.cancel.is_cancelled();
        });
        result
    }

    async fn report_failure(&self, _: &Job, error: &JobError, still_trying: bool) -> Result<(), JobError> {
        self.with(|log| log.reports.push((error.message(), still_trying)));
        Ok(())
    }
}

pub(super) struct Bench {
    pub queue: Queue,
    pub scribe: Arc<Scribe>,
    pub tasks: Tasks,
    _hold: std::sync::mpsc::Sender<()>,
    _dir: tempfile::TempDir,
}

impl Bench {
    pub(super) async fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::with_config(QueueConfig::default(), steps).await
    }

    pub(super) async fn with_config(config: QueueConfig, steps: impl IntoIterator<Item = Step>) -> Self {
        let (hold, blocked) = std::sync::mpsc::channel::<()>();
        // While a blocking task runs, a paused clock does not move by itself.
        tokio::task::spawn_blocking(move || blocked.recv());
        let dir = tempfile::tempdir().expect("a directory");
        let start = Instant::now();
        let store = Store::open(&dir.path().join("driftless.db"), Arc::new(RuntimeClock(start))).await.expect("opens");
        let tasks = Tasks::new();
        let queue = Queue::start(store, config, &tasks).await.expect("starts");
        let log = Mutex::new(Log { steps: steps.into_iter().collect(), ..Log::default() });
        let scribe = Arc::new(Scribe { start, log });
        Worker::new(queue.clone(), scribe.clone(), &tasks, Arc::new(Metrics::default()), 7).spawn();
        Self { queue, scribe, tasks, _hold: hold, _dir: dir }
    }

    /// Lets `time` pass in steps, and after each lets everybody do what is to be done.
    pub(super) async fn pass(&self, time: Duration, step: Duration) {
        let mut left = time;
        self.settle().await;
        while !left.is_zero() {
            let next = left.min(step);
            tokio::time::advance(next).await;
            self.settle().await;
            left -= next;
        }
    }

    pub(super) async fn pass_ms(&self, millis: u64) {
        self.pass(Duration::from_millis(millis), Duration::from_millis(100)).await;
    }

    /// Waits in real time until all writers had their turn a few times.
    pub(super) async fn settle(&self) {
        for _ in 0..6 {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            let sleep = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1)));
            sleep.await.expect("sleeps");
            drop(self.queue.store().begin().await.expect("begins"));
        }
    }

    /// A push to the branch `main` of `shop`, of which the forge tells by the delivery `id`.
    pub(super) async fn push(&self, id: &str, sha: &str) -> Result<Accepted, QueueError> {
        self.queue.accept(delivery(id), vec![push_request(id, sha)]).await
    }
}

pub(super) fn push_key() -> Key {
    Key::Push { repo: RepoName::new("shop"), ref_name: "refs/heads/main".into() }
}

pub(super) fn push_request(id: &str, sha: &str) -> Request {
    Request::new(push_key(), Trigger::Webhook { hook: "github".into(), delivery: id.into() }).with_hint(sha)
}

pub(super) fn delivery(id: &str) -> NewDelivery {
    NewDelivery {
        hook: "github".into(),
        hook_id: "1".into(),
        delivery_id: id.into(),
        event: "push".into(),
        project: Some("acme/shop".into()),
    }
}
