//! The second half of a sync: once everything is healthy, objects that are no longer in Git are pruned, except those
//! that need confirmation, and the outcome is reported.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::FutureExt;

use super::{took_along, writing};
use crate::app::{OnDelete, SyncPolicy};
use crate::ids::{AppId, ClusterName, Oid};
use crate::jobs::ownership::{handover, left};
use crate::jobs::{Context, outcome};
use crate::manifest::ObjectKey;
use crate::plan::contents::has_contents;
use crate::queue::{JobError, Key, Request, RunningJob, Trigger};
use crate::report::placed;
use crate::report::preview::{AppEnd, HandedOver};
use crate::store::apps::{AppHealth, AppRow, AppState, Failure, HEALTH_UNKNOWN, SUSPENDED};
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::store::runs::step::RunStep;
use crate::store::runs::{PAUSED_BEFORE_DELETIONS, RunId, RunKind, RunState, without};
use crate::store::transition::Transition;
use crate::store::waits::{Wait, WaitEnded, WaitObject, WaitOutcome, WaitPurpose};
use crate::sync;
use crate::sync::{Permits, Pruned, SyncDeps};

/// How many objects an outcome names.
const LISTED: usize = 2_000;

/// Acts on a wait that is over, and forgets it: that one, and no other that acting on it has begun. It may be acted on
/// twice, if the process dies in between.
pub(in crate::jobs) async fn act(
    context: &Context,
    row: &AppRow,
    ended: &WaitEnded,
    running: &RunningJob,
) -> Result<(), JobError> {
    let WaitEnded { wait, outcome } = ended;
    match outcome {
        // What is gone by now leaves the inventory with a second look.
        // What was found out on a cluster that is the app's no more is not told.
        _ if let Err(denied) = context.cluster_for(&row.app.id, &wait.cluster) => {
            failed(context, row, &wait.run, &denied.to_string()).await?;
        }
        WaitOutcome::Done => prune(context, row, &wait.run, running).await?,
        WaitOutcome::Gone(text) => again(context, row, &wait.run, text).await?,
        WaitOutcome::Failed(text) => failed(context, row, &wait.run, text).await?,
        WaitOutcome::TimedOut(text) => {
            let limit = context.config.timing.health.as_secs();
            failed(context, row, &wait.run, &format!("not healthy after {limit} s: {text}")).await?;
        }
    }
    context.store.end_wait(wait).await?;
    Ok(())
}

/// All objects of the app are healthy: those that are no longer in Git are deleted, unless they are held.
pub(in crate::jobs) async fn prune(
    context: &Context,
    row: &AppRow,
    run: &RunId,
    running: &RunningJob,
) -> Result<(), JobError> {
    if is_paused(context, &row.app.id, run).await? {
        settled(context, &row.app.id, run).await?;
        let note = format!("{PAUSED_BEFORE_DELETIONS}. To continue: driftless resume {}", row.app.id);
        return tell_of_pause(context, run, Some(note)).await;
    }
    tell_of_pause(context, run, None).await?;
    let cluster = context.cluster_for(&row.app.id, &row.app.destination.cluster)?;
    let deps = SyncDeps { store: context.store.clone(), cluster: cluster.clone() };
    let authority = context.grants(&row.app.id.repo)?.on(cluster.name());
    let not_wanted = handover::recheck(context, row, cluster.name()).await?;
    let permits = writing::ask(running);
    let marks = context.marks(&row.app.id);
    let pruned = sync::prune(&deps, &row.app, &marks, &not_wanted, &authority, Permits::new(&permits)).boxed().await?;
    note(context, row, run, &pruned).await?;
    let lost = lost_with(context, row, &pruned).await?;
    tell_gone(context, row, cluster.name(), run, &pruned, lost.clone()).await?;
    if let Some(text) = lost.or_else(|| pruned.not_read()) {
        return failed(context, row, run, &text).await;
    }
    if !pruned.waits.is_empty() {
        return wait(context, row, run, WaitPurpose::Deletion, pruned.waits).await;
    }
    if left::is_agreed(context, &row.app.id).await? {
        // The end of the job goes on with it.
        return settled(context, &row.app.id, run).await;
    }
    succeeded(context, row, run).await
}

