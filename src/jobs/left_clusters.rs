//! What an app has on clusters that it has left, because its definition names another one now: it goes once the app is healthy where it is,
//! and a person has said so, as it is all that the app has there.

use std::collections::BTreeSet;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::compare::object;
use super::sides::Pair;
use super::{Engine, finish, leave, writing};
use crate::app::{App, Verb};
use crate::class::Class;
use crate::ids::{AppId, ClusterName, Oid};
use crate::lifecycle::beside;
use crate::manifest::ObjectId;
use crate::plan::{Action, Change, Redactor, Verdict};
use crate::queue::{JobContext, JobError};
use crate::reconcile::{Owned, PlanInput, plan_apply};
use crate::report::preview::{AppReport, AppResult, DefinitionChange};
use crate::store::apps::{AppHealth, AppRow, AppState};
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::store::runs::RunState;
use crate::store::waits::WaitPurpose;
use crate::sync::{self, Permits, SyncDeps};

/// What an app has on a cluster that it leaves.
struct Left {
    /// What may be deleted there.
    rows: Vec<ObjectRow>,
    /// What may not, and what to do about it.
    kept: Option<String>,
}

/// Decides about what an app has on clusters that it has left, now that it is applied where it belongs: it needs confirmation, or goes if it is confirmed now or was before. Says so.
pub(super) async fn mark(engine: &Engine, app: &App, by_word: bool) -> Result<Vec<String>, JobError> {
    let mut said = Vec::new();
    for cluster in engine.store.left_clusters(&app.id).await?.into_iter().filter(|cluster| *cluster != app.destination.cluster) {
        let Left { rows, kept } = look(engine, app, &cluster).await?;
        let shown = engine.store.shown_deletes(&app.id, &cluster).await?;
        let is_agreed = |row: &&ObjectRow| shown.contains(&row.key.id()) && (by_word || row.state == ObjectState::Pruning);
        let (agreed, held): (Vec<_>, Vec<_>) = rows.iter().partition(is_agreed);
        let ids = |rows: &[&ObjectRow]| -> BTreeSet<ObjectId> { rows.iter().map(|row| row.key.id()).collect() };
        engine.store.set_left(&cluster, &app.id, &ids(&held), &ids(&agreed)).await?;
        engine.store.put_shown_deletes(&app.id, &cluster, &rows.iter().map(|row| row.key.id()).collect()).await?;
        if !held.is_empty() {
            let all = objects(held.len());
            let command = format!("driftless sync {} --allow-destructive", app.id);
            said.push(format!("deletes {all} on cluster {cluster}, which the app has left; to confirm: {command}"));
        }
        said.extend(kept);
    }
    Ok(said)
}

/// Deletes obey the configuration, and go nowhere without it.
async fn look(engine: &Engine, app: &App, cluster: &ClusterName) -> Result<Left, JobError> {
    let rows = engine.store.inventory_of(cluster, &app.id).await?;
    let grants = engine.grants(&app.id.repo)?;
    let refused = if engine.clusters.contains_key(cluster) {
        grants.cluster(cluster).err().map(|refusal| refusal.to_string())
    } else {
        Some(format!("cluster {cluster} is not in the configuration; put it back and sync the app to have them deleted"))
    };
    let refusal = |row: &ObjectRow| {
        refused.clone().or_else(|| grants.object(Verb::Delete, cluster, &row.key.id()).err().map(|refusal| refusal.to_string()))
    };
    let reasons: Vec<String> = rows.iter().filter_map(refusal).collect();
    let kept = reasons.first().map(|why| {
        let text = format!("{} of app {} stay on cluster {cluster}, which it has left: {why}", objects(reasons.len()), app.id);
        tracing::warn!(app = %app.id, %cluster, "{text}");
        text
    });
    Ok(Left { rows: rows.into_iter().filter(|row| refusal(row).is_none()).collect(), kept })
}

