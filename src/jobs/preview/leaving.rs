//! The effect of a pull request on other clusters than the app's own: the app moves to another cluster, or is removed
//! while it still has objects on a previous one.

use tokio_util::sync::CancellationToken;

use super::comparison::AppComparison;
use super::object::object;
use crate::app::{App, OnDelete};
use crate::class::Class;
use crate::ids::{AppId, Oid};
use crate::jobs::Context;
use crate::jobs::ownership::left::{Left, look, objects, removals};
use crate::lifecycle::beside;
use crate::plan::{Action, Change, Redactor, Verdict, destructive_objects};
use crate::queue::JobError;
use crate::report::preview::{AppReport, AppResult, DefinitionChange};
use crate::store::apps::AppRow;

/// What a pull request that moves an app to another cluster does to the one that it leaves, and one that removes it to
/// those that it has left.
pub(in crate::jobs) async fn preview(
    context: &Context,
    pair: &AppComparison,
    head: &Oid,
    cancel: &CancellationToken,
) -> Result<Vec<AppReport>, JobError> {
    if let Some(app) = pair.leaves().filter(|_| pair.arrives()) {
        return Ok(one(context, app, DefinitionChange::Edited, head, cancel).await?.into_iter().collect());
    }
    let (Some(base), None) = (&pair.base, &pair.change) else { return Ok(Vec::new()) };
    let row = context.store.app(&pair.id).await?;
    if row.as_ref().map_or(base.app.on_delete, AppRow::on_delete) == OnDelete::Keep {
        return Ok(Vec::new());
    }
    let mut reports = Vec::new();
    for cluster in context.store.previous_clusters(&pair.id).await? {
        let mut left = base.app.clone();
        left.destination.cluster = cluster;
        reports.extend(one(context, &left, DefinitionChange::Removed, head, cancel).await?);
    }
    Ok(reports)
}

/// What a removed app, whose objects stay, has elsewhere.
pub(in crate::jobs) async fn stays(context: &Context, app: &AppId) -> Result<Vec<String>, JobError> {
    let mut said = Vec::new();
    for cluster in context.store.previous_clusters(app).await? {
        let rows = context.store.inventory_of(&cluster, app).await?;
        let held = rows.iter().filter(|row| row.state.pending_confirmation()).count();
        let place = format!("on cluster {cluster}, which the app has left");
        said.extend((rows.len() > held).then(|| format!("{} stay {place}", objects(rows.len() - held))));
        said.extend((held > 0).then(|| {
            format!("{} {place}, still held until confirmed: driftless sync {app} --allow-destructive", objects(held))
        }));
    }
    Ok(said)
}

async fn one(
    context: &Context,
    app: &App,
    definition: DefinitionChange,
    head: &Oid,
    cancel: &CancellationToken,
) -> Result<Option<AppReport>, JobError> {
    let cluster = &app.destination.cluster;
    let Left { rows, kept } = look(context, app, cluster).await?;
    if rows.is_empty() && kept.is_none() {
        return Ok(None);
    }
    let mut warnings: Vec<String> = kept.into_iter().collect();
    let changes = match removals(context, app, &rows, head, cancel).await {
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
        let leaves = if definition == DefinitionChange::Removed { "has left" } else { "leaves" };
        destructive.push(format!("deletes {all} on cluster {cluster}, which the app {leaves}"));
        destructive.extend(destructive_objects(&changes).iter().map(ToString::to_string));
    }
    let planned = AppResult::Planned { objects: deletes };
    let report = AppReport::new(app.id.clone(), cluster.clone(), definition, planned);
    Ok(Some(AppReport { leaves: true, destructive, warnings, ..report }))
}
