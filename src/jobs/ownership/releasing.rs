//! Apps that still own an object but no longer render it, so that it can be handed over.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use crate::ids::{AppId, ClusterName};
use crate::jobs::Context;
use crate::jobs::desired::{identity, render};
use crate::manifest::ObjectId;
use crate::plan::{Action, Change, Plan};
use crate::queue::JobError;
use crate::render::Purpose;
use crate::store::apps::{AppRow, AppState};

/// Of the apps of the same repo that own objects of this plan, those that let go of all of them.
pub(in crate::jobs) async fn owners(
    context: &Context,
    plan: &Plan,
    cancel: &CancellationToken,
) -> Result<BTreeSet<AppId>, JobError> {
    // What another app has claimed may not be there, so that no mark tells of it.
    let is_anothers = |change: &&Change| change.takes_over.is_some() || change.action == Action::Create;
    let wanted: Vec<ObjectId> = plan.changes.iter().filter(is_anothers).map(|change| change.key.id()).collect();
    if wanted.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut owners = std::collections::BTreeMap::<AppId, Vec<ObjectId>>::new();
    for (object, owner) in context.store.owners(&plan.cluster, &plan.app, &wanted).await? {
        owners.entry(owner).or_default().push(object);
    }
    let mut released = BTreeSet::new();
    for (owner, objects) in owners {
        if owner.repo != plan.app.repo {
            let gone: Vec<ObjectId> = objects.iter().filter(|id| is_not_there(plan, id)).cloned().collect();
            context.store.disclaim_gone(&plan.cluster, &owner, &gone).await?;
        } else if has_released(context, &plan.cluster, &owner, &objects, cancel).await? {
            released.insert(owner);
        }
    }
    Ok(released)
}

/// The plan has looked, and found nothing in the cluster.
fn is_not_there(plan: &Plan, id: &ObjectId) -> bool {
    plan.changes
        .iter()
        .any(|change| change.action == Action::Create && change.takes_over.is_none() && change.key.id() == *id)
}

async fn has_released(
    context: &Context,
    cluster: &ClusterName,
    owner: &AppId,
    objects: &[ObjectId],
    cancel: &CancellationToken,
) -> Result<bool, JobError> {
    match context.store.app(owner).await? {
        None => Ok(true),
        Some(row) if row.state == AppState::Removed => Ok(true),
        Some(row) if row.state == AppState::Active => {
            Ok(row.app.destination.cluster != *cluster || !renders_any(context, &row, objects, cancel).await?)
        }
        Some(_) => Ok(false),
    }
}

/// At the revision that it should be at. Whoever can't be asked lets nothing go.
async fn renders_any(
    context: &Context,
    row: &AppRow,
    objects: &[ObjectId],
    cancel: &CancellationToken,
) -> Result<bool, JobError> {
    let source = &row.app.source;
    let revision = match &row.pinned_revision {
        Some(pinned) => Some(pinned.clone()),
        None => context.store.ref_head(&source.repo, &source.ref_name).await?,
    };
    let Some(revision) = revision else { return Ok(true) };
    let tree = context.mirrors.tree(&source.repo, &revision).await?;
    let Ok(rendered) = render::render(context, &row.app, tree, Purpose::Sync, cancel).await? else { return Ok(true) };
    let mut rendered = rendered.manifests.iter().flat_map(|manifest| identity::ids(&row.app, manifest));
    Ok(rendered.any(|id| objects.contains(&id)))
}
