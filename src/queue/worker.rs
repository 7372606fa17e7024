//! Runs due jobs, up to a maximum number at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::lease::{Claimed, Ended};
use super::row::Requeue;
use super::run::Runner;
use super::{Handler, Queue, QueueError};
use crate::lifecycle::Tasks;
use crate::telemetry::{JobOutcome, Metrics};

/// The longest sleep, after which a changed clock is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);
/// The pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// How often a worker that stops looks whether its last run has ended.
const DRAINING: Duration = Duration::from_millis(100);
const SWEEP: Duration = Duration::from_hours(1);

/// Takes due jobs from the queue, and runs the handler of each in a task of its own.
#[derive(Clone)]
pub struct Worker {
    queue: Queue,
    handler: Arc<dyn Handler>,
    tasks: Tasks,
    metrics: Arc<Metrics>,
    rng: Arc<Mutex<StdRng>>,
    slots: Arc<Semaphore>,
}

impl Worker {
    /// `seed` gives the jitter of retries.
    pub fn new(queue: Queue, handler: Arc<dyn Handler>, tasks: &Tasks, metrics: Arc<Metrics>, seed: u64) -> Self {
        let slots = Arc::new(Semaphore::new(queue.config().workers));
        let rng = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
        Self { queue, handler, tasks: tasks.clone(), metrics, rng, slots }
    }

    /// Spawns the worker. It takes nothing new after a soft stop, and lets what runs finish; a hard stop cancels that
    /// too.
    pub fn spawn(self) {
        let (tasks, keeper) = (self.tasks.clone(), self.clone());
        tasks.spawn("leases", async move { keeper.keep().await });
        tasks.spawn("worker", self.dispatch());
    }

    async fn dispatch(self) {
        let soft = self.tasks.soft().clone();
        while !soft.is_cancelled() {
            let pause = match self.fill().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "no job can be read from the store");
                    STORE_PAUSE
                }
            };
            tokio::select! {
                () = soft.cancelled() => break,
                () = self.queue.0.committer.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Starts jobs until none is due or all workers are busy, and says how long nothing will be due.
    async fn fill(&self) -> Result<Duration, QueueError> {
        while !self.tasks.soft().is_cancelled() {
            let Ok(slot) = self.slots.clone().try_acquire_owned() else { return Ok(LONGEST_SLEEP) };
            let Some(claimed) = self.queue.claim(self.tasks.hard()).await? else {
                drop(slot);
                return self.until_due().await;
            };
            let worker = self.clone();
            self.tasks.spawn("job", async move {
                worker.work(claimed).await;
                drop(slot);
                worker.queue.0.committer.wake.notify_one();
            });
        }
        Ok(LONGEST_SLEEP)
    }

    async fn until_due(&self) -> Result<Duration, QueueError> {
        let Some(due) = self.queue.next_due().await? else { return Ok(LONGEST_SLEEP) };
        // What is due and was not taken waits for its share of the workers: whatever frees one wakes us.
        let left = due - self.queue.store().now();
        let left = u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_millis);
        Ok(left.map_or(STORE_PAUSE, |left| left.min(LONGEST_SLEEP)))
    }

    #[tracing::instrument(name = "job", skip_all, fields(key = claimed.row.key, attempt = claimed.job.attempt))]
    async fn work(&self, claimed: Claimed) {
        let started = Instant::now();
        let jitter = self.rng.lock().unwrap_or_else(PoisonError::into_inner).random();
        let runner =
            Runner { handler: self.handler.as_ref(), store: self.queue.store(), config: self.queue.config(), jitter };
        let ended = runner.run(&claimed).await;
        self.metrics.job_ended(claimed.job.key.kind().name, outcome(&ended), started.elapsed());
        tracing::debug!(outcome = outcome(&ended).as_str(), "a run ended");
        if let Err(error) = self.queue.finish(&claimed, &ended).await {
            tracing::error!(%error, "the end of a run could not be stored; it is run again");
        }
    }

    /// Renews leases, frees lost jobs, and forgets what is long over.
    async fn keep(self) {
        let soft = self.tasks.soft().clone();
        let every = self.queue.config().lease / 3;
        let (mut kept, mut swept): (Option<Instant>, Option<Instant>) = (None, None);
        loop {
            let stopping = soft.is_cancelled();
            if stopping && self.queue.running() == 0 {
                return;
            }
            if kept.is_none_or(|at| at.elapsed() >= every) {
                let sweep = swept.is_none_or(|at| at.elapsed() >= SWEEP);
                match self.keep_once(sweep).await {
                    Ok(()) if sweep => swept = Some(Instant::now()),
                    Ok(()) => {}
                    Err(error) => tracing::error!(%error, "leases could not be renewed"),
                }
                kept = Some(Instant::now());
            }
            tokio::select! {
                () = soft.cancelled(), if !stopping => {}
                () = tokio::time::sleep(if stopping { DRAINING } else { every }) => {}
            }
        }
    }

    async fn keep_once(&self, sweep: bool) -> Result<(), QueueError> {
        self.queue.renew().await?;
        self.queue.reclaim(false).await?;
        let store = self.queue.store();
        let moved = store.follow_clock().await?;
        if moved > 0 {
            tracing::warn!(rows = moved, "the clock was set back; due times were corrected");
            self.queue.0.committer.wake.notify_one();
        }
        if sweep {
            store.forget_what_is_over().await?;
        }
        Ok(())
    }
}

fn outcome(ended: &Ended) -> JobOutcome {
    match ended {
        Ended::Done(_) => JobOutcome::Done,
        Ended::Failed { .. } => JobOutcome::Failed,
        Ended::Requeue(Requeue::Failing { .. }) => JobOutcome::Retried,
        Ended::Requeue(Requeue::Cancelled { .. } | Requeue::Lost { .. }) => JobOutcome::Cancelled,
    }
}
