//! The objects of an app on its previous clusters, and which of them may be deleted.

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::app::{App, OnDelete, Verb};
use crate::class::Class;
use crate::ids::{AppId, ClusterName, Oid};
use crate::jobs::Context;
use crate::plan::contents::has_contents;
use crate::plan::{Change, destructive_objects};
use crate::queue::JobError;
use crate::reconcile::{Owned, PlanInput, plan_apply};
use crate::store::apps::{AppRow, AppState};
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::sync;

/// What an app has on a cluster that it leaves.
pub(in crate::jobs) struct Left {
    /// What may be deleted there.
    pub rows: Vec<ObjectRow>,
    /// What may not, and what to do about it.
    pub kept: Option<String>,
}

/// Deletes obey the configuration, and go nowhere without it.
pub(in crate::jobs) async fn look(context: &Context, app: &App, cluster: &ClusterName) -> Result<Left, JobError> {
    let rows = context.store.inventory_of(cluster, &app.id).await?;
    let grants = context.grants(&app.id.repo)?;
    let refused = if context.clusters.contains_key(cluster) {
        grants.cluster(cluster).err().map(|refusal| refusal.to_string())
    } else {
        Some(format!(
            "cluster {cluster} is not in the configuration; put it back and sync the app to have them deleted"
        ))
    };
    let refusal = |row: &ObjectRow| {
        refused
            .clone()
            .or_else(|| grants.object(Verb::Delete, cluster, &row.key.id()).err().map(|refusal| refusal.to_string()))
    };
    let reasons: Vec<String> = rows.iter().filter_map(refusal).collect();
    let kept = reasons.first().map(|why| {
        let text = format!(
            "{} of app {} stay on cluster {cluster}, which the app has left: {why}",
            objects(reasons.len()),
            app.id
        );
        tracing::warn!(app = %app.id, %cluster, "{text}");
        text
    });
    Ok(Left { rows: rows.into_iter().filter(|row| refusal(row).is_none()).collect(), kept })
}

/// Whether a person has agreed to deletes on clusters that the app has left, and they are not done yet.
pub(in crate::jobs) async fn is_agreed(context: &Context, app: &AppId) -> Result<bool, JobError> {
    match context.store.app(app).await? {
        Some(row) => Ok(!agreed(context, &row).await?.is_empty()),
        None => Ok(false),
    }
}

/// Where deletions were confirmed that the app's own syncs do not make: where it has left, and everywhere once its
/// definition was removed and its other objects stay.
pub(in crate::jobs) async fn agreed(context: &Context, row: &AppRow) -> Result<Vec<ClusterName>, JobError> {
    let app = &row.app.id;
    let mut clusters = context.store.previous_clusters(app).await?;
    if row.state == AppState::Removed && row.on_delete() == OnDelete::Keep {
        clusters.push(row.app.destination.cluster.clone());
    }
    let mut agreed = Vec::new();
    for cluster in clusters {
        let rows = context.store.inventory_of(&cluster, app).await?;
        let shown = context.store.confirmable(app, &cluster).await?;
        let is_agreed = |object: &ObjectRow| {
            let is_left = cluster != row.app.destination.cluster;
            object.state == ObjectState::Pruning && (is_left || shown.contains(&object.key.id()))
        };
        if context.clusters.contains_key(&cluster) && rows.iter().any(is_agreed) {
            agreed.push(cluster);
        }
    }
    Ok(agreed)
}

pub(in crate::jobs) fn objects(number: usize) -> String {
    if number == 1 { "1 object".to_owned() } else { format!("{number} objects") }
}

/// What goes with a Namespace, a CRD and the like among objects that need confirmation. A cluster that is away holds
/// nothing up.
pub(in crate::jobs) async fn what_goes_with(
    context: &Context,
    app: &App,
    cluster: &ClusterName,
    rows: &[&ObjectRow],
    revision: &Oid,
    cancel: &CancellationToken,
) -> Result<Vec<String>, JobError> {
    let rows: Vec<ObjectRow> = rows.iter().filter(|row| has_contents(&row.key)).map(|row| (*row).clone()).collect();
    let mut left = app.clone();
    left.destination.cluster = cluster.clone();
    match removals(context, &left, &rows, revision, cancel).await {
        Ok(changes) => Ok(destructive_objects(&changes).iter().map(ToString::to_string).collect()),
        Err(error) if error.class == Class::Cancelled => Err(error),
        Err(error) => {
            let holders: Vec<String> = rows.iter().map(|row| row.key.to_string()).collect();
            Ok(vec![format!("what is deleted with {} is unknown: {}", holders.join(", "), error.message())])
        }
    }
}

/// What deleting objects on the cluster that an app leaves would do.
pub(in crate::jobs) async fn removals(
    context: &Context,
    app: &App,
    rows: &[ObjectRow],
    revision: &Oid,
    cancel: &CancellationToken,
) -> Result<Vec<Change>, JobError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let inventory: Vec<Owned> = rows.iter().map(sync::owned).collect();
    let (marks, allow) = (context.marks(&app.id), &context.repo(&app.id.repo)?.allow);
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
    Ok(plan_apply(context.cluster_for(&app.id, &app.destination.cluster)?, input, cancel).boxed().await?.changes)
}
