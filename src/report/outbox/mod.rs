//! What the forge should show, stored, and a sender that makes it so.
//!
//! There is one row per target, and the latest text wins. Whoever has something to say puts it here and goes on; the sender paces, retries,
//! edits in place, and finds out what became of a request whose answer was lost. It goes on where it was after a restart.

mod comment;
mod pace;
mod sender;
mod target;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::class::{Class, Classified};
use crate::forge::{Forge, NewStatus};
use crate::ids::{Oid, RepoName};
use crate::lifecycle::Tasks;
use crate::store::reports::{GateRow, WantedReport};
use crate::store::{Store, StoreError};

pub use comment::marker;
pub use target::{Target, TargetError};

/// Where a repo's reports go.
#[derive(Clone)]
pub struct Destination {
    pub forge: Arc<dyn Forge>,
    /// The forge's name of the project.
    pub project: String,
}

#[derive(Debug, Clone)]
pub struct OutboxOptions {
    /// Tells our comments from those of another instance.
    pub instance: String,
    /// Between two requests that write (GitHub: best practices, one second).
    pub between_writes: Duration,
    /// New or edited comments in a minute and in an hour (GitHub: secondary rate limits, 80 and 500).
    pub comments_per_minute: usize,
    pub comments_per_hour: usize,
    pub first_retry: Duration,
    pub last_retry: Duration,
    /// After a lost answer, how much later the list is looked at once more, as forges read from copies that lag behind.
    pub look_again: Duration,
    /// How long a report that is sent is remembered.
    pub keep: Duration,
}

impl OutboxOptions {
    pub fn new(instance: impl Into<String>) -> Self {
        Self {
            instance: instance.into(),
            between_writes: Duration::from_secs(1),
            comments_per_minute: 80,
            comments_per_hour: 500,
            first_retry: Duration::from_secs(1),
            last_retry: Duration::from_mins(5),
            look_again: Duration::from_secs(30),
            keep: Duration::from_hours(90 * 24),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    #[error("nothing can be reported for {0}: no forge is configured for it")]
    NoDestination(RepoName),
    #[error("the report could not be written down: {0}")]
    Encode(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for OutboxError {
    fn class(&self) -> Class {
        match self {
            Self::NoDestination(_) | Self::Encode(_) => Class::Fail,
            Self::Store(error) => error.class(),
        }
    }
}

/// A handle to the outbox; clones share it.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    store: Store,
    destinations: HashMap<RepoName, Destination>,
    options: OutboxOptions,
    /// One for each forge and identity, by its name.
    lanes: HashMap<String, Arc<Notify>>,
}

impl Outbox {
    pub fn new(store: Store, destinations: HashMap<RepoName, Destination>, options: OutboxOptions) -> Self {
        let lanes = destinations.values().map(|to| (to.forge.name().to_owned(), Arc::new(Notify::new()))).collect();
        Self(Arc::new(Inner { store, destinations, options, lanes }))
    }

    /// Starts one sender for each forge, which ends with the soft stop: what is left is sent after the next start.
    pub fn run_sender(&self, tasks: &Tasks) {
        for (lane, wake) in &self.0.lanes {
            let sender = sender::Sender::new(self.clone(), lane.clone(), wake.clone());
            tasks.spawn("report sender", sender.run(tasks.soft().clone()));
        }
    }

    /// A commit status, on its own. For a pull request's gate see [`Outbox::put_gate`].
    pub async fn put_status(&self, repo: &RepoName, status: &NewStatus) -> Result<(), OutboxError> {
        let target = Target::Status { repo: repo.clone(), sha: status.sha.clone(), context: status.context.clone() };
        self.put(&target, &serde_json::to_string(status)?).await
    }

    /// What pull request `number` says of its head. The commit shows the worst of all pull requests that have it as head.
    pub async fn put_gate(&self, repo: &RepoName, number: u64, status: &NewStatus) -> Result<(), OutboxError> {
        let json = serde_json::to_string(status)?;
        let number_column = i64::try_from(number).unwrap_or(i64::MAX);
        let before = self.0.store.gate_sha(repo.as_str(), number_column, &status.context).await?;
        if before.is_some_and(|sha| sha != status.sha.as_str()) {
            // Who shares the head that it has left must not be held up by what it said there.
            self.drop_gate(repo, number, &status.context).await?;
        }
        let row = GateRow { repo: repo.as_str(), number: number_column, context: &status.context, sha: status.sha.as_str(), status: &json };
        let shared = self.0.store.put_gate(row).await?;
        self.put_worst(repo, &shared).await
    }

    /// The pull request is closed or merged: what it said of its head no longer counts.
    pub async fn drop_gate(&self, repo: &RepoName, number: u64, context: &str) -> Result<(), OutboxError> {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let shared = self.0.store.drop_gate(repo.as_str(), number, context).await?;
        self.put_worst(repo, &shared).await
    }

    /// The comment set of a pull request, one text per part, each without a marker.
    pub async fn put_comment(&self, repo: &RepoName, number: u64, parts: &[String]) -> Result<(), OutboxError> {
        self.put(&Target::Comment { repo: repo.clone(), number }, &serde_json::to_string(parts)?).await
    }

    /// Whether the forge shows what was last put there. A target that was never put is not sent.
    pub async fn sent(&self, target: &Target) -> Result<bool, OutboxError> {
        let row = self.0.store.report(&target.to_string()).await?;
        Ok(row.is_some_and(|row| row.version == row.sent_version && row.doubt != 1))
    }

    /// The status that was last put, sent or not.
    pub async fn wanted_status(&self, repo: &RepoName, sha: &Oid, context: &str) -> Result<Option<NewStatus>, OutboxError> {
        let target = Target::Status { repo: repo.clone(), sha: sha.clone(), context: context.to_owned() };
        let row = self.0.store.report(&target.to_string()).await?;
        Ok(row.map(|row| serde_json::from_str(&row.wanted)).transpose()?)
    }

    async fn put_worst(&self, repo: &RepoName, statuses: &[String]) -> Result<(), OutboxError> {
        let mut worst: Option<NewStatus> = None;
        for json in statuses {
            let status: NewStatus = serde_json::from_str(json)?;
            if worst.as_ref().is_none_or(|worst| worst.state < status.state) {
                worst = Some(status);
            }
        }
        match worst {
            Some(status) => self.put_status(repo, &status).await,
            None => Ok(()),
        }
    }

    async fn put(&self, target: &Target, wanted: &str) -> Result<(), OutboxError> {
        let repo = target.repo();
        let to = self.0.destinations.get(repo).ok_or_else(|| OutboxError::NoDestination(repo.clone()))?;
        let lane = to.forge.name();
        let report = WantedReport { target: &target.to_string(), lane, rank: target.rank(), repo: repo.as_str(), wanted };
        if self.0.store.put_report(report).await?
            && let Some(wake) = self.0.lanes.get(lane)
        {
            wake.notify_one();
        }
        Ok(())
    }
}
