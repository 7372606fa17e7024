//! Apps that still claim an object and do not render it any more: it may be handed over instead of being fought for.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::{Engine, sides};
use crate::ids::AppId;
use crate::manifest::ObjectId;
use crate::plan::Plan;
use crate::queue::JobError;
use crate::store::apps::{AppRow, AppState};

/// Of the apps of the same repo that own objects of this plan, those that let go of all of them.
pub(super) async fn apps(engine: &Engine, plan: &Plan, cancel: &CancellationToken) -> Result<BTreeSet<AppId>, JobError> {
    let wanted: Vec<ObjectId> = plan.changes.iter().filter(|change| change.takes_over.is_some()).map(|change| change.key.id()).collect();
    if wanted.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut owners = std::collections::BTreeMap::<AppId, Vec<ObjectId>>::new();
    for (object, owner) in engine.store.owners(&plan.cluster, &plan.app, &wanted).await? {
        owners.entry(owner).or_default().push(object);
    }
    let mut released = BTreeSet::new();
    for (owner, objects) in owners {
        if owner.repo == plan.app.repo && lets_go(engine, &owner, &objects, cancel).await? {
            released.insert(owner);
        }
    }
    Ok(released)
}

async fn lets_go(engine: &Engine, owner: &AppId, objects: &[ObjectId], cancel: &CancellationToken) -> Result<bool, JobError> {
    match engine.store.app(owner).await? {
        None => Ok(true),
        Some(row) if row.state == AppState::Removed => Ok(true),
        Some(row) if row.state == AppState::Active => Ok(!renders_any(engine, &row, objects, cancel).await?),
        Some(_) => Ok(false),
    }
}

async fn renders_any(engine: &Engine, row: &AppRow, objects: &[ObjectId], cancel: &CancellationToken) -> Result<bool, JobError> {
    let source = &row.app.source;
    let Some(revision) = engine.mirrors.resolve(&source.repo, &source.ref_name).await? else { return Ok(true) };
    let tree = engine.mirrors.tree(&source.repo, &revision).await?;
    let Ok(rendered) = sides::render(engine, &row.app, tree, cancel).await? else { return Ok(true) };
    let namespace = &row.app.destination.namespace;
    Ok(rendered.manifests.iter().any(|manifest| {
        objects.iter().any(|object| {
            let id = manifest.key.id();
            let same_place = id.namespace == object.namespace || (id.namespace.is_none() && object.namespace.as_ref() == Some(namespace));
            same_place && id.group == object.group && id.kind == object.kind && id.name == object.name
        })
    }))
}
