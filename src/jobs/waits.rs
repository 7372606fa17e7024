//! From the end of a wait back to its app's job, so that it is acted on by nobody else at the same time.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Engine;
use crate::queue::{Cause, Key, Request};
use crate::sync::health::WaitEnded;

/// Queues the app of each wait that is over. Whatever is lost here is a row in the store, taken up by the next start.
pub async fn listen_to_waits(engine: Arc<Engine>, mut ended: mpsc::Receiver<WaitEnded>, stop: CancellationToken) {
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = ended.recv() => next,
        };
        let Some(over) = next else { return };
        let key = Key::Sync(over.wait.app.clone());
        engine.ended.put(&over.wait.app.clone(), over);
        if let Err(error) = engine.queue.enqueue(&[Request::new(key.clone(), Cause::Follow { key: key.clone() })]).await {
            tracing::error!(%key, %error, "the end of a wait could not be queued");
        }
    }
}