/// Nothing is left to wait for.
async fn settled(context: &Context, app: &AppId, run: &RunId) -> Result<(), JobError> {
    let notes = health_notes(context, run).await?;
    Ok(context.store.set_app_health(app, AppHealth::Healthy, &notes).await?)
}

/// Suspended objects and those of unknown health, which are shown for the app and for its run.
async fn health_notes(context: &Context, run: &RunId) -> Result<String, JobError> {
    let said = context.store.run(run).await?.and_then(|run| run.error).unwrap_or_default();
    let is_note = |part: &&str| part.starts_with(SUSPENDED) || part.starts_with(HEALTH_UNKNOWN);
    let notes: Vec<&str> = said.split("; ").filter(is_note).collect();
    Ok(notes.join("; "))
}

/// Adds to the message of a run that its app is paused, or removes that.
async fn tell_of_pause(context: &Context, run: &RunId, note: Option<String>) -> Result<(), JobError> {
    let said = context.store.run(run).await?.and_then(|run| run.error).unwrap_or_default();
    let mut parts = vec![without(&said, PAUSED_BEFORE_DELETIONS)];
    parts.extend(note);
    parts.retain(|part| !part.is_empty());
    let text = parts.join("; ");
    if text == said {
        return Ok(());
    }
    Ok(context.store.set_run_state(run, RunState::Waiting, Some(&text)).await?)
}

/// Whether an app was paused after this run had begun. Who syncs a paused app by hand means that sync, its deletions
/// included.
pub(in crate::jobs) async fn is_paused(context: &Context, app: &AppId, run: &RunId) -> Result<bool, JobError> {
    let Some(row) = context.store.app(app).await?.filter(|row| row.paused) else { return Ok(false) };
    let began = context.store.run(run).await?.map(|run| run.started);
    Ok(row.paused_since.zip(began).is_some_and(|(paused, began)| began <= paused))
}

/// The pull request that brought a deletion which was held or put off says that it is done, whichever sync has done it.
pub(in crate::jobs) async fn tell_gone(
    context: &Context,
    row: &AppRow,
    cluster: &ClusterName,
    run: &RunId,
    pruned: &Pruned,
    lost: Option<String>,
) -> Result<(), JobError> {
    let Some(Of { revision, .. }) = of(context, run).await?.filter(|_| !pruned.gone.is_empty()) else { return Ok(()) };
    // What was confirmed is remembered until all of it is done.
    let shown = context.store.confirmable(&row.app.id, cluster).await?;
    let (confirmed, others): (Vec<&ObjectKey>, Vec<&ObjectKey>) =
        pruned.gone.iter().take(LISTED).partition(|key| shown.contains(&key.id()));
    // What takes others along needs confirmation.
    let of_others = lost.clone().filter(|_| confirmed.is_empty());
    for (objects, confirmed, lost) in [(confirmed, true, lost), (others, false, of_others)] {
        if objects.is_empty() {
            continue;
        }
        let objects = objects.into_iter().map(|key| placed(row, cluster, key)).collect();
        let end = AppEnd::Removed { objects, replaced: false, lost, confirmed, by: None, all: false };
        outcome::ended(context, row, &revision, &end).await?;
    }
    Ok(())
}

/// Stores the result of a prune.
pub(in crate::jobs) async fn note(
    context: &Context,
    row: &AppRow,
    run: &RunId,
    pruned: &Pruned,
) -> Result<(), JobError> {
    let did_something = !pruned.deleted.is_empty() || !pruned.kept.is_empty();
    if did_something && let Some(known) = context.store.run(run).await? {
        let mut counts = known.counts;
        counts.pruned += u32::try_from(pruned.deleted.len()).unwrap_or(u32::MAX);
        counts.kept += u32::try_from(pruned.kept.len()).unwrap_or(u32::MAX);
        context.store.set_run_counts(run, &counts).await?;
    }
    for (key, reason) in &pruned.kept {
        tracing::warn!(app = %row.app.id, object = %key, reason, "an object that is no longer in Git was kept");
    }
    Ok(())
}

/// Starts a wait, which holds no worker.
pub(in crate::jobs) async fn wait(
    context: &Context,
    row: &AppRow,
    run: &RunId,
    purpose: WaitPurpose,
    objects: Vec<WaitObject>,
) -> Result<(), JobError> {
    wait_on(context, row, row.app.destination.cluster.clone(), run, purpose, objects).await
}