/// Whether a person has agreed to deletes on clusters that the app has left, and they are not done yet.
pub(super) async fn is_agreed(engine: &Engine, app: &AppId) -> Result<bool, JobError> {
    Ok(!agreed(engine, app).await?.is_empty())
}

async fn agreed(engine: &Engine, app: &AppId) -> Result<Vec<ClusterName>, JobError> {
    let mut agreed = Vec::new();
    for cluster in engine.store.left_clusters(app).await? {
        let rows = engine.store.inventory_of(&cluster, app).await?;
        if engine.clusters.contains_key(&cluster) && rows.iter().any(|row| row.state == ObjectState::Pruning) {
            agreed.push(cluster);
        }
    }
    Ok(agreed)
}

/// Deletes what a person has agreed to, once the app is healthy where it is. What a cluster that is away still has is tried again, and nothing
/// else waits for that.
pub(super) async fn prune(engine: &Engine, id: &AppId, ctx: &JobContext) -> Result<(), JobError> {
    let clusters = agreed(engine, id).await?;
    if clusters.is_empty() {
        return Ok(());
    }
    let Some(row) = engine.store.app(id).await? else { return Ok(()) };
    if !is_settled(engine, &row).await? {
        return Ok(());
    }
    let Some(last) = engine.store.runs(Some(&id.to_string()), 1).await?.into_iter().next() else { return Ok(()) };
    if finish::is_paused(engine, id, &last.id).await? {
        return Ok(());
    }
    for name in clusters {
        // The configuration may have changed since.
        let Left { rows, .. } = look(engine, &row.app, &name).await?;
        let allowed: BTreeSet<ObjectId> = rows.iter().map(|row| row.key.id()).collect();
        let agreed: BTreeSet<ObjectId> = rows.iter().filter(|row| row.state == ObjectState::Pruning).map(|row| row.key.id()).collect();
        engine.store.set_left(&name, id, &allowed.difference(&agreed).cloned().collect(), &agreed).await?;
        let deps = SyncDeps { store: engine.store.clone(), cluster: engine.cluster_for(id, &name)?.clone() };
        let authority = engine.grants(&id.repo)?.on(&name);
        let not_wanted = leave::before_prune(engine, &row, &name).await?;
        let (permits, marks) = (writing::ask(ctx), engine.marks(id));
        let pruned = match sync::prune(&deps, &row.app, &marks, &not_wanted, &authority, Permits::new(&permits)).boxed().await {
            Ok(pruned) => pruned,
            Err(error) => {
                let all = objects(agreed.len());
                let text = format!("{all} on cluster {name}, which the app has left, could not be deleted; retrying: {error}");
                engine.store.set_run_state(&last.id, RunState::Waiting, Some(&text)).await?;
                return Err(error.into());
            }
        };
        finish::note(engine, &row, &last.id, &pruned).await?;
        if !pruned.waits.is_empty() {
            return finish::wait_on(engine, &row, name, &last.id, WaitPurpose::Deletion, pruned.waits).await;
        }
        engine.store.put_shown_deletes(id, &name, &allowed.difference(&agreed).cloned().collect()).await?;
    }
    finish::succeeded(engine, &row, &last.id).await
}

/// Whether there is nothing left to do or to wait for where the app is now.
async fn is_settled(engine: &Engine, row: &AppRow) -> Result<bool, JobError> {
    Ok(match row.state {
        AppState::Removed => engine.store.inventory_of(&row.app.destination.cluster, &row.app.id).await?.is_empty(),
        AppState::Active | AppState::Missing | AppState::Broken => row.health == AppHealth::Healthy,
    })
}

/// What a pull request that moves an app to another cluster does to the one that it leaves.
pub(super) async fn preview(engine: &Engine, pair: &Pair, head: &Oid, cancel: &CancellationToken) -> Result<Option<AppReport>, JobError> {
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

fn objects(number: usize) -> String {
    if number == 1 { "1 object".to_owned() } else { format!("{number} objects") }
}
