//! What an app has on clusters that it has left, because its definition names another one now: it goes once the app is
//! healthy where it is, and a person has said so, as it is all that the app has there.

use std::collections::BTreeSet;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{finish, writing};
use crate::app::{App, OnDelete};
use crate::class::Class;
use crate::ids::{AppId, Oid};
use crate::jobs::Engine;
use crate::jobs::ownership::leave;
use crate::jobs::ownership::left::{Left, agreed, look, objects, what_goes_with};
use crate::manifest::ObjectId;
use crate::queue::{JobContext, JobError};
use crate::store::apps::{AppHealth, AppRow, AppState};
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::store::runs::RunState;
use crate::store::waits::WaitPurpose;
use crate::sync;
use crate::sync::{Permits, SyncDeps};

/// Decides about what an app has on clusters that it has left, now that it is applied where it belongs: it needs
/// confirmation, or goes if it is confirmed now or was before. Says so.
pub(in crate::jobs) async fn mark(
    engine: &Engine,
    app: &App,
    by_word: bool,
    revision: &Oid,
    cancel: &CancellationToken,
) -> Result<Vec<String>, JobError> {
    let mut said = Vec::new();
    for cluster in
        engine.store.left_clusters(&app.id).await?.into_iter().filter(|cluster| *cluster != app.destination.cluster)
    {
        let Left { rows, kept } = look(engine, app, &cluster).await?;
        let shown = engine.store.shown_deletes(&app.id, &cluster).await?;
        let is_agreed =
            |row: &&ObjectRow| shown.contains(&row.key.id()) && (by_word || row.state == ObjectState::Pruning);
        let (agreed, held): (Vec<_>, Vec<_>) = rows.iter().partition(is_agreed);
        let ids = |rows: &[&ObjectRow]| -> BTreeSet<ObjectId> { rows.iter().map(|row| row.key.id()).collect() };
        engine.store.set_left(&cluster, &app.id, &ids(&held), &ids(&agreed)).await?;
        engine.store.put_shown_deletes(&app.id, &cluster, &rows.iter().map(|row| row.key.id()).collect()).await?;
        if !held.is_empty() {
            let all = objects(held.len());
            let command = format!("driftless sync {} --allow-destructive", app.id);
            let reasons = what_goes_with(engine, app, &cluster, &held, revision, cancel).await?;
            let reasons = reasons.into_iter().map(|reason| format!("; {reason}")).collect::<String>();
            said.push(format!(
                "deletes {all} on cluster {cluster}, which the app has left{reasons}; to confirm: {command}"
            ));
        }
        said.extend(kept);
    }
    Ok(said)
}

/// What a confirmation is about on clusters that the app has left, as it was shown.
pub(super) async fn confirmable(engine: &Engine, row: &AppRow) -> Result<Vec<String>, JobError> {
    let mut found = Vec::new();
    for cluster in engine.store.left_clusters(&row.app.id).await? {
        let shown = engine.store.shown_deletes(&row.app.id, &cluster).await?;
        let rows = engine.store.inventory_of(&cluster, &row.app.id).await?;
        let held = rows.iter().filter(|row| row.state == ObjectState::Held && shown.contains(&row.key.id()));
        found.extend(held.map(|held| finish::placed(row, &cluster, &held.key)));
    }
    Ok(found)
}

/// Deletes what a person has agreed to, once the app is healthy where it is. What a cluster that is away still has is
/// tried again, and nothing else waits for that.
pub(in crate::jobs) async fn prune(engine: &Engine, id: &AppId, ctx: &JobContext) -> Result<(), JobError> {
    let Some(row) = engine.store.app(id).await? else { return Ok(()) };
    let clusters = agreed(engine, &row).await?;
    if clusters.is_empty() {
        return Ok(());
    }
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
        let agreed: BTreeSet<ObjectId> =
            rows.iter().filter(|row| row.state == ObjectState::Pruning).map(|row| row.key.id()).collect();
        let is_left = name != row.app.destination.cluster;
        let rest = if is_left {
            engine.store.set_left(&name, id, &allowed.difference(&agreed).cloned().collect(), &agreed).await?;
            allowed.difference(&agreed).cloned().collect()
        } else {
            engine.store.shown_deletes(id, &name).await?.difference(&agreed).cloned().collect()
        };
        let deps = SyncDeps { store: engine.store.clone(), cluster: engine.cluster_for(id, &name)?.clone() };
        let authority = engine.grants(&id.repo)?.on(&name);
        let not_wanted = leave::before_prune(engine, &row, &name).await?;
        let (permits, marks) = (writing::ask(ctx), engine.marks(id));
        let pruned =
            match sync::prune(&deps, &row.app, &marks, &not_wanted, &authority, Permits::new(&permits)).boxed().await {
                Ok(pruned) => pruned,
                Err(error) => {
                    let all = objects(agreed.len());
                    let text = format!(
                        "{all} on cluster {name}, which the app has left, could not be deleted; retrying: {error}"
                    );
                    engine.store.set_run_state(&last.id, RunState::Waiting, Some(&text)).await?;
                    return Err(error.into());
                }
            };
        finish::note(engine, &row, &last.id, &pruned).await?;
        finish::tell_gone(engine, &row, &name, &last.id, &pruned, None).await?;
        if let Some(text) = pruned.not_read() {
            let place = if is_left { ", which the app has left" } else { "" };
            let text = format!("on cluster {name}{place}: {text}");
            engine.store.set_run_state(&last.id, RunState::Waiting, Some(&text)).await?;
            return Err(JobError::new(Class::Fail, text));
        }
        if !pruned.waits.is_empty() {
            return finish::wait_on(engine, &row, name, &last.id, WaitPurpose::Deletion, pruned.waits).await;
        }
        engine.store.put_shown_deletes(id, &name, &rest).await?;
    }
    finish::succeeded(engine, &row, &last.id).await
}

/// Whether there is nothing left to do or to wait for where the app is now.
async fn is_settled(engine: &Engine, row: &AppRow) -> Result<bool, JobError> {
    Ok(match row.state {
        AppState::Removed if row.on_delete() == OnDelete::Keep => true,
        AppState::Removed => engine.store.inventory_of(&row.app.destination.cluster, &row.app.id).await?.is_empty(),
        AppState::Active | AppState::Missing | AppState::Broken => row.health == AppHealth::Healthy,
    })
}
