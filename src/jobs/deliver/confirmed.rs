//! A removed app whose objects stay: what was to be deleted before it was removed, and waits for confirmation since,
//! still does, wherever it is. Who confirms it has it deleted, and nothing else.

use super::finish::placed;
use super::left_clusters;
use super::wish::Wish;
use crate::ids::Oid;
use crate::jobs::history::History;
use crate::jobs::{Engine, outcome};
use crate::queue::{Job, JobError};
use crate::report::preview::AppEnd;
use crate::report::words::count;
use crate::store::apps::AppRow;
use crate::store::runs::{RunKind, RunState};

/// Marks what was confirmed; the end of the job deletes it.
pub(super) async fn begin(
    engine: &Engine,
    row: &AppRow,
    wish: &Wish,
    revision: Oid,
    job: &Job,
) -> Result<(), JobError> {
    let (app, here) = (&row.app.id, &row.app.destination.cluster);
    let mut objects = left_clusters::confirmable(engine, row).await?;
    let mut clusters = engine.store.left_clusters(app).await?;
    clusters.push(here.clone());
    for cluster in clusters {
        let shown = engine.store.shown_deletes(app, &cluster).await?;
        let confirmed = engine.store.confirm_held(&cluster, app, &shown).await?;
        if cluster == *here {
            objects.extend(confirmed.iter().map(|key| placed(row, &cluster, key)));
        }
    }
    if objects.is_empty() {
        return Ok(());
    }
    let mut history = History::new(engine, RunKind::Sync, app.to_string(), job)?;
    history.revision(&revision, None);
    let text = format!("deletes {}, which was held until confirmed", count(objects.len(), "object"));
    history.end(RunState::Waiting, Some(&text), None).await?;
    let by = wish.confirmed_by().map(str::to_owned);
    outcome::ended(engine, row, &revision, &AppEnd::Confirmed { objects, by }).await
}
