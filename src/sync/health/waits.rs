//! Waits for health: one watch per kind and cluster, shared by all waits, and rows with deadlines that survive the
//! process. No worker is held: the end of a wait is a message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::board::{Board, Kind, Over};
use super::judge::{Standing, is_job};
use super::watched::{read, stream};
use crate::cluster::{Cluster, ClusterError, WatchEvent};
use crate::ids::{AppId, ClusterName};
use crate::lifecycle::Tasks;
use crate::redact::Shown;
use crate::store::waits::{Wait, WaitEnded, WaitOutcome, WaitPurpose};
use crate::store::{Store, StoreError};
use crate::sync::secrets::{Secrets, SeenSecrets};

/// How long an app has to become healthy unless configured otherwise.
pub const HEALTHY_WITHIN: Duration = Duration::from_mins(10);
/// A watch that nobody needs ends at the next of these looks.
const IDLE_LOOK: Duration = Duration::from_secs(30);
/// What an earlier process has waited for is looked at for so long at least, however late it is: before, nothing is
/// known of it.
const SEEN_WITHIN: i64 = 15_000;
/// Between two looks at objects that may be read and not watched.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// Apps whose Secrets are read at once, for what is said of them.
const TOLD_AT_ONCE: usize = 64;
/// After a kind could not be resolved, or a watch ended.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// All waits of the process. Clones share them.
#[derive(Clone)]
pub struct Waits(Arc<Inner>);

struct Inner {
    store: Store,
    tasks: Tasks,
    clusters: HashMap<ClusterName, Cluster>,
    board: Mutex<Board>,
    /// What was said last of what is waited for, as the board has it and as it is shown.
    told: Mutex<HashMap<AppId, (String, Shown)>>,
    deadlines: Notify,
    ended: mpsc::Sender<WaitEnded>,
    /// The board's time goes on from here, whatever is done to the clock.
    began: (Instant, i64),
}

impl Waits {
    /// Begins to look after waits; those that an earlier process has left are taken up by [`Waits::resume`]. Ends are
    /// sent to `ended`.
    pub fn start(
        store: Store,
        tasks: Tasks,
        clusters: HashMap<ClusterName, Cluster>,
        ended: mpsc::Sender<WaitEnded>,
    ) -> Self {
        let began = (Instant::now(), store.now());
        let inner = Inner {
            store,
            tasks,
            clusters,
            board: Mutex::default(),
            told: Mutex::default(),
            deadlines: Notify::new(),
            ended,
            began,
        };
        let waits = Self(Arc::new(inner));
        let (tasks, deadlines) = (waits.0.tasks.clone(), waits.clone());
        tasks.spawn("wait deadlines", async move { deadlines.watch_deadlines().await });
        waits
    }

    /// Takes up what an earlier process has waited for. Deadlines that passed meanwhile end once the objects have been
    /// seen, and ends that nobody has acted on are told again.
    pub async fn resume(&self) -> Result<usize, StoreError> {
        let moved = self.0.store.waits_follow_clock().await?;
        if moved > 0 {
            tracing::warn!(waits = moved, "the clock was set back; deadlines were corrected");
        }
        self.sweep().await
    }

