//! Passes the end of a wait to the job of its app, so that nothing else acts on it at the same time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::jobs::Context;
use crate::queue::{Key, Queue, QueueError, Request, Trigger};
use crate::store::waits::WaitEnded;

/// The pause before an end is written down once more, and the longest one: it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Writes down how each wait ended and queues its app. The job acts on the row, so that nothing is lost with this
/// process; what could not even be written down is told again by the next start, or by the next look at a cluster.
pub async fn listen_to_waits(context: Arc<Context>, mut ended: mpsc::Receiver<WaitEnded>, stop: CancellationToken) {
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = ended.recv() => next,
        };
        let Some(over) = next else { return };
        tokio::select! {
            () = stop.cancelled() => return,
            () = take_up(&context.queue, &over) => {}
        }
    }
}

/// As often as it takes: a store that is busy or full now is not so for ever.
async fn take_up(queue: &Queue, over: &WaitEnded) {
    let mut pause = FIRST_PAUSE;
    while let Err(error) = note(queue, over).await {
        tracing::warn!(app = %over.wait.app, %error, "the end of a wait could not be queued; retrying");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn note(queue: &Queue, over: &WaitEnded) -> Result<(), QueueError> {
    let app = &over.wait.app;
    if !queue.store().note_wait_end(over).await? {
        tracing::debug!(%app, run = over.wait.run.as_str(), "a wait was superseded by a newer one");
        return Ok(());
    }
    let key = Key::Sync(app.clone());
    queue.enqueue(&[Request::new(key.clone(), Trigger::Follow { key })]).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::ids::{AppId, ClusterName, RepoName};
    use crate::lifecycle::Tasks;
    use crate::queue::QueueConfig;
    use crate::store::Store;
    use crate::store::jobs::State;
    use crate::store::runs::RunId;
    use crate::store::waits::{Wait, WaitOutcome, WaitPurpose};

    fn ended(deadline: i64) -> WaitEnded {
        let wait = Wait {
            app: AppId::new(&RepoName::new("shop"), "web"),
            purpose: WaitPurpose::Health,
            run: RunId::new("1"),
            cluster: ClusterName::new("prod"),
            objects: Vec::new(),
            deadline,
        };
        WaitEnded { wait, outcome: WaitOutcome::Done }
    }

    /// A10, C2: however long the store is busy, the end of a wait becomes a row and a job.
    #[tokio::test]
    async fn the_end_of_a_wait_outlives_a_busy_store() {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at_millis(1_000));
        let store = Store::open(&dir.path().join("driftless.db"), clock).await.expect("opens");
        let queue = Queue::start(store.clone(), QueueConfig::default(), &Tasks::new()).await.expect("starts");
        let over = ended(100);
        store.put_wait(&over.wait).await.expect("stored");
        let hold = store.begin().await.expect("begins");
        tokio::time::pause();
        let busy = tokio::time::timeout(Duration::from_mins(3), take_up(&queue, &over)).await;
        assert!(busy.is_err(), "nobody can write");
        let patient = tokio::spawn({
            let (queue, over) = (queue.clone(), over.clone());
            async move { take_up(&queue, &over).await }
        });
        // Its first try has failed by now, and the next one waits for the store.
        tokio::time::sleep(Duration::from_secs(45)).await;
        tokio::time::resume();
        drop(hold);
        patient.await.expect("written down at last");
        assert_eq!(store.ended_waits(&over.wait.app).await.expect("read"), std::slice::from_ref(&over));
        assert!(store.job("sync:shop/web", State::Pending).await.expect("read").is_some());
    }

    /// A2: the end of a wait whose place a newer one has taken asks for nothing.
    #[tokio::test]
    async fn the_end_of_an_older_wait_asks_for_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at_millis(1_000));
        let store = Store::open(&dir.path().join("driftless.db"), clock).await.expect("opens");
        let queue = Queue::start(store.clone(), QueueConfig::default(), &Tasks::new()).await.expect("starts");
        let older = ended(100);
        store.put_wait(&older.wait).await.expect("stored");
        let newer = Wait { run: RunId::new("2"), ..ended(200).wait };
        store.put_wait(&newer).await.expect("stored");
        take_up(&queue, &older).await;
        assert_eq!(store.ended_waits(&older.wait.app).await.expect("read"), []);
        assert_eq!(store.job("sync:shop/web", State::Pending).await.expect("read"), None);
        assert_eq!(store.waits().await.expect("read"), [newer]);
    }
}
