//! Jobs, and the handler that runs them.

use async_trait::async_trait;
use jiff::Timestamp;

use super::row::known_causes;
use super::{Finish, JobError, Key, RunningJob, Trigger};
use crate::store::StoreError;
use crate::store::jobs::JobRow;

/// A job as its handler sees it: the key and the reasons. The action follows from the state that the handler finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub key: Key,
    /// Oldest first; at most twenty.
    pub causes: Vec<Trigger>,
    /// The commit of the last event: only a hint, because events arrive late and out of order. The ref decides.
    pub hint: Option<String>,
    /// 1 for the first; a run that was cancelled does not count.
    pub attempt: u32,
    /// Since when each attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// When the first of the events came that this run answers.
    pub first_event: Timestamp,
}

/// Does the work of every kind of job.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Looks at `job.key` and does what is to be done. Dropped a second after `running.cancel` if it has not returned
    /// by then.
    async fn run(&self, job: &Job, running: RunningJob) -> Result<Finish, JobError>;

    /// Tells people that the job failed: for good, or (`still_trying`) for longer than is bearable. Not called again
    /// for the same text. If it fails itself the job stays pending. Not called for an error that people were shown
    /// already ([`JobError::shown`]).
    async fn report_failure(&self, job: &Job, error: &JobError, still_trying: bool) -> Result<(), JobError>;
}

impl Job {
    pub(super) fn from_row(row: &JobRow) -> Result<Self, StoreError> {
        let what = || format!("the job {}", row.key);
        Ok(Self {
            key: row.key.parse().map_err(|error| StoreError::corrupt(what(), error))?,
            causes: known_causes(row),
            hint: row.hint.clone(),
            attempt: u32::try_from(row.attempt).unwrap_or(u32::MAX),
            failing_since: row.failing_since.map(|millis| timestamp(&what(), millis)).transpose()?,
            first_event: timestamp(&what(), row.first_event)?,
        })
    }
}

fn timestamp(what: &str, millis: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(millis).map_err(|error| StoreError::corrupt(what, error))
}
