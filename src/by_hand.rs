//! What people ask of apps, by the command line or in a comment: why it cannot be done, and what follows from it.

use crate::app::{OnDelete, SyncPolicy};
use crate::class::{Class, Classified};
use crate::ids::AppId;
use crate::queue::{Key, Manual, Queue, QueueError, Request, Trigger};
use crate::store::apps::holds::Resumed;
use crate::store::apps::{AppRow, AppState};
use crate::store::{Store, StoreError};

/// Why an app cannot be synced, if it cannot: what the job would leave alone is not promised.
///
/// `confirms` something that was held before it became so: that is taken from anybody.
pub fn not_synced(row: &AppRow, confirms: bool) -> Option<String> {
    let why = match row.state {
        AppState::Removed if confirms => return None,
        AppState::Removed if row.on_delete() == OnDelete::Prune => return None,
        AppState::Removed => "its definition was removed, and its objects are kept. Restore the definition",
        AppState::Missing => "its definition or ref is missing. Restore it",
        AppState::Broken => "its definition cannot be used. Correct it",
        AppState::Active if row.app.sync == SyncPolicy::Never => "its definition says `sync: never`. Change it",
        AppState::Active => return None,
    };
    Some(format!("app {} cannot be synced: {why}{}", row.app.id, noted(row)))
}

/// Why there is nothing to pause, if there is nothing.
pub fn not_paused(row: &AppRow) -> Option<String> {
    let is_left = row.state == AppState::Removed && row.on_delete() == OnDelete::Keep;
    is_left.then(|| format!("app {} cannot be paused: it is no longer managed{}", row.app.id, noted(row)))
}

pub fn noted(row: &AppRow) -> String {
    if row.state_message.is_empty() { String::new() } else { format!(" ({})", row.state_message) }
}

/// Asks for a sync of an app.
pub async fn sync(queue: &Queue, app: &AppId, manual: Manual) -> Result<(), QueueError> {
    queue.enqueue(&[Request::new(Key::Sync(app.clone()), Trigger::Manual(manual))]).await
}

/// Why an app was not resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Classified for ResumeError {
    fn class(&self) -> Class {
        match self {
            Self::Store(error) => error.class(),
            Self::Queue(error) => error.class(),
        }
    }
}

/// Ends the pauses whose time is over. Says how many.
pub async fn end_pauses(store: &Store, queue: &Queue) -> Result<usize, ResumeError> {
    let mut ended = 0;
    for app in store.pauses_over().await? {
        if store.end_pause(&app).await? {
            tracing::info!(%app, "a pause has ended");
            let by = "the end of its pause".to_owned();
            go_on(store, queue, &app, Manual { by, unpause: true, ..Manual::default() }).await?;
            ended += 1;
        }
    }
    Ok(ended)
}

/// Ends a pause, or where there is none a pin. The app is synced, and with it those that have waited for what it kept.
pub async fn resume(store: &Store, queue: &Queue, app: &AppId, by: &str) -> Result<Option<Resumed>, ResumeError> {
    let resumed = store.resume(app, by).await?;
    let (unpause, resume) = (resumed == Some(Resumed::Pause), resumed == Some(Resumed::Pin));
    go_on(store, queue, app, Manual { by: by.to_owned(), unpause, resume, ..Manual::default() }).await?;
    Ok(resumed)
}

async fn go_on(store: &Store, queue: &Queue, app: &AppId, manual: Manual) -> Result<(), ResumeError> {
    sync(queue, app, manual).await?;
    let cause = Trigger::Follow { key: Key::Sync(app.clone()) };
    let waiting = store.waiting_for(app).await?.into_iter();
    let requests: Vec<_> = waiting.map(|waiting| Request::new(Key::Sync(waiting), cause.clone())).collect();
    Ok(queue.enqueue(&requests).await?)
}
