//! The only place that spawns tasks: whatever runs in the background is known here, and stops when it is told to.
//!
//! There are two tokens. *Soft* asks to take nothing new and to finish what has begun; *hard* asks to drop everything
//! now. The soft token is a child of the hard one, so that a hard stop is always a soft stop as well.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Computes for long without holding up the tasks that wait for this thread. What else the caller's own task does waits
/// for it.
pub fn beside<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // One thread alone has nobody to hand its tasks to.
        _ => work(),
    }
}

#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    running: Running,
    soft: CancellationToken,
    hard: CancellationToken,
}

/// How many tasks of each name run, so that a stop that takes long can say for whom it waits.
#[derive(Debug, Clone, Default)]
struct Running(Arc<Mutex<BTreeMap<&'static str, usize>>>);

impl Running {
    fn with<T>(&self, use_counts: impl FnOnce(&mut BTreeMap<&'static str, usize>) -> T) -> T {
        use_counts(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&self, name: &'static str) -> Counted {
        self.with(|counts| *counts.entry(name).or_default() += 1);
        Counted { name, running: self.clone() }
    }
}

/// One task that runs; it counts until it is dropped.
struct Counted {
    name: &'static str,
    running: Running,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.running.with(|counts| {
            if let Some(count) = counts.get_mut(self.name) {
                *count -= 1;
            }
            counts.retain(|_, count| *count > 0);
        });
    }
}

impl Default for Tasks {
    fn default() -> Self {
        let hard = CancellationToken::new();
        Self { tracker: TaskTracker::new(), running: Running::default(), soft: hard.child_token(), hard }
    }
}

/// Whether everything ended by itself within the grace period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    Gracefully,
    /// This many tasks were still running when the grace period ended.
    Dropped(usize),
}

impl Tasks {
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when no new work should begin.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when running work should be dropped.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    pub fn spawn<F>(&self, name: &'static str, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let span = tracing::debug_span!("task", name);
        let counted = self.running.begin(name);
        let future = async move {
            let _counted = counted;
            future.await
        };
        self.tracker.spawn(tracing::Instrument::instrument(future, span))
    }

    /// The names of the tasks that run, each once.
    pub fn running(&self) -> Vec<&'static str> {
        self.running.with(|counts| counts.keys().copied().collect())
    }

    /// Asks softly, waits for `grace`, then asks hard and waits a moment longer for the tasks that listen.
    pub async fn stop(&self, grace: Duration) -> Stopped {
        self.soft.cancel();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_ok() {
            return Stopped::Gracefully;
        }
        tracing::warn!(tasks = ?self.running(), "still running after the grace period");
        self.hard.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(2), self.tracker.wait()).await;
        match self.tracker.len() {
            0 => Stopped::Gracefully,
            left => Stopped::Dropped(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_soft_stop_lets_work_finish() {
        let tasks = Tasks::new();
        let done = tasks.spawn("work", async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            7
        });
        assert_eq!(tasks.running(), ["work"]);
        assert_eq!(tasks.stop(Duration::from_secs(5)).await, Stopped::Gracefully);
        assert_eq!(done.await.expect("no panic"), 7);
        assert!(tasks.running().is_empty() && !tasks.hard().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_is_told_and_then_dropped() {
        let tasks = Tasks::new();
        let hard = tasks.hard().clone();
        tasks.spawn("listens", async move { hard.cancelled().await });
        tasks.spawn("does not", std::future::pending::<()>());
        assert_eq!(tasks.stop(Duration::from_secs(5)).await, Stopped::Dropped(1));
        assert_eq!(tasks.running(), ["does not"]);
    }
}
