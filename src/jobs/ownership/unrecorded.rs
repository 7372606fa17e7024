//! Objects with an app's marks that are missing from the inventory. They are searched for together with drift, and by
//! an app's own sync if no search has run yet.
//!
//! They belong to apps whose inventory was lost or is older than the objects. They are deleted only after confirmation,
//! and never if the app is unknown.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::app::Verb;
use crate::cluster::Cluster;
use crate::ids::AppId;
use crate::jobs::Context;
use crate::manifest::ObjectId;
use crate::plan::marks::APP_LABEL;
use crate::plan::{Change, Plan, Verdict};
use crate::queue::JobError;
use crate::reconcile::{ChangePlan, Owned};
use crate::store::apps::{AppRow, AppState};
use crate::sync;
use crate::sync::drift::Drift;
use crate::sync::unrecorded;
use crate::sync::unrecorded::{Kind, Unrecorded};

/// How long a look at every kind is good for. What can bring new ones, another store, comes with a new process.
const FRESH: Duration = Duration::from_hours(1);

/// So many are named in a line of the log.
const NAMED: usize = 5;

/// What is known of an app without asking the cluster, as far as its repo may touch it.
pub(in crate::jobs) async fn known(
    context: &Context,
    cluster: &Cluster,
    app: &AppId,
) -> Result<Vec<Unrecorded>, JobError> {
    let mut found = context.unrecorded.of(cluster.name(), app);
    if found.is_empty() {
        return Ok(found);
    }
    let ids: Vec<ObjectId> = found.iter().map(|object| object.id.clone()).collect();
    let others = context.store.owners(cluster.name(), app, &ids).await?.into_iter().map(|(id, _)| id);
    let own = context.store.inventory_of(cluster.name(), app).await?.into_iter().map(|row| row.key.id());
    let owned: BTreeSet<ObjectId> = others.chain(own).collect();
    let grants = context.grants(&app.repo)?;
    found.retain(|object| {
        !owned.contains(&object.id) && grants.object(Verb::Delete, cluster.name(), &object.id).is_ok()
    });
    Ok(found)
}

/// As a plan takes them.
pub(in crate::jobs) fn as_owned(unrecorded: &[Unrecorded]) -> Vec<Owned> {
    let owned = |object: &Unrecorded| Owned {
        id: object.id.clone(),
        uid: Some(object.uid.clone()),
        manifest_hash: None,
        resource_version: None,
        done: false,
        held: false,
    };
    unrecorded.iter().map(owned).collect()
}

/// The prunes that the cluster would carry out: one that it refuses must not stop what the app needs.
pub(in crate::jobs) fn accepted(app: &AppId, prunes: Vec<Change>) -> Vec<Change> {
    let (accepted, refused) = prunes.into_iter().partition::<Vec<_>, _>(|change| change.verdict == Verdict::Accepted);
    for change in refused {
        tracing::warn!(%app, object = %change.key, verdict = ?change.verdict, "an object that is missing from the \
                                                                               inventory cannot be deleted");
    }
    accepted
}

/// Those that another app of the repo wants by now are left for it, as everything is that moves between apps.
pub(in crate::jobs) async fn hand_on(context: &Context, cluster: &Cluster, plan: &Plan) -> Result<(), JobError> {
    let left: BTreeSet<ObjectId> =
        plan.changes.iter().filter(|change| change.left_for.is_some()).map(|change| change.key.id()).collect();
    if left.is_empty() {
        return Ok(());
    }
    for object in known(context, cluster, &plan.app).await?.iter().filter(|object| left.contains(&object.id)) {
        let key = cluster.locate(&object.id).await?;
        context.store.adopt_for_pruning(cluster.name(), &plan.app, &key, &object.uid, false).await?;
        context.store.leave(cluster.name(), &plan.app, std::slice::from_ref(&object.id)).await?;
    }
    Ok(())
}

/// Puts them into a preview: as a change, and why it needs confirmation, where the base side still renders the object;
/// else as a difference that was there before.
pub(in crate::jobs) fn join(planned: &mut ChangePlan, prunes: Vec<Change>) -> Option<String> {
    let mut deletes = Vec::new();
    for prune in prunes {
        let id = prune.key.id();
        match planned.changes.changes.iter_mut().find(|change| change.key.id() == id) {
            Some(change) => {
                deletes.push(prune.key.clone());
                *change = prune;
            }
            None => planned.already.changes.push(prune),
        }
    }
    sync::by_marks_alone(&deletes)
}

