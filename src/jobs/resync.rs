//! `resync:CLUSTER`: looks for drift with one metadata list per kind for the whole cluster, and queues a sync for each
//! app that differs.

use std::collections::BTreeSet;

use super::Context;
use super::deliver::failing;
use super::desired::outdated;
use super::ownership::{handover, unrecorded};
use super::preview::{facts, rests};
use crate::cluster::ClusterError;
use crate::ids::{AppId, ClusterName};
use crate::queue::{JobError, Key, Request, Trigger};
use crate::store::apps::{AppHealth, AppRow, AppState};
use crate::sync::{SyncError, drift};

pub(in crate::jobs) async fn run(context: &Context, cluster: &ClusterName) -> Result<(), JobError> {
    look(context, cluster).await.map_err(without_quotes)
}

/// What a server says of objects of all apps may repeat what they hold.
fn without_quotes(error: JobError) -> JobError {
    let source = error.source();
    let of_cluster = source.downcast_ref::<ClusterError>().or(match source.downcast_ref::<SyncError>() {
        Some(SyncError::Cluster(error)) => Some(error),
        _ => None,
    });
    match of_cluster.map(ClusterError::outline) {
        Some(outline) => error.reworded(|_| outline),
        None => error,
    }
}

async fn look(context: &Context, cluster: &ClusterName) -> Result<(), JobError> {
    let cluster = context.cluster(cluster)?;
    context.waits.sweep().await?;
    // What an earlier process had no time to tell.
    rests::spread(context).await?;
    // An upgrade or a new CRD since the last look is seen now.
    cluster.refresh_discovery().await?;
    facts::spread(context, cluster.name()).await?;
    let mut drift = drift::look(&context.store, cluster, &context.config.instance).await?;
    let mut requests = Vec::new();
    let apps = context.store.apps_on(cluster.name()).await?;
    // What an app has on a cluster that it has left is not looked after any more.
    let here: BTreeSet<&AppId> = apps.iter().map(|row| &row.app.id).collect();
    drift.apps.retain(|id, _| here.contains(id));
    // What fails is not healed: where nothing differs, that is all there is to know.
    let is_as_left =
        |row: &&AppRow| failing::is_looked_at(row) && row.drift.is_empty() && !drift.apps.contains_key(&row.app.id);
    let as_left: Vec<AppId> = apps.iter().filter(is_as_left).map(|row| row.app.id.clone()).collect();
    context.store.set_drift_looked(&as_left).await?;
    for (app, objects) in std::mem::take(&mut drift.apps) {
        context.drifted.put(&app, objects);
        // A heal that was refused is the poll's to try again: once for each look, not twice.
        if context.queue.has_failed(&Key::Sync(app.clone())).await? {
            continue;
        }
        requests.push(Request::new(Key::Sync(app), Trigger::Resync));
    }
    // What another renderer or another version of the cluster rendered is synced, not healed: nobody has changed it in
    // the cluster.
    for (app, cause) in outdated::apps(context, cluster, &apps).await? {
        requests.push(Request::new(Key::Sync(app), cause));
    }
    // What did not become healthy, or could not be healed, is looked at once more, as what was in its way may be gone.
    // What failed is the poll's to try again.
    let failed =
        |row: &AppRow| row.state == AppState::Active && (row.health == AppHealth::Degraded || !row.drift.is_empty());
    for row in apps.into_iter().filter(failed) {
        let key = Key::Sync(row.app.id);
        if !requests.iter().any(|request| request.key == key) && !context.queue.has_failed(&key).await? {
            requests.push(Request::new(key, Trigger::Resync));
        }
    }
    for app in handover::no_longer_wanted(context, cluster.name()).await? {
        if !requests.iter().any(|request| request.key == Key::Sync(app.clone())) {
            requests.push(Request::new(Key::Sync(app), Trigger::Resync));
        }
    }
    // What was deleted to be made again and is not there is looked for until it is.
    for app in context.store.apps_with_replaced(cluster.name()).await? {
        let key = Key::Sync(app);
        if !requests.iter().any(|request| request.key == key) && !context.queue.has_failed(&key).await? {
            requests.push(Request::new(key, Trigger::Resync));
        }
    }
    tracing::info!(cluster = %cluster.name(), objects = drift.objects, kinds = drift.kinds, apps = requests.len(),
        "checked for drift");
    context.queue.enqueue(&requests).await?;
    let untold = unrecorded::after_look(context, cluster, drift).await?;
    let requests: Vec<_> = untold.into_iter().map(|app| Request::new(Key::Sync(app), Trigger::Resync)).collect();
    context.queue.enqueue(&requests).await?;
    Ok(())
}
