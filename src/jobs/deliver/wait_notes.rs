//! Shows a wait while it lasts: the least healthy object and the reason, for `driftless apps` and for pull requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ids::AppId;
use crate::jobs::{Context, outcome};
use crate::queue::JobError;

const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A comment is not edited more often than this for what is waited for.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Writes down what the waits of this process wait for, until it stops.
pub async fn note_waits(context: Arc<Context>, stop: CancellationToken) {
    let mut told = HashMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if let Err(error) = note(&context, &mut told).await {
            tracing::warn!(error = error.message(), "the object that a sync waits for could not be stored");
        }
    }
}

async fn note(context: &Context, told: &mut HashMap<AppId, Instant>) -> Result<(), JobError> {
    let waiting = context.waits.waiting().await;
    told.retain(|app, _| waiting.iter().any(|(waits, _)| waits == app));
    for (app, text) in waiting {
        if !context.store.set_waiting(&app, &text).await? || told.get(&app).is_some_and(|at| at.elapsed() < TELL_EVERY)
        {
            continue;
        }
        told.insert(app.clone(), Instant::now());
        let Some(row) = context.store.app(&app).await? else { continue };
        outcome::stands(context, &row).await?;
    }
    Ok(())
}
