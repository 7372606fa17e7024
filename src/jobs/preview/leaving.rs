//! What a pull request that moves an app to another cluster does to the one that it leaves.

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::object::object;
use super::pair::Pair;
use crate::app::App;
use crate::class::Class;
use crate::ids::Oid;
use crate::jobs::Engine;
use crate::jobs::ownership::left::{Left, look, objects};
use crate::lifecycle::beside;
use crate::plan::{Action, Change, Redactor, Verdict};
use crate::queue::JobError;
use crate::reconcile::{Owned, PlanInput, plan_apply};
use crate::report::preview::{AppReport, AppResult, DefinitionChange};
use crate::store::inventory::ObjectRow;
use crate::sync;

/// What a pull request that moves an app to another cluster does to the one that it leaves.
pub(in crate::jobs) async fn preview(
    engine: &Engine,
    pair: &Pair,
    head: &Oid,
    cancel: &CancellationToken,
) -> Result<Option<AppReport>, JobError> {
    let Some(app) = pair.leaves() else { return Ok(None) };
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
    Ok(Some(AppReport {
        app: app.id.clone(),
        cluster: cluster.clone(),
        leaves: true,
        definition: DefinitionChange::Edited,
        definition_diff: None,
        policies: Vec::new(),
        stays: None,
        destructive: if deletes.is_empty() {
            Vec::new()
        } else {
            vec![format!("deletes {all} on cluster {cluster}, which the app leaves")]
        },
        result: AppResult::Planned { objects: deletes },
        before: Vec::new(),
        warnings,
        held_back: None,
    }))
}

async fn removals(
    engine: &Engine,
    app: &App,
    rows: &[ObjectRow],
    revision: &Oid,
    cancel: &CancellationToken,
) -> Result<Vec<Change>, JobError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let inventory: Vec<Owned> = rows.iter().map(sync::owned).collect();
    let (marks, allow) = (engine.marks(&app.id), &engine.repo(&app.id.repo)?.allow);
    let input = PlanInput {
        app,
        marks: &marks,
        allow,
        revision,
        manifests: &[],
        inventory: &inventory,
        unchanged: &|_, _| false,
        handed_over: None,
        adopt: false,
        reveals: false,
        siblings: None,
    };
    Ok(plan_apply(engine.cluster_for(&app.id, &app.destination.cluster)?, input, cancel).boxed().await?.changes)
}
