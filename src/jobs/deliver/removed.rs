//! Apps whose definition was removed while a sync still waited for their health.

use crate::app::OnDelete;
use crate::jobs::Context;
use crate::queue::JobError;
use crate::store::apps::{AppHealth, AppRow, AppState};
use crate::store::runs::RunState;
use crate::store::runs::step::RunStep;
use crate::store::waits::{Wait, WaitPurpose};

const ENDED: &str = "its changes are applied; the app's definition was removed before the app was healthy";

/// Whether a sync waits for the health of an app that nobody looks after any more.
pub(in crate::jobs) fn waits_in_vain(row: &AppRow, waiting: Option<&Wait>) -> bool {
    row.state == AppState::Removed
        && row.on_delete() == OnDelete::Keep
        && waiting.is_some_and(|wait| wait.purpose == WaitPurpose::Health)
}

/// Ends the run of that sync. The wait is forgotten last, so that whoever is stopped before that does it again.
pub(super) async fn stop_waiting(context: &Context, row: &AppRow, waiting: Option<&Wait>) -> Result<(), JobError> {
    let Some(wait) = waiting.filter(|_| waits_in_vain(row, waiting)) else { return Ok(()) };
    let step = RunStep { run: &wait.run, state: RunState::Cancelled, error: Some(ENDED), did: None };
    context.store.write_run(step).await?;
    context.store.set_app_health(&row.app.id, AppHealth::Unknown, "").await?;
    Ok(context.waits.cancel(&row.app.id).await?)
}
