//! Deletions of a removed app with `onDelete: keep` that were held before its removal: they still need confirmation, on
//! each cluster. Confirming them deletes these objects and nothing else.

use super::finish::placed;
use super::goal::Intent;
use super::previous_clusters;
use crate::ids::Oid;
use crate::jobs::history::History;
use crate::jobs::{Context, outcome};
use crate::queue::{Job, JobError};
use crate::report::preview::AppEnd;
use crate::report::words::count;
use crate::store::apps::AppRow;
use crate::store::runs::{RunKind, RunState};

/// Marks what was confirmed; the end of the job deletes it.
pub(super) async fn begin(
    context: &Context,
    row: &AppRow,
    intent: &Intent,
    revision: Oid,
    job: &Job,
) -> Result<(), JobError> {
    let (app, here) = (&row.app.id, &row.app.destination.cluster);
    let mut objects = previous_clusters::confirmable(context, row).await?;
    let mut clusters = context.store.previous_clusters(app).await?;
    clusters.push(here.clone());
    for cluster in clusters {
        let shown = context.store.confirmable(app, &cluster).await?;
        let confirmed = context.store.confirm_held(&cluster, app, &shown).await?;
        if cluster == *here {
            objects.extend(confirmed.iter().map(|key| placed(row, &cluster, key)));
        }
    }
    if objects.is_empty() {
        return Ok(());
    }
    let mut history = History::new(context, RunKind::Sync, app.to_string(), job)?;
    history.revision(&revision, None);
    let text = format!("deletes {}, which was held until confirmed", count(objects.len(), "object"));
    history.end(RunState::Waiting, Some(&text), None).await?;
    let by = intent.confirmed_by().map(str::to_owned);
    outcome::ended(context, row, &revision, &AppEnd::Confirmed { objects, by }).await
}
