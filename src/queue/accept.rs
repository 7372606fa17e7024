//! The one writer of events. It commits together what has arrived together: a commit waits for the disk, and one wait serves them all.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::row::{self, Rows};
use super::running::Runs;
use super::{Cause, QueueConfig, QueueError, Request};
use crate::store::deliveries::{self, NewDelivery};
use crate::store::jobs::{self, State};
use crate::store::{Connection, Store};

/// The most that one commit takes in, so that none of them waits for long.
const BATCH: usize = 256;

/// Whether a delivery led to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    New,
    /// It came before, and nothing of its repo's work is failing.
    Duplicate,
}

/// What is to be written in one go, and who waits for it.
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
    /// Writes what comes until `soft`, then what is left. Later callers commit for themselves.
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
        let now = self.store.now();
        let mut pending = usize::try_from(jobs::count(&mut tx, State::Pending).await?).unwrap_or(usize::MAX);
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items {
            outcomes.push(self.apply(&mut tx, item, now, &mut pending).await?);
        }
        tx.commit().await?;
        if items.iter().any(is_promised) {
            self.store.sync().await?;
        }
        Ok(outcomes)
    }

    /// The outer error undoes the whole batch, the inner one is this item's alone.
    async fn apply(
        &self,
        conn: &mut Connection,
        item: &Item,
        now: i64,
        pending: &mut usize,
    ) -> Result<Result<Accepted, QueueError>, QueueError> {
        if let Some(delivery) = &item.delivery {
            // What the jobs themselves ask for is bounded by the configuration, and refusing it would stop them from ending.
            if *pending >= self.config.max_pending {
                return Ok(Err(QueueError::Overloaded { pending: *pending }));
            }
            let copies = deliveries::record(conn, delivery, now).await?;
            if copies > 1 && !is_failing(conn, &item.requests).await? {
                return Ok(Ok(Accepted::Duplicate));
            }
        }
        for request in &item.requests {
            if self.apply_request(conn, request, now).await? {
                *pending += 1;
            }
        }
        Ok(Ok(Accepted::New))
    }

    /// Whether the key had no pending row before.
    async fn apply_request(&self, conn: &mut Connection, request: &Request, now: i64) -> Result<bool, QueueError> {
        let rows = Rows::new(jobs::of_key(conn, &request.key.to_string()).await?);
        let row = row::after_event(&rows, request, now, &self.config)?;
        jobs::put(conn, &row).await?;
        Ok(rows.pending.is_none())
    }
}

/// A forge or a person is told that it is safe. What jobs ask for comes again with them, should the power fail.
fn is_promised(item: &Item) -> bool {
    item.delivery.is_some() || item.requests.iter().any(|request| matches!(request.cause, Cause::Manual(_)))
}

/// A delivery whose work fails is sent again by people who want it done.
async fn is_failing(conn: &mut Connection, requests: &[Request]) -> Result<bool, QueueError> {
    for request in requests {
        if jobs::is_failing(conn, request.key.tenant()).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
