//! Objects that only their marks tell of: looked for together with drift, and by an app's own sync where nobody has
//! looked yet.
//!
//! They are of apps whose inventory was lost, or is older than they are. Nothing is deleted because of it without
//! confirmation, and nothing at all of an app that is not known.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::app::Verb;
use crate::cluster::Cluster;
use crate::ids::AppId;
use crate::jobs::Engine;
use crate::manifest::ObjectId;
use crate::plan::marks::APP_LABEL;
use crate::plan::{Change, Plan, Verdict};
use crate::queue::JobError;
use crate::reconcile::{ChangePlan, Owned};
use crate::store::apps::{AppRow, AppState};
use crate::sync;
use crate::sync::drift::Drift;
use crate::sync::marked;
use crate::sync::marked::{Kind, Orphan};

/// How long a look at every kind is good for. What can make new orphans, another store, comes with a new process.
const FRESH: Duration = Duration::from_hours(1);

/// So many are named in a line of the log.
const NAMED: usize = 5;

/// What is known of an app without asking the cluster, as far as its repo may touch it.
pub(in crate::jobs) async fn known(engine: &Engine, cluster: &Cluster, app: &AppId) -> Result<Vec<Orphan>, JobError> {
    let mut found = engine.orphans.of(cluster.name(), app);
    if found.is_empty() {
        return Ok(found);
    }
    let ids: Vec<ObjectId> = found.iter().map(|orphan| orphan.id.clone()).collect();
    let others = engine.store.owners(cluster.name(), app, &ids).await?.into_iter().map(|(id, _)| id);
    let own = engine.store.inventory_of(cluster.name(), app).await?.into_iter().map(|row| row.key.id());
    let owned: BTreeSet<ObjectId> = others.chain(own).collect();
    let grants = engine.grants(&app.repo)?;
    found.retain(|orphan| {
        !owned.contains(&orphan.id) && grants.object(Verb::Delete, cluster.name(), &orphan.id).is_ok()
    });
    Ok(found)
}

