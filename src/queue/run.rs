//! One run of one job, from its claim to its report.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::last_report::Said;
use super::lease::{Claimed, Ended};
use super::row::Requeue;
use super::timing::millis;
use super::{Finish, Handler, Job, JobError, QueueConfig, RunningJob, backoff};
use crate::class::Class;
use crate::store::Store;
use crate::store::jobs::State;

/// What a cancelled run gets to return by itself, so that the next one begins within a second of the event.
const GRACE: Duration = Duration::from_millis(800);

/// The pause of a job that calls itself cancelled though nobody cancelled it: whoever holds it up asks anew when it may
/// go on.
const HELD_UP: Duration = Duration::from_mins(1);

/// A job that is not run again by itself.
#[derive(Debug, thiserror::Error)]
#[error(
    "{key} is set aside: the server was killed {kills} times in a row while this job was running. Check the server's \
     memory limit and the latest changes in Git; a new commit, or a request by hand, retries it"
)]
struct SetAside {
    key: String,
    kills: i64,
}

pub(super) struct Runner<'a> {
    pub handler: &'a dyn Handler,
    pub store: &'a Store,
    pub config: &'a QueueConfig,
    /// In 0..1.
    pub jitter: f64,
}

impl Runner<'_> {
    pub(super) async fn run(&self, claimed: &Claimed) -> Ended {
        let kills = claimed.row.kills;
        if kills >= self.config.most_kills {
            let aside = SetAside { key: claimed.row.key.clone(), kills };
            return self.failed(claimed, &JobError::new(Class::Fail, aside)).await;
        }
        let context = RunningJob::new(claimed.run.clone());
        let cancel = context.cancel.clone();
        let result = self.guarded(&claimed.job, context, &cancel).await;
        let error = match result {
            Ok(finish) => return Ended::Done(finish),
            Err(_) if cancel.is_cancelled() => return Ended::Requeue(Requeue::Cancelled { pause: 0 }),
            Err(error) => error,
        };
        match error.class {
            Class::Cancelled => Ended::Requeue(Requeue::Cancelled { pause: millis(HELD_UP) }),
            Class::Retry { after } => self.failing(claimed, &error, after).await,
            Class::Fail => self.failed(claimed, &error).await,
        }
    }

    /// Runs the handler, but not for ever, not beyond a cancellation, and not with a panic.
    async fn guarded(&self, job: &Job, context: RunningJob, cancel: &CancellationToken) -> Result<Finish, JobError> {
        let handled = AssertUnwindSafe(self.handler.run(job, context)).catch_unwind();
        let cancelled = async {
            cancel.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            result = handled => result.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))),
            () = cancelled => Err(JobError::new(Class::Cancelled, "cancelled")),
            () = tokio::time::sleep(self.config.longest_run) => {
                let limit = self.config.longest_run.as_secs();
                Err(JobError::new(Class::RETRY, format!("the job was stopped after {limit} s, the limit")))
            }
        }
    }

    async fn failing(&self, claimed: &Claimed, error: &JobError, after: Option<Duration>) -> Ended {
        let text = error.message();
        let (key, attempt) = (&claimed.row.key, claimed.job.attempt);
        tracing::warn!(key, attempt, error = text, "a job failed; retrying");
        let now = self.store.now();
        let since = claimed.row.failing_since.unwrap_or(now);
        let unbearable = now - since >= millis(self.config.give_up);
        let said = Said::new(claimed.run.sha(), &text);
        let report = unbearable && !error.is_shown() && !said.was_said_of_its_commit(claimed.row.reported.as_deref());
        let reported = report && self.report(claimed, error, true).await.is_ok();
        let reported = reported.then(|| said.to_string());
        Ended::Requeue(Requeue::Failing {
            pause: millis(backoff(claimed.job.attempt, self.jitter)),
            wait: after.map_or(0, millis),
            error: text,
            reported,
        })
    }

    async fn failed(&self, claimed: &Claimed, error: &JobError) -> Ended {
        let text = error.message();
        tracing::warn!(key = claimed.row.key, error = text, "a job failed");
        let said = Said::new(claimed.run.sha(), &text);
        let before = self.store.job(&claimed.row.key, State::Failed).await.ok().flatten().and_then(|row| row.reported);
        if let Some(before) = before.filter(|before| said.repeats(before)) {
            return Ended::Failed { error: text, reported: before };
        }
        let reported = said.to_string();
        if error.is_shown() {
            return Ended::Failed { error: text, reported };
        }
        match self.report(claimed, error, false).await {
            Ok(()) => Ended::Failed { error: text, reported },
            // People have to hear of it: the job stays in the queue until they have.
            Err(unreported) => Ended::Requeue(Requeue::Failing {
                pause: millis(backoff(claimed.job.attempt, self.jitter)),
                wait: 0,
                error: format!("{text} (which could not be reported: {unreported})"),
                reported: None,
            }),
        }
    }

    async fn report(&self, claimed: &Claimed, error: &JobError, still_trying: bool) -> Result<(), String> {
        let report = self.handler.report_failure(&claimed.job, error, still_trying);
        let result =
            AssertUnwindSafe(report).catch_unwind().await.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
        result.map_err(|error| {
            let message = error.message();
            tracing::error!(key = claimed.row.key, error = message, "the failure of a job could not be reported");
            message
        })
    }
}

/// A panic is our fault, whatever the input: tried again, and shown as an error if it stays.
fn panicked(panic: &(dyn std::any::Any + Send)) -> JobError {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    JobError::new(Class::RETRY, format!("internal error: {}", text.unwrap_or("a panic without a message")))
}