/// The unrecorded objects of an app that is about to be synced. Looks for them if a person asks, or if the store has
/// never applied the app: then it may have been lost.
pub(in crate::jobs) async fn of_sync(
    context: &Context,
    cluster: &Cluster,
    row: &AppRow,
    by_hand: bool,
) -> Result<Vec<Unrecorded>, JobError> {
    let id = &row.app.id;
    if row.applied_revision.is_none() {
        look_once(context, cluster).await?;
    }
    if by_hand || (row.applied_revision.is_none() && !context.unrecorded.has_all(cluster.name())) {
        let (selector, refused) = (context.marks(id).selector(), context.unrecorded.refused(cluster.name()));
        let found =
            unrecorded::look(&context.store, cluster, &context.config.instance, &selector, &BTreeSet::new(), &refused)
                .await?;
        context.unrecorded.found_of(cluster.name(), id, found);
    }
    known(context, cluster, id).await
}

/// Looks at every kind of a cluster, unless that was done since the start.
async fn look_once(context: &Context, cluster: &Cluster) -> Result<(), JobError> {
    let looked = || context.unrecorded.looked_within(cluster.name(), Duration::MAX);
    if looked() {
        return Ok(());
    }
    let _turn = context.unrecorded.turn(cluster.name()).await?;
    if !looked() {
        let found = every_kind(context, cluster, &BTreeSet::new()).await?;
        context.unrecorded.found(cluster.name(), true, &found);
    }
    Ok(())
}

async fn every_kind(
    context: &Context,
    cluster: &Cluster,
    except: &BTreeSet<Kind>,
) -> Result<Vec<Unrecorded>, JobError> {
    let refused = context.unrecorded.refused(cluster.name());
    Ok(unrecorded::look(&context.store, cluster, &context.config.instance, APP_LABEL, except, &refused).await?)
}

/// After a look for drift: takes up what it found, looks at the kinds that no inventory has once in a while, and names
/// the apps whose sync has to tell of something new.
pub(in crate::jobs) async fn after_look(
    context: &Context,
    cluster: &Cluster,
    drift: Drift,
) -> Result<Vec<AppId>, JobError> {
    let Drift { unrecorded: mut found, listed, .. } = drift;
    let is_due = !context.unrecorded.looked_within(cluster.name(), FRESH);
    if is_due {
        found.extend(every_kind(context, cluster, &listed).await?);
    } else {
        found.extend(context.unrecorded.of_other_kinds(cluster.name(), &listed));
    }
    let found = unrecorded::without_owner(&context.store, cluster, found).await?;
    context.unrecorded.found(cluster.name(), is_due, &found);
    let mut to_tell = Vec::new();
    for unrecorded in found.chunk_by(|one, next| one.app == next.app) {
        if has_to_tell(context, cluster, &unrecorded[0].app, unrecorded).await? {
            to_tell.push(unrecorded[0].app.clone());
        }
    }
    Ok(to_tell)
}

/// Whether the app's sync should say that these need confirmation. What no sync can tell of is told here.
async fn has_to_tell(
    context: &Context,
    cluster: &Cluster,
    app: &AppId,
    unrecorded: &[Unrecorded],
) -> Result<bool, JobError> {
    let Some(row) = context.store.app(app).await? else {
        if are_definitions_read(context, app).await? {
            leave(
                cluster,
                app,
                unrecorded,
                "this app is not defined. Define it again to have them removed, or delete them by hand",
            );
        }
        return Ok(false);
    };
    if row.app.destination.cluster != *cluster.name() || row.state != AppState::Active {
        leave(
            cluster,
            app,
            unrecorded,
            "the app has its objects elsewhere or is no longer defined. Delete them by hand if they are not needed",
        );
        return Ok(false);
    }
    // Its first sync looks by itself.
    if row.applied_revision.is_none() {
        return Ok(false);
    }
    let grants = context.grants(&app.repo)?;
    let may_go = |object: &Unrecorded| grants.object(Verb::Delete, cluster.name(), &object.id);
    let (allowed, refused): (Vec<_>, Vec<_>) = unrecorded.iter().cloned().partition(|object| may_go(object).is_ok());
    if let Some(first) = refused.first()
        && let Err(refusal) = may_go(first)
    {
        leave(cluster, app, &refused, &refusal.to_string());
    }
    Ok(!allowed.is_empty())
}

/// Right after the loss of a store no app is known until the definitions were read.
async fn are_definitions_read(context: &Context, app: &AppId) -> Result<bool, JobError> {
    match context.config.repo(&app.repo) {
        Some(repo) => Ok(context.store.last_seen(&repo.name, &repo.definitions_ref).await?.is_some()),
        None => Ok(true),
    }
}

fn leave(cluster: &Cluster, app: &AppId, unrecorded: &[Unrecorded], why: &str) {
    let mut names: Vec<String> = unrecorded.iter().take(NAMED).map(|object| object.id.to_string()).collect();
    if unrecorded.len() > NAMED {
        names.push(format!("and {} more", unrecorded.len() - NAMED));
    }
    tracing::warn!(cluster = %cluster.name(), %app, objects = names.join(", "), "objects that carry an app's label are \
                                                                                 missing from the inventory and are \
                                                                                 kept: {why}");
}