/// As a plan takes them.
pub(in crate::jobs) fn as_owned(orphans: &[Orphan]) -> Vec<Owned> {
    let owned = |orphan: &Orphan| Owned {
        id: orphan.id.clone(),
        uid: Some(orphan.uid.clone()),
        manifest_hash: None,
        resource_version: None,
        done: false,
        held: false,
    };
    orphans.iter().map(owned).collect()
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
pub(in crate::jobs) async fn hand_on(engine: &Engine, cluster: &Cluster, plan: &Plan) -> Result<(), JobError> {
    let left: BTreeSet<ObjectId> =
        plan.changes.iter().filter(|change| change.left_for.is_some()).map(|change| change.key.id()).collect();
    if left.is_empty() {
        return Ok(());
    }
    for orphan in known(engine, cluster, &plan.app).await?.iter().filter(|orphan| left.contains(&orphan.id)) {
        let key = cluster.locate(&orphan.id).await?;
        engine.store.adopt_for_pruning(cluster.name(), &plan.app, &key, &orphan.uid, false).await?;
        engine.store.leave(cluster.name(), &plan.app, std::slice::from_ref(&orphan.id)).await?;
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

/// The orphans of an app whose sync is made. Looks for them if a person asks, or if the store has never applied the
/// app: then it may have been lost.
pub(in crate::jobs) async fn of_sync(
    engine: &Engine,
    cluster: &Cluster,
    row: &AppRow,
    by_hand: bool,
) -> Result<Vec<Orphan>, JobError> {
    let id = &row.app.id;
    if row.applied_revision.is_none() {
        look_once(engine, cluster).await?;
    }
    if by_hand || (row.applied_revision.is_none() && !engine.orphans.has_all(cluster.name())) {
        let (selector, refused) = (engine.marks(id).selector(), engine.orphans.refused(cluster.name()));
        let found =
            marked::look(&engine.store, cluster, &engine.config.instance, &selector, &BTreeSet::new(), &refused)
                .await?;
        engine.orphans.found_of(cluster.name(), id, found);
    }
    known(engine, cluster, id).await
}

/// Looks at every kind of a cluster, unless that was done since the start.
async fn look_once(engine: &Engine, cluster: &Cluster) -> Result<(), JobError> {
    let looked = || engine.orphans.looked_within(cluster.name(), Duration::MAX);
    if looked() {
        return Ok(());
    }
    let _turn = engine.orphans.turn(cluster.name()).await?;
    if !looked() {
        let found = every_kind(engine, cluster, &BTreeSet::new()).await?;
        engine.orphans.found(cluster.name(), true, &found);
    }
    Ok(())
}

async fn every_kind(engine: &Engine, cluster: &Cluster, except: &BTreeSet<Kind>) -> Result<Vec<Orphan>, JobError> {
    let refused = engine.orphans.refused(cluster.name());
    Ok(marked::look(&engine.store, cluster, &engine.config.instance, APP_LABEL, except, &refused).await?)
}

/// After a look for drift: takes up what it found, looks at the kinds that no inventory has once in a while, and names
/// the apps whose sync has to tell of something new.
pub(in crate::jobs) async fn after_look(
    engine: &Engine,
    cluster: &Cluster,
    drift: Drift,
) -> Result<Vec<AppId>, JobError> {
    let Drift { orphans: mut found, listed, .. } = drift;
    let is_due = !engine.orphans.looked_within(cluster.name(), FRESH);
    if is_due {
        found.extend(every_kind(engine, cluster, &listed).await?);
    } else {
        found.extend(engine.orphans.of_other_kinds(cluster.name(), &listed));
    }
    let found = marked::without_owner(&engine.store, cluster, found).await?;
    engine.orphans.found(cluster.name(), is_due, &found);
    let mut to_tell = Vec::new();
    for orphans in found.chunk_by(|one, next| one.app == next.app) {
        if has_to_tell(engine, cluster, &orphans[0].app, orphans).await? {
            to_tell.push(orphans[0].app.clone());
        }
    }
    Ok(to_tell)
}

/// Whether the app's sync should say that these need confirmation. What no sync can tell of is told here.
async fn has_to_tell(engine: &Engine, cluster: &Cluster, app: &AppId, orphans: &[Orphan]) -> Result<bool, JobError> {
    let Some(row) = engine.store.app(app).await? else {
        if are_definitions_read(engine, app).await? {
            leave(
                cluster,
                app,
                orphans,
                "this app is not defined; define it again to have them removed, or delete them by hand",
            );
        }
        return Ok(false);
    };
    if row.app.destination.cluster != *cluster.name() || row.state != AppState::Active {
        leave(
            cluster,
            app,
            orphans,
            "the app has its objects elsewhere, or is no longer defined; delete them by hand if they are not needed",
        );
        return Ok(false);
    }
    // Its first sync looks by itself.
    if row.applied_revision.is_none() {
        return Ok(false);
    }
    let grants = engine.grants(&app.repo)?;
    let may_go = |orphan: &Orphan| grants.object(Verb::Delete, cluster.name(), &orphan.id);
    let (allowed, refused): (Vec<_>, Vec<_>) = orphans.iter().cloned().partition(|orphan| may_go(orphan).is_ok());
    if let Some(first) = refused.first()
        && let Err(refusal) = may_go(first)
    {
        leave(cluster, app, &refused, &refusal.to_string());
    }
    Ok(!allowed.is_empty())
}

/// Right after the loss of a store no app is known until the definitions were read.
async fn are_definitions_read(engine: &Engine, app: &AppId) -> Result<bool, JobError> {
    match engine.config.repo(&app.repo) {
        Some(repo) => Ok(engine.store.last_seen(&repo.name, &repo.definitions_ref).await?.is_some()),
        None => Ok(true),
    }
}

fn leave(cluster: &Cluster, app: &AppId, orphans: &[Orphan], why: &str) {
    let mut names: Vec<String> = orphans.iter().take(NAMED).map(|orphan| orphan.id.to_string()).collect();
    if orphans.len() > NAMED {
        names.push(format!("and {} more", orphans.len() - NAMED));
    }
    tracing::warn!(cluster = %cluster.name(), %app, objects = names.join(", "), "objects that carry an app's label are \
                                                                                 missing from the inventory and are \
                                                                                 kept: {why}");
}