/// Waits until these are healthy: no longer than another wait for the same would have, where there was one.
pub(in crate::jobs) async fn wait_for_health(
    context: &Context,
    row: &AppRow,
    run: &RunId,
    objects: Vec<WaitObject>,
    until: Option<i64>,
) -> Result<(), JobError> {
    let deadline = until.unwrap_or(i64::MAX).min(deadline(context));
    let (app, cluster) = (row.app.id.clone(), row.app.destination.cluster.clone());
    begin_wait(context, Wait { app, purpose: WaitPurpose::Health, run: run.clone(), cluster, objects, deadline }).await
}

fn deadline(context: &Context) -> i64 {
    let limit = i64::try_from(context.config.timing.health.as_millis()).unwrap_or(i64::MAX);
    context.clock.now_millis().saturating_add(limit)
}

/// The same on any cluster.
pub(in crate::jobs) async fn wait_on(
    context: &Context,
    row: &AppRow,
    cluster: ClusterName,
    run: &RunId,
    purpose: WaitPurpose,
    objects: Vec<WaitObject>,
) -> Result<(), JobError> {
    let (app, deadline) = (row.app.id.clone(), deadline(context));
    begin_wait(context, Wait { app, purpose, run: run.clone(), cluster, objects, deadline }).await
}

async fn begin_wait(context: &Context, wait: Wait) -> Result<(), JobError> {
    context.store.set_run_state(&wait.run, RunState::Waiting, None).await?;
    context.waits.add(wait).await?;
    Ok(())
}

pub(in crate::jobs) async fn succeeded(context: &Context, row: &AppRow, run: &RunId) -> Result<(), JobError> {
    let Some(Of { revision, took, removed }) = of(context, run).await? else {
        return settled(context, &row.app.id, run).await;
    };
    let end = end_of(context, row, took, removed).await?;
    // The text of a run that waits says since the apply what for, and what to type.
    let is_over = !matches!(end, AppEnd::Waiting { .. });
    let state = if is_over { RunState::Succeeded } else { RunState::Waiting };
    let (notes, nothing) = (health_notes(context, run).await?, BTreeSet::new());
    let transition = Transition {
        run: Some(RunStep { run, state, error: None, did: None }),
        health: Some((AppHealth::Healthy, &notes)),
        confirmable: is_over.then_some((&row.app.destination.cluster, &nothing)),
        ..Transition::default()
    };
    context.store.record(&row.app.id, &transition).await?;
    outcome::ended(context, row, &revision, &end).await
}

/// An object as ends name it: with its cluster where the app has left that.
pub(in crate::jobs) fn placed(row: &AppRow, cluster: &ClusterName, key: &ObjectKey) -> String {
    placed::name(key, (*cluster != row.app.destination.cluster).then_some(cluster))
}

/// How a sync of an app has ended that has nothing left to do by itself.
pub(in crate::jobs) async fn end_of(
    context: &Context,
    row: &AppRow,
    took: Duration,
    removed: u32,
) -> Result<AppEnd, JobError> {
    let (kept, objects): (Vec<_>, Vec<_>) =
        context.store.put_off(&row.app.id).await?.into_iter().partition(|(_, row)| row.state == ObjectState::Moving);
    let [left, deletes] = [&kept, &objects].map(|rows| u32::try_from(rows.len()).unwrap_or(u32::MAX));
    let names = |rows: Vec<(ClusterName, ObjectRow)>| -> Vec<String> {
        rows.iter().take(LISTED).map(|(cluster, object)| placed(row, cluster, &object.key)).collect()
    };
    let (kept, after_seconds) = (names(kept), took.as_secs());
    let drift = context.store.app(&row.app.id).await?.map(|row| row.drift).unwrap_or_default();
    Ok(match row.state {
        AppState::Active if deletes == 0 && !drift.is_empty() => AppEnd::Drifted { message: drift },
        _ if deletes > 0 => {
            AppEnd::Waiting { deletes, objects: names(objects), held: Vec::new(), after_seconds, removed, kept }
        }
        // What was held since before is done.
        AppState::Removed if row.on_delete() == OnDelete::Keep => {
            AppEnd::Kept { nothing: false, moves: Vec::new(), stay: true }
        }
        AppState::Removed => {
            let taken = context.store.taken_over().await?.remove(&row.app.id).unwrap_or_default();
            let objects = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            let handed_over = taken.into_iter().map(|(app, number)| HandedOver { app, objects: objects(number) });
            AppEnd::Pruned { removed, handed_over: handed_over.collect(), left, by: None }
        }
        AppState::Active | AppState::Missing | AppState::Broken => {
            AppEnd::Healthy { after_seconds, removed, held: Vec::new(), kept }
        }
    })
}

