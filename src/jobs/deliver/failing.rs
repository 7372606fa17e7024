//! The drift of an app whose sync fails: the applied objects are compared with the cluster, and differences are
//! reported. Nothing is healed, because the next successful sync corrects it.

use super::attempt::{Aim, Attempt};
use super::goal::Intent;
use crate::app::DriftPolicy;
use crate::class::Class;
use crate::ids::AppId;
use crate::jobs::Context;
use crate::jobs::history::History;
use crate::queue::{Job, JobError, RunningJob};
use crate::store::apps::{AppRow, AppState};
use crate::store::runs::RunKind;
use crate::sync::quotes_a_server;

/// Reports how the cluster differs from what is applied, where the last look at it has seen a difference and the sync
/// that would put it right has failed. What goes wrong with that is no other failure of the app.
pub(super) async fn look(context: &Context, id: &AppId, job: &Job, running: &RunningJob) {
    if let Err(error) = report(context, id, job, running).await
        && error.class != Class::Cancelled
    {
        // What a server says may repeat what the app's Secrets hold.
        let why = if quotes_a_server(error.source()) {
            "the cluster rejects the requests of a drift check".to_owned()
        } else {
            error.message()
        };
        tracing::warn!(app = %id, error = why, "the drift of an app whose sync fails cannot be determined");
    }
}

async fn report(context: &Context, id: &AppId, job: &Job, running: &RunningJob) -> Result<(), JobError> {
    let row = context.app_row(id).await?;
    let was_told = !row.drift.is_empty();
    if !is_looked_at(&row) || (context.drifted.get(id).is_none() && !was_told) {
        return Ok(());
    }
    let Some(revision) = row.applied_revision.clone() else { return Ok(()) };
    let row = row.as_applied().unwrap_or(row);
    let intent = Intent::default();
    let aim = Aim::Heal { report_only: true };
    let attempt = Attempt { context, row: &row, intent: &intent, revision, aim, waiting: None, running };
    let mut history = History::new(context, RunKind::Heal, id.to_string(), job)?;
    history.revision(&attempt.revision, None);
    attempt.report_drift(&mut history).await?;
    Ok(context.store.set_drift_looked(std::slice::from_ref(id)).await?)
}

/// Whether anybody wants to know of its drift.
pub(in crate::jobs) fn is_looked_at(row: &AppRow) -> bool {
    row.state == AppState::Active
        && !row.synced_ok
        && row.applied_revision.is_some()
        && row.app.drift != DriftPolicy::Ignore
}
