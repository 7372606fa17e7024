//! The queue: which keys to work on, when, and how many at once. A job names its subject, never the action.
//!
//! An event creates or delays the pending row of its key. When the row is due and no run of the key is in progress, a
//! worker takes it. So a key has at most one pending and one running row, and the next run answers all events that came
//! before it.

mod accept;
mod choose;
mod error;
mod finish;
mod job;
mod key;
mod last_report;
mod lease;
mod row;
mod run;
mod running;
#[cfg(test)]
mod tests;
mod timing;
mod trigger;
mod worker;

use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, mpsc, oneshot};

use crate::lifecycle::Tasks;
use crate::store::deliveries::NewDelivery;
use crate::store::jobs::{self, State};
use crate::store::{Store, StoreError};
use accept::{Committer, Item};
use choose::Served;
use running::Runs;

pub use accept::Accepted;
pub use error::{JobError, QueueError};
pub use finish::Finish;
pub use job::{Handler, Job};
pub use key::{Key, KeyError, Kind, Priority, Tenant};
pub use row::known_causes as stored_causes;
pub use running::{RunningJob, Superseded, Writing};
pub use timing::{QueueConfig, backoff};
pub use trigger::{Manual, Request, Trigger};
pub use worker::Worker;

/// Callers that wait for the same commit; beyond that the answer is "overloaded".
const WAITING: usize = 4_096;

/// A handle to the queue; clones share it.
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

struct Inner {
    committer: Committer,
    items: mpsc::Sender<Item>,
    /// Marks the leases of this process.
    owner: String,
    served: Mutex<Served>,
}

impl Queue {
    /// Starts the queue's writer, and frees what the last process left running: the store is ours alone.
    pub async fn start(store: Store, config: QueueConfig, tasks: &Tasks) -> Result<Self, QueueError> {
        let owner = format!("{}@{}", std::process::id(), store.now());
        let committer =
            Committer { store, config: Arc::new(config), runs: Runs::default(), wake: Arc::new(Notify::new()) };
        let (items, receiver) = mpsc::channel(WAITING);
        let queue = Self(Arc::new(Inner { committer: committer.clone(), items, owner, served: Mutex::default() }));
        queue.reclaim(true).await?;
        tasks.spawn("queue", committer.serve(receiver, tasks.soft().clone()));
        Ok(queue)
    }

    pub fn store(&self) -> &Store {
        &self.0.committer.store
    }

    pub fn config(&self) -> &QueueConfig {
        &self.0.committer.config
    }

    /// Jobs that run in this process.
    pub fn running(&self) -> usize {
        self.0.committer.runs.len()
    }

    /// Writes the delivery and its requests down in one transaction; on disk when this returns.
    ///
    /// A delivery that came before is a duplicate, unless work of its repo is failing: then it is done again.
    pub async fn accept(&self, delivery: NewDelivery, requests: Vec<Request>) -> Result<Accepted, QueueError> {
        self.submit(Some(delivery), requests).await
    }

    /// Asks for work that no delivery told of. It survives the process when this returns, and a loss of power too where
    /// a person asks; it is never refused for load.
    pub async fn enqueue(&self, requests: &[Request]) -> Result<(), QueueError> {
        if requests.is_empty() {
            return Ok(());
        }
        self.submit(None, requests.to_vec()).await.map(|_| ())
    }

    async fn submit(&self, delivery: Option<NewDelivery>, requests: Vec<Request>) -> Result<Accepted, QueueError> {
        let bounded = delivery.is_some();
        let (reply, answer) = oneshot::channel();
        let item = Item { delivery, requests, reply };
        let refused = if bounded {
            match self.0.items.try_send(item) {
                Ok(()) => None,
                Err(mpsc::error::TrySendError::Full(_)) => return Err(QueueError::Overloaded { pending: WAITING }),
                Err(mpsc::error::TrySendError::Closed(item)) => Some(item),
            }
        } else {
            self.0.items.send(item).await.err().map(|error| error.0)
        };
        if let Some(item) = refused {
            // The server is stopping; runs that end now still leave word.
            self.0.committer.commit(vec![item]).await;
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::stopped().into()))
    }

    /// Whether a job failed for good, and waits for the next resync.
    pub async fn has_failed(&self, key: &Key) -> Result<bool, QueueError> {
        Ok(self.store().job(&key.to_string(), State::Failed).await?.is_some())
    }

    /// Has the jobs of a tenant done once more that failed, or that are done and asked for it, as each resync does.
    /// What was set aside because it ended the process stays so, and what the schedule asks for anyway: a poll that
    /// fails must not begin itself once more. Says how many those are.
    pub async fn look_again(&self, tenant: &Tenant) -> Result<usize, QueueError> {
        let mut conn = self.store().read().acquire().await.map_err(QueueError::from)?;
        let rows = jobs::to_look_at_again(&mut conn, tenant.as_str(), self.config().most_kills).await?;
        drop(conn);
        let again: Vec<_> = rows
            .iter()
            .filter_map(|row| {
                let key: Key = row.key.parse().ok()?;
                (!key.kind().is_periodic).then_some(Request { key, cause: Trigger::Resync, hint: None })
            })
            .collect();
        self.enqueue(&again).await?;
        Ok(again.len())
    }
}
