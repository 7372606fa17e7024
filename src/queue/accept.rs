//! The only writer of events. Events that arrive together are committed together, so that they share one wait for the
//! disk.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::row::{self, Rows};
use super::running::Runs;
use super::{QueueConfig, QueueError, Request, Trigger};
use crate::store::deliveries::{self, Name, NewDelivery};
use crate::store::jobs::{self, State};
use crate::store::{Connection, Store};

/// The maximum number of items per commit, so that no commit takes long.
const BATCH: usize = 256;

/// Whether a delivery led to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    New,
    /// It was received before, and no job of its repo is failing.
    Duplicate,
}

/// The items of one commit, and their callers.
pub(super) struct Item {
    pub delivery: Option<NewDelivery>,
    pub requests: Vec<Request>,
    pub reply: oneshot::Sender<Result<Accepted, QueueError>>,
}

#[derive(Clone)]
pub(super) struct Committer {
    pub store: Store,
    pub config: Arc<QueueConfig>,
    pub runs: Runs,
    pub wake: Arc<Notify>,
}

impl Committer {
    /// Writes incoming items until `soft`, then the rest. Later callers commit for themselves.
    pub(super) async fn serve(self, mut items: mpsc::Receiver<Item>, soft: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                count = items.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.commit(std::mem::take(&mut batch)).await;
                }
                () = soft.cancelled(), if !items.is_closed() => items.close(),
            }
        }
    }

    /// Writes all items in one transaction, then tells those that wait for them.
    pub(super) async fn commit(&self, items: Vec<Item>) {
        match self.write(&items).await {
            Ok(outcomes) => {
                self.notify(&items, &outcomes);
                for (item, outcome) in items.into_iter().zip(outcomes) {
                    let _ = item.reply.send(outcome);
                }
            }
            Err(error) => {
                for item in items {
                    let _ = item.reply.send(Err(error.clone()));
                }
            }
        }
    }

    fn notify(&self, items: &[Item], outcomes: &[Result<Accepted, QueueError>]) {
        for (item, outcome) in items.iter().zip(outcomes) {
            if !matches!(outcome, Ok(Accepted::New)) {
                continue;
            }
            for request in &item.requests {
                if let Some(sha) = &request.hint {
                    self.runs.supersede(&request.key, sha);
                }
            }
        }
        self.wake.notify_one();
    }

    async fn write(&self, items: &[Item]) -> Result<Vec<Result<Accepted, QueueError>>, QueueError> {
        let mut tx = self.store.begin().await?;
        let mut batch = Batch::read(&mut tx, items, self.store.now(), &self.config).await?;
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items {
            outcomes.push(batch.take(&mut tx, item).await?);
        }
        batch.write(&mut tx).await?;
        tx.commit().await?;
        if items.iter().any(is_promised) {
            self.store.sync().await?;
        }
        Ok(outcomes)
    }
}

/// The rows of a commit: read together, changed here item by item, written together. A statement costs more than its
/// work.
struct Batch<'a> {
    config: &'a QueueConfig,
    now: i64,
    pending: usize,
    /// How often each delivery was received.
    copies: HashMap<Name, i64>,
    came: HashMap<Name, &'a NewDelivery>,
    rows: HashMap<String, Rows>,
    changed: BTreeSet<String>,
}

impl<'a> Batch<'a> {
    async fn read(
        conn: &mut Connection,
        items: &[Item],
        now: i64,
        config: &'a QueueConfig,
    ) -> Result<Self, QueueError> {
        let pending = usize::try_from(jobs::count(conn, State::Pending).await?).unwrap_or(usize::MAX);
        let names: Vec<Name> = items.iter().filter_map(|item| item.delivery.as_ref()).map(NewDelivery::name).collect();
        let keys: BTreeSet<String> =
            items.iter().flat_map(|item| &item.requests).map(|request| request.key.to_string()).collect();
        let keys: Vec<String> = keys.into_iter().collect();
        let mut by_key: HashMap<String, Vec<_>> = HashMap::new();
        for row in jobs::of_keys(conn, &keys).await? {
            by_key.entry(row.key.clone()).or_default().push(row);
        }
        let rows = keys.into_iter().map(|key| {
            let rows = Rows::new(by_key.remove(&key).unwrap_or_default());
            (key, rows)
        });
        let (rows, copies) = (rows.collect(), deliveries::copies(conn, &names).await?);
        Ok(Self { config, now, pending, copies, came: HashMap::new(), rows, changed: BTreeSet::new() })
    }

    /// The outer error rolls the whole batch back; the inner one concerns only this item.
    async fn take(
        &mut self,
        conn: &mut Connection,
        item: &'a Item,
    ) -> Result<Result<Accepted, QueueError>, QueueError> {
        if let Some(delivery) = &item.delivery {
            // What the jobs themselves ask for is bounded by the configuration, and refusing it would stop them from
            // ending.
            if self.pending >= self.config.max_pending {
                return Ok(Err(QueueError::Overloaded { pending: self.pending }));
            }
            let name = delivery.name();
            let copies = self.copies.entry(name.clone()).or_default();
            *copies += 1;
            let again = *copies > 1;
            self.came.entry(name).or_insert(delivery);
            if again && !is_failing(conn, &item.requests).await? {
                return Ok(Ok(Accepted::Duplicate));
            }
        }
        for request in &item.requests {
            self.take_request(request);
        }
        Ok(Ok(Accepted::New))
    }

    fn take_request(&mut self, request: &Request) {
        let key = request.key.to_string();
        let rows = self.rows.entry(key.clone()).or_default();
        if row::is_set_aside(rows, request, self.now, self.config) {
            tracing::debug!(key, "a job that was set aside is not retried automatically");
            return;
        }
        let row = row::after_event(rows, request, self.now, self.config);
        if rows.pending.replace(row).is_none() {
            self.pending += 1;
        }
        self.changed.insert(key);
    }

    async fn write(self, conn: &mut Connection) -> Result<(), QueueError> {
        let came: Vec<_> =
            self.came.iter().map(|(name, new)| (*new, self.copies.get(name).copied().unwrap_or(1))).collect();
        deliveries::record(conn, &came, self.now).await?;
        let rows: Vec<_> = self.changed.iter().filter_map(|key| self.rows.get(key)?.pending.clone()).collect();
        Ok(jobs::put_all(conn, &rows).await?)
    }
}

/// A forge or a person is told that it is safe. What jobs ask for comes again with them, should the power fail.
fn is_promised(item: &Item) -> bool {
    item.delivery.is_some() || item.requests.iter().any(|request| matches!(request.cause, Trigger::Manual(_)))
}

/// People redeliver a delivery to retry its failed work.
async fn is_failing(conn: &mut Connection, requests: &[Request]) -> Result<bool, QueueError> {
    for request in requests {
        if jobs::is_failing(conn, request.key.tenant().as_str()).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
