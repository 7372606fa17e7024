//! Leases: the rows store which process runs a job, and until when.

use std::sync::{Arc, PoisonError};

use tokio_util::sync::CancellationToken;

use super::choose::choose;
use super::row::{self, Requeue, Rows};
use super::running::Run;
use super::timing::{backoff, millis};
use super::{Finish, Job, Key, Queue, QueueError};
use crate::store::Connection;
use crate::store::jobs::{self, JobRow, State};

/// A job that this process runs now.
pub(super) struct Claimed {
    pub job: Job,
    pub row: JobRow,
    pub run: Arc<Run>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    Done(Finish),
    Requeue(Requeue),
    Failed {
        error: String,
        /// What people were told of it, now or before.
        reported: String,
    },
}

impl Queue {
    /// Takes the job that is next, if one is due. Its run can be cancelled by events from before the claim is visible
    /// to them.
    pub(super) async fn claim(&self, parent: &CancellationToken) -> Result<Option<Claimed>, QueueError> {
        loop {
            let mut tx = self.store().begin().await?;
            let Some(pending) = self.next(&mut tx).await? else { return Ok(None) };
            let running = row::claimed(&pending, &self.0.owner, self.store().now(), &self.0.committer.config);
            let job = match Job::from_row(&running) {
                Ok(job) => job,
                Err(error) => {
                    tracing::error!(key = pending.key, %error, "a job that cannot be read is set aside");
                    jobs::delete(&mut tx, &pending.key, State::Pending).await?;
                    jobs::put(&mut tx, &row::failed(&pending, &error.to_string(), None, self.store().now())).await?;
                    tx.commit().await?;
                    continue;
                }
            };
            jobs::start(&mut tx, &running).await?;
            let run = self.0.committer.runs.begin(&job.key, job.hint.clone(), parent.child_token());
            if let Err(error) = tx.commit().await {
                self.0.committer.runs.end(&job.key, &run);
                return Err(error.into());
            }
            return Ok(Some(Claimed { job, row: running, run }));
        }
    }

    async fn next(&self, conn: &mut Connection) -> Result<Option<JobRow>, QueueError> {
        let now = self.store().now();
        let suspicious = self.config().most_kills - 1;
        let groups = jobs::due_groups(conn, now, suspicious).await?;
        if groups.is_empty() {
            return Ok(None);
        }
        let running = jobs::running_counts(conn).await?;
        let chosen = {
            let mut served = self.0.served.lock().unwrap_or_else(PoisonError::into_inner);
            let chosen = choose(&groups, &running, &served.last, self.0.committer.config.workers, now).cloned();
            if let Some(group) = &chosen {
                served.claims += 1;
                let claims = served.claims;
                served.last.insert(group.tenant.clone(), claims);
            }
            chosen
        };
        match chosen {
            Some(group) => Ok(jobs::first_due(conn, &group, now, suspicious).await?),
            None => Ok(None),
        }
    }

    /// Writes down how a run ended. Nothing is written if the lease was lost meanwhile. If the store fails the row
    /// stays running, and is found again by [`Queue::reclaim`].
    pub(super) async fn finish(&self, claimed: &Claimed, ended: &Ended) -> Result<(), QueueError> {
        let result = self.write_end(&claimed.row, ended).await;
        self.0.committer.runs.end(&claimed.job.key, &claimed.run);
        self.0.committer.wake.notify_one();
        result
    }

    async fn write_end(&self, claimed: &JobRow, ended: &Ended) -> Result<(), QueueError> {
        let mut tx = self.store().begin().await?;
        let Some(running) = jobs::take_running(&mut tx, claimed).await? else {
            tracing::warn!(key = claimed.key, "the lease was lost before the run ended");
            return Ok(());
        };
        let now = self.store().now();
        match ended {
            Ended::Done(finish) => {
                jobs::delete(&mut tx, &claimed.key, State::Failed).await?;
                jobs::put(&mut tx, &row::done(&running, *finish, now)).await?;
            }
            Ended::Failed { error, reported } => {
                let mut failed = row::failed(&running, error, Some(reported), now);
                if failed.kills < self.config().most_kills {
                    // It came to its end, and the process with it.
                    failed.kills = 0;
                }
                // What fails at each look has failed since the first of them.
                let before =
                    jobs::of_key(&mut tx, &claimed.key).await?.into_iter().find(|row| row.state == State::Failed);
                failed.failing_since = before.and_then(|before| before.failing_since).or(failed.failing_since);
                jobs::put(&mut tx, &failed).await?;
            }
            Ended::Requeue(again) => {
                let rows = Rows::new(jobs::of_key(&mut tx, &claimed.key).await?);
                jobs::put(&mut tx, &row::back_to_pending(&running, rows.pending.as_ref(), again, now)).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Frees what runs by the rows and not in truth: what a dead process left, what another one let expire, what this
    /// one could not write down. The attempt counts, and at a start (`all`) that its process ended while it was
    /// running. Says how many jobs that were.
    pub(super) async fn reclaim(&self, all: bool) -> Result<usize, QueueError> {
        let mut tx = self.store().begin().await?;
        let now = self.store().now();
        let mut freed = 0;
        for running in jobs::in_state(&mut tx, State::Running).await? {
            if !all && !self.is_lost(&running, now) {
                continue;
            }
            let rows = Rows::new(jobs::of_key(&mut tx, &running.key).await?);
            // The first time it was the process's fault; a job that ends the process again and again has to wait.
            let earlier = u32::try_from(running.attempt - 1).unwrap_or(0);
            let pause = if earlier == 0 { 0 } else { millis(backoff(earlier, 0.5)) };
            let row = row::back_to_pending(&running, rows.pending.as_ref(), &Requeue::Lost { pause, killed: all }, now);
            jobs::delete(&mut tx, &running.key, State::Running).await?;
            jobs::put(&mut tx, &row).await?;
            freed += 1;
        }
        tx.commit().await?;
        if freed > 0 {
            tracing::info!(freed, "jobs were interrupted when the server ended; they run again");
            self.0.committer.wake.notify_one();
        }
        Ok(freed)
    }

    /// Runs of this process are registered before their claim is committed, so a row of ours without a run is an
    /// orphan.
    fn is_lost(&self, running: &JobRow, now: i64) -> bool {
        if running.lease_owner.as_deref() == Some(&self.0.owner) {
            return running.key.parse::<Key>().is_ok_and(|key| !self.0.committer.runs.contains(&key));
        }
        running.lease_until.is_none_or(|until| until < now)
    }

    /// Extends the leases of this process, and cancels runs whose lease is gone.
    pub(super) async fn renew(&self) -> Result<(), QueueError> {
        let before = self.0.committer.runs.keys();
        let until = self.store().now() + millis(self.0.committer.config.lease);
        let held = self.store().renew_leases(&self.0.owner, until).await?;
        for key in before {
            // A run that ended while the statement ran is not there any more, and cancelling it does nothing.
            if !held.contains(&key.to_string()) {
                self.0.committer.runs.cancel(&key);
            }
        }
        Ok(())
    }

    /// When the next job becomes due that is free to run, in milliseconds since 1970.
    pub(super) async fn next_due(&self) -> Result<Option<i64>, QueueError> {
        let mut conn = self.store().read().acquire().await?;
        Ok(jobs::next_due(&mut conn).await?)
    }
}
