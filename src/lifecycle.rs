//! The only place that spawns tasks: whatever runs in the background is known here, and stops when it is told to.
//!
//! There are two tokens. *Soft* asks to take nothing new and to finish what has begun; *hard* asks to drop everything now. The soft token is
//! a child of the hard one, so that a hard stop is always a soft stop as well.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Default for Tasks {
    fn default() -> Self {
        let hard = CancellationToken::new();
        Self { tracker: TaskTracker::new(), soft: hard.child_token(), hard }
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
        self.tracker.spawn(tracing::Instrument::instrument(future, span))
    }

    /// Asks softly, waits for `grace`, then asks hard and waits a moment longer for the tasks that listen.
    pub async fn stop(&self, grace: Duration) -> Stopped {
        self.soft.cancel();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_ok() {
            return Stopped::Gracefully;
        }
        self.hard.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(2), self.tracker.wait()).await;
        match self.tracker.len() {
            0 => Stopped::Gracefully,
            left => Stopped::Dropped(left),
        }
    }
}
