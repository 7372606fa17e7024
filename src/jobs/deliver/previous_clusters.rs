//! Deletes the objects of an app on its previous clusters, once the app is healthy on the new one and somebody has
//! confirmed it, because it deletes everything that the app has there.

use std::collections::BTreeSet;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{finish, writing};
use crate::app::{App, OnDelete};
use crate::class::Class;
use crate::ids::{AppId, Oid};
use crate::jobs::Context;
use crate::jobs::ownership::handover;
use crate::jobs::ownership::left::{Left, agreed, look, objects, what_goes_with};
use crate::manifest::ObjectId;
use crate::queue::{JobError, RunningJob};
use crate::store::apps::{AppHealth, AppRow, AppState};
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::store::runs::RunState;
use crate::store::waits::WaitPurpose;
use crate::sync;
use crate::sync::{Permits, SyncDeps};

/// Decides about what an app has on clusters that it has left, now that it is applied where it belongs: it needs
/// confirmation, or goes if it is confirmed now or was before. Says so.
pub(in crate::jobs) async fn mark(
    context: &Context,
    app: &App,
    by_word: bool,
    revision: &Oid,
    cancel: &CancellationToken,
) -> Result<Vec<String>, JobError> {
    let mut said = Vec::new();
    for cluster in context
        .store
        .previous_clusters(&app.id)
        .await?
        .into_iter()
        .filter(|cluster| *cluster != app.destination.cluster)
    {
        let Left { rows, kept } = look(context, app, &cluster).await?;
        let shown = context.store.confirmable(&app.id, &cluster).await?;
        let is_agreed =
            |row: &&ObjectRow| shown.contains(&row.key.id()) && (by_word || row.state == ObjectState::Pruning);
        let (agreed, held): (Vec<_>, Vec<_>) = rows.iter().partition(is_agreed);
        let ids = |rows: &[&ObjectRow]| -> BTreeSet<ObjectId> { rows.iter().map(|row| row.key.id()).collect() };
        context.store.set_left(&cluster, &app.id, &ids(&held), &ids(&agreed)).await?;
        context.store.put_confirmable(&app.id, &cluster, &rows.iter().map(|row| row.key.id()).collect()).await?;
        if !held.is_empty() {
            let all = objects(held.len());
            let command = format!("driftless sync {} --allow-destructive", app.id);
            let reasons = what_goes_with(context, app, &cluster, &held, revision, cancel).await?;
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
pub(super) async fn confirmable(context: &Context, row: &AppRow) -> Result<Vec<String>, JobError> {
    let mut found = Vec::new();
    for cluster in context.store.previous_clusters(&row.app.id).await? {
        let shown = context.store.confirmable(&row.app.id, &cluster).await?;
        let rows = context.store.inventory_of(&cluster, &row.app.id).await?;
        let held = rows.iter().filter(|row| row.state == ObjectState::Held && shown.contains(&row.key.id()));
        found.extend(held.map(|held| finish::placed(row, &cluster, &held.key)));
    }
    Ok(found)
}

/// Deletes what a person has agreed to, once the app is healthy where it is. What a cluster that is away still has is
/// tried again, and nothing else waits for that.
pub(in crate::jobs) async fn prune(context: &Context, id: &AppId, running: &RunningJob) -> Result<(), JobError> {
    let Some(row) = context.store.app(id).await? else { return Ok(()) };
    let clusters = agreed(context, &row).await?;
    if clusters.is_empty() {
        return Ok(());
    }
    if !is_settled(context, &row).await? {
        return Ok(());
    }
    let Some(last) = context.store.runs(Some(&id.to_string()), 1).await?.into_iter().next() else { return Ok(()) };
    if finish::is_paused(context, id, &last.id).await? {
        return Ok(());
    }
    for name in clusters {
        // The configuration may have changed since.
        let Left { rows, .. } = look(context, &row.app, &name).await?;
        let allowed: BTreeSet<ObjectId> = rows.iter().map(|row| row.key.id()).collect();
        let agreed: BTreeSet<ObjectId> =
            rows.iter().filter(|row| row.state == ObjectState::Pruning).map(|row| row.key.id()).collect();
        let is_left = name != row.app.destination.cluster;
        let rest = if is_left {
            context.store.set_left(&name, id, &allowed.difference(&agreed).cloned().collect(), &agreed).await?;
            allowed.difference(&agreed).cloned().collect()
        } else {
            context.store.confirmable(id, &name).await?.difference(&agreed).cloned().collect()
        };
        let deps = SyncDeps { store: context.store.clone(), cluster: context.cluster_for(id, &name)?.clone() };
        let authority = context.grants(&id.repo)?.on(&name);
        let not_wanted = handover::recheck(context, &row, &name).await?;
        let (permits, marks) = (writing::ask(running), context.marks(id));
        let pruned =
            match sync::prune(&deps, &row.app, &marks, &not_wanted, &authority, Permits::new(&permits)).boxed().await {
                Ok(pruned) => pruned,
                Err(error) => {
                    let all = objects(agreed.len());
                    let text = format!(
                        "{all} on cluster {name}, which the app has left, could not be deleted; retrying: {error}"
                    );
                    context.store.set_run_state(&last.id, RunState::Waiting, Some(&text)).await?;
                    return Err(error.into());
                }
            };
        finish::note(context, &row, &last.id, &pruned).await?;
        finish::tell_gone(context, &row, &name, &last.id, &pruned, None).await?;
        if let Some(text) = pruned.not_read() {
            let place = if is_left { ", which the app has left" } else { "" };
            let text = format!("on cluster {name}{place}: {text}");
            context.store.set_run_state(&last.id, RunState::Waiting, Some(&text)).await?;
            return Err(JobError::new(Class::Fail, text));
        }
        if !pruned.waits.is_empty() {
            return finish::wait_on(context, &row, name, &last.id, WaitPurpose::Deletion, pruned.waits).await;
        }
        context.store.put_confirmable(id, &name, &rest).await?;
    }
    finish::succeeded(context, &row, &last.id).await
}

/// Whether there is nothing left to do or to wait for where the app is now.
async fn is_settled(context: &Context, row: &AppRow) -> Result<bool, JobError> {
    Ok(match row.state {
        AppState::Removed if row.on_delete() == OnDelete::Keep => true,
        AppState::Removed => context.store.inventory_of(&row.app.destination.cluster, &row.app.id).await?.is_empty(),
        AppState::Active | AppState::Missing | AppState::Broken => row.health == AppHealth::Healthy,
    })
}
