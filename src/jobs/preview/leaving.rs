//! What a pull request that moves an app to another cluster does to the one that it leaves.

use tokio_util::sync::CancellationToken;

use super::object::object;
use super::pair::Pair;
use crate::class::Class;
use crate::ids::Oid;
use crate::jobs::Engine;
use crate::jobs::ownership::left::{Left, look, objects, removals};
use crate::lifecycle::beside;
use crate::plan::{Action, Change, Redactor, Verdict, destructive_objects};
use crate::queue::JobError;
use crate::report::preview::{AppReport, AppResult, DefinitionChange};

/// What a pull request that moves an app to another cluster does to the one that it leaves.
pub(in crate::jobs) async fn preview(
    engine: &Engine,
    pair: &Pair,
    head: &Oid,
    cancel: &CancellationToken,
) -> Result<Option<AppReport>, JobError> {
    let Some(app) = pair.leaves().filter(|_| pair.arrives()) else { return Ok(None) };
    let cluster = &app.destination.cluster;
    let Left { rows, kept } = look(engine, app, cluster).await?;
    if rows.is_empty() && kept.is_none() {
        return Ok(None);
    }
    let mut warnings: Vec<String> = kept.into_iter().collect();
    let changes = match removals(engine, app, &rows, head, cancel).await {
        Ok(changes) => changes,
        Err(error) if error.class == Class::Cancelled => return Err(error),
        Err(error) => {
            warnings.push(format!(
                "Its objects on cluster {cluster} could not be read and are listed as they were applied: {}",
                error.message()
            ));
            rows.iter().map(|row| Change::new(row.key.clone(), Action::Prune, Verdict::Accepted)).collect()
        }
    };
    let deletes = beside(|| {
        let redactor = Redactor::new(&changes, []);
        warnings = redactor.texts(&warnings);
        warnings.extend(redactor.withholds());
        let pruned = changes.iter().filter(|change| change.action == Action::Prune);
        pruned.map(|change| object(change, &redactor)).collect::<Vec<_>>()
    });
    let all = objects(deletes.len());
    let mut destructive = Vec::new();
    if !deletes.is_empty() {
        destructive.push(format!("deletes {all} on cluster {cluster}, which the app leaves"));
        destructive.extend(destructive_objects(&changes).iter().map(ToString::to_string));
    }
    let planned = AppResult::Planned { objects: deletes };
    let report = AppReport::new(app.id.clone(), cluster.clone(), DefinitionChange::Edited, planned);
    Ok(Some(AppReport { leaves: true, destructive, warnings, ..report }))
}