    /// The time of the board: the clock as it was when this began, and what has passed since.
    fn now(&self) -> i64 {
        let (begun, millis) = self.0.began;
        millis.saturating_add(i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// Goes through the rows: whatever was lost between the store and here is taken up again. Says how many there are.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        let waits = self.0.store.waits_and_ends().await?;
        let count = waits.len();
        let first_look = self.now().saturating_add(SEEN_WITHIN);
        for (wait, outcome) in waits {
            match outcome {
                Some(outcome) => self.send(WaitEnded { wait, outcome }).await,
                None if self.board().has(&wait.app, wait.purpose) => {}
                None => {
                    let (app, purpose) = (wait.app.clone(), wait.purpose);
                    self.begin_with(wait, |board| board.ends_not_before(&app, purpose, first_look)).await;
                }
            }
        }
        Ok(count)
    }

    /// Stores a wait and begins it. It takes the place of an older one of the same app and purpose, which then ends
    /// without a word.
    pub async fn add(&self, wait: Wait) -> Result<(), StoreError> {
        self.0.store.put_wait(&wait).await?;
        self.begin(wait).await;
        Ok(())
    }

    /// What is waited for now, and why it is not over yet.
    pub async fn waiting(&self) -> Vec<(AppId, Shown)> {
        let waiting = self.board().waiting();
        self.told().retain(|app, _| waiting.iter().any(|(of, ..)| of == app));
        let texts = waiting.into_iter().map(|(app, cluster, text)| async move {
            // The Secrets are read again only for a text that is another one.
            let told = self.told().get(&app).filter(|told| told.0 == text).map(|told| told.1.clone());
            let shown = match told {
                Some(shown) => shown,
                None => self.secrets(&app, &cluster).await.show(&text),
            };
            self.told().insert(app.clone(), (text, shown.clone()));
            (app, shown)
        });
        futures::stream::iter(texts.collect::<Vec<_>>()).buffer_unordered(TOLD_AT_ONCE).collect().await
    }

    async fn secrets(&self, app: &AppId, cluster: &ClusterName) -> Secrets {
        Secrets::read(&self.0.store, (cluster, self.0.clusters.get(cluster)), app, SeenSecrets::default()).await
    }

    fn told(&self) -> MutexGuard<'_, HashMap<AppId, (String, Shown)>> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what an app waits for, without a word.
    pub async fn cancel(&self, app: &AppId) -> Result<(), StoreError> {
        self.0.store.drop_waits(app).await?;
        self.board().remove_app(app);
        Ok(())
    }

    async fn begin(&self, wait: Wait) {
        self.begin_with(wait, |_| {}).await;
    }

    async fn begin_with(&self, wait: Wait, change: impl FnOnce(&mut Board)) {
        let (app, purpose) = (wait.app.clone(), wait.purpose);
        let now = self.now();
        // The row's deadline is by the clock as it is now.
        let ends_at = now.saturating_add(wait.deadline.saturating_sub(self.0.store.now()));
        let unwatched = {
            let mut board = self.board();
            let unwatched = board.add_until(wait, now, ends_at);
            change(&mut board);
            unwatched
        };
        for kind in unwatched {
            self.watch(kind);
        }
        self.0.deadlines.notify_one();
        let over = self.board().look(&app, purpose);
        self.end(over).await;
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        // What it holds is sound between two calls, whatever became of the caller.
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn end(&self, over: impl IntoIterator<Item = Over>) {
        for Over { wait, standing } in over {
            match standing {
                Standing::Done(notes) if notes.is_empty() => self.tell(wait, WaitOutcome::Done).await,
                standing => {
                    // A cluster that does not answer holds up the end of no other wait.
                    let waits = self.clone();
                    self.0.tasks.spawn("the end of a wait", async move { waits.end_with_text(wait, standing).await });
                }
            }
        }
    }

    /// What a controller or the server says may repeat a value of the app's Secrets.
    async fn end_with_text(&self, wait: Wait, standing: Standing) {
        let secrets = self.secrets(&wait.app, &wait.cluster).await;
        let outcome = match standing {
            Standing::Done(notes) => {
                let notes: Vec<Shown> = notes.iter().map(|note| secrets.show(note)).collect();
                self.note_on_run(&wait, &notes).await;
                WaitOutcome::Done
            }
            Standing::Gone(text) => WaitOutcome::Gone(secrets.show(&text)),
            Standing::Failed(text) => WaitOutcome::Failed(secrets.show(&text)),
            Standing::Waiting(text) => WaitOutcome::TimedOut(secrets.show(&text)),
        };
        self.tell(wait, outcome).await;
    }

    /// What is not simply healthy stands in the history beside the end of the run.
    async fn note_on_run(&self, wait: &Wait, notes: &[Shown]) {
        let noted = async {
            let Some(run) = self.0.store.run(&wait.run).await? else { return Ok(()) };
            let said = run.error.unwrap_or_default();
            let new = notes.iter().filter(|note| !said.contains(note.as_str())).cloned().map(String::from);
            let text: Vec<String> = Some(said.clone()).filter(|said| !said.is_empty()).into_iter().chain(new).collect();
            self.0.store.set_run_state(&wait.run, run.state, Some(&text.join("; "))).await
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, app = %wait.app, "could not store which objects are suspended or of unknown health");
        }
    }

    /// The row stays until the receiver has acted on the end: whoever dies between the two hears of it again.
    async fn tell(&self, wait: Wait, outcome: WaitOutcome) {
        if wait.purpose == WaitPurpose::Health && outcome == WaitOutcome::Done {
            for job in wait.objects.iter().map(|object| &object.key).filter(|key| is_job(key)) {
                if let Err(error) = self.0.store.record_job_done(&wait.cluster, &job.id()).await {
                    tracing::warn!(%error, job = %job, "could not remember that a Job has completed");
                }
            }
        }
        self.send(WaitEnded { wait, outcome }).await;
    }

    async fn send(&self, ended: WaitEnded) {
        if self.0.ended.send(ended).await.is_err() {
            tracing::debug!("internal error: nothing receives the ends of waits");
        }
    }

    async fn watch_deadlines(&self) {
        loop {
            let next = self.board().next_deadline();
            let now = self.now();
            let pause = next.map(|next| Duration::from_millis(u64::try_from(next.saturating_sub(now)).unwrap_or(0)));
            let due = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {
                    let over = self.board().expired(self.now());
                    self.end(over).await;
                }
                () = self.0.deadlines.notified() => {}
                () = self.0.tasks.soft().cancelled() => return,
            }
        }
    }