/// What a heal has found and put back is told however it ends.
async fn beside_failure(context: &Context, run: &RunId, text: &str) -> Result<String, JobError> {
    let said = context.store.run(run).await?.filter(|run| run.kind == RunKind::Heal).and_then(|run| run.error);
    let said = said.map(|said| without(&said, PAUSED_BEFORE_DELETIONS)).filter(|said| !said.is_empty());
    Ok(said.map_or_else(|| text.to_owned(), |said| format!("{text}; {said}")))
}

async fn failed(context: &Context, row: &AppRow, run: &RunId, text: &str) -> Result<(), JobError> {
    tracing::warn!(app = %row.app.id, text, "an app did not become healthy");
    let revision = of(context, run).await?.map(|of| of.revision);
    let told = beside_failure(context, run, text).await?;
    let transition = Transition {
        run: Some(RunStep { run, state: RunState::Failed, error: Some(&told), did: None }),
        health: Some((AppHealth::Degraded, text)),
        failure: Some(Failure { message: text, revision: revision.as_ref(), of_applied: true }),
        ..Transition::default()
    };
    context.store.record(&row.app.id, &transition).await?;
    let Some(revision) = revision else { return Ok(()) };
    let end = AppEnd::Failed { message: text.to_owned() };
    outcome::ended(context, row, &revision, &end).await
}

/// What was dying when it was applied is gone: the next sync makes it again, and tells how that ended.
async fn again(context: &Context, row: &AppRow, run: &RunId, text: &str) -> Result<(), JobError> {
    let told = beside_failure(context, run, text).await?;
    let transition = Transition {
        run: Some(RunStep { run, state: RunState::Cancelled, error: Some(&told), did: None }),
        // Where nothing is applied without a person, what was applied is healed.
        is_out_of_date: row.app.sync != SyncPolicy::Manual,
        health: Some((AppHealth::Degraded, text)),
        ..Transition::default()
    };
    context.store.record(&row.app.id, &transition).await?;
    let key = Key::Sync(row.app.id.clone());
    context.queue.enqueue(&[Request::new(key, Trigger::Resync)]).await?;
    Ok(())
}

/// The subject of a run, its duration, and how many objects it has deleted or replaced.
struct Of {
    revision: Oid,
    took: Duration,
    removed: u32,
}

async fn of(context: &Context, run: &RunId) -> Result<Option<Of>, JobError> {
    let Some(known) = context.store.run(run).await? else { return Ok(None) };
    let took = Duration::from_millis(u64::try_from(context.clock.now_millis() - known.started).unwrap_or(0));
    let removed = known.counts.pruned + known.counts.replaced;
    let revision = known.revision.and_then(|revision| revision.parse().ok());
    Ok(revision.map(|revision| Of { revision, took, removed }))
}

/// What the deletion of a Namespace or a CRD has deleted with it although it is still in Git.
async fn lost_with(context: &Context, row: &AppRow, pruned: &Pruned) -> Result<Option<String>, JobError> {
    if row.state == AppState::Removed || !pruned.gone.iter().any(has_contents) {
        return Ok(None);
    }
    let cluster = context.cluster(&row.app.destination.cluster)?.name();
    let inventory = context.store.inventory_of(cluster, &row.app.id).await?;
    let wanted: Vec<_> =
        inventory.into_iter().filter(|row| row.state == ObjectState::Applied).map(|row| row.key).collect();
    let lost: Vec<_> = took_along::lost(&pruned.gone, &wanted).into_iter().map(ObjectKey::id).collect();
    context.store.lose(cluster, &row.app.id, &lost).await?;
    Ok(took_along::text(&pruned.gone, &wanted))
}