    fn watch(&self, kind: Kind) {
        let waits = self.clone();
        self.0.tasks.spawn("health watch", async move {
            let soft = waits.0.tasks.soft().clone();
            tokio::select! {
                () = waits.follow(&kind) => {}
                () = soft.cancelled() => {}
            }
        });
    }

    /// Follows a kind until nobody waits for it.
    async fn follow(&self, kind: &Kind) {
        let Some(cluster) = self.0.clusters.get(&kind.cluster) else {
            tracing::error!(cluster = %kind.cluster, "a wait names a cluster that is no longer in the configuration");
            return;
        };
        loop {
            match stream(cluster, kind).await {
                Ok(Some(events)) => match self.listen(kind, events).await {
                    Listened::Idle => return,
                    Listened::Forbidden => self.poll(cluster, kind).await,
                    Listened::Ended => {}
                },
                Ok(None) => {
                    let over = self.board().not_served(kind);
                    self.end(over).await;
                }
                Err(error) => {
                    self.board().trouble(kind, &error.to_string());
                    tracing::warn!(error = error.outline(), kind = kind.name, "cannot watch a kind yet");
                }
            }
            if self.board().forget_if_idle(kind) {
                return;
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    async fn listen(&self, kind: &Kind, events: impl Stream<Item = Result<WatchEvent, ClusterError>>) -> Listened {
        let mut events = std::pin::pin!(events);
        let mut looks = tokio::time::interval(IDLE_LOOK);
        looks.tick().await;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        let over = self.note(kind, &event);
                        self.end(over).await;
                    }
                    Some(Err(error @ ClusterError::Forbidden { .. })) => {
                        self.board().trouble(kind, &error.to_string());
                        tracing::warn!(error = error.outline(), kind = kind.name, "watching a kind is forbidden; its objects are polled \
                                                                  instead");
                        return Listened::Forbidden;
                    }
                    Some(Err(error)) => {
                        self.board().trouble(kind, &error.to_string());
                        tracing::debug!(error = error.outline(), kind = kind.name, "a watch was interrupted and restarted");
                    }
                    None => return Listened::Ended,
                },
                _ = looks.tick() => {
                    if self.board().forget_if_idle(kind) {
                        return Listened::Idle;
                    }
                }
            }
        }
    }

    /// Who may read in some namespaces may not watch the whole cluster: then each object is asked about, until none is
    /// waited for.
    async fn poll(&self, cluster: &Cluster, kind: &Kind) {
        loop {
            let keys = self.board().awaited(kind);
            if keys.is_empty() {
                return;
            }
            let asks =
                keys.into_iter().map(|key| async move { Ok::<_, ClusterError>((key.id(), cluster.get(&key).await?)) });
            let found: Result<Vec<_>, _> = futures::stream::iter(asks.collect::<Vec<_>>())
                .buffer_unordered(cluster.concurrency())
                .try_collect()
                .await;
            match found {
                Ok(found) => {
                    let seen = |object: Value| Some(read(kind, &object)?.1);
                    let found = found.into_iter().map(|(id, object)| (id, object.and_then(seen))).collect();
                    let over = self.board().polled(kind, found);
                    self.end(over).await;
                }
                Err(error) => self.board().trouble(kind, &error.to_string()),
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    fn note(&self, kind: &Kind, event: &WatchEvent) -> Vec<Over> {
        let mut board = self.board();
        match event {
            WatchEvent::Began => board.list_begins(kind),
            WatchEvent::Synced => return board.list_ends(kind),
            WatchEvent::Applied(object) => {
                if let Some((id, seen)) = read(kind, object) {
                    return board.seen(kind, id, seen);
                }
            }
            WatchEvent::Deleted(object) => {
                if let Some((id, _)) = read(kind, object) {
                    return board.gone(kind, &id);
                }
            }
        }
        Vec::new()
    }
}

/// Why a watch is not listened to any more.
enum Listened {
    /// Nobody waits for the kind.
    Idle,
    Forbidden,
    Ended,
}

#[cfg(test)]
#[path = "waits_tests.rs"]
mod tests;
