//! Writes one object: adopted first, or replaced, where the plan says so, then applied.

use std::time::Duration;

use serde_json::Value;

use super::drift::fingerprint;
use super::error::SyncError;
use super::input::SyncDeps;
use super::permit::Writing;
use super::steps::Work;
use crate::app::{Authority, Verb};
use crate::cluster::{Applied, ApplyError, ApplyMode, Cluster, ClusterError, Delete, Deleted, PartialMeta, Propagation};
use crate::manifest::ObjectKey;
use crate::plan::marks::OWNER_ANNOTATION;
use crate::plan::{Action, TakeOver};
use crate::plan::{adoption_patch, controller};
use crate::store::inventory::AppliedObject;

/// How often an object that changes under our hands is tried.
const TRIES: usize = 4;
/// How long a replaced object may take to go.
const GONE_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) struct Written {
    pub object: AppliedObject,
    pub warnings: Vec<String>,
}

pub(super) enum WriteError {
    Apply(ApplyError),
    Sync(SyncError),
}

impl From<ClusterError> for WriteError {
    fn from(error: ClusterError) -> Self {
        Self::Apply(error.into())
    }
}

/// All of it or nothing: what was begun with a right is not left half done, as an object would be that is deleted to be made again.
pub(super) async fn write(deps: &SyncDeps, authority: &dyn Authority, work: &Work<'_>, _permit: &Writing) -> Result<Written, WriteError> {
    let key = &work.change.key;
    authority.ask(Verb::Write, &key.id()).map_err(|refusal| WriteError::Sync(refusal.into()))?;
    if work.change.action == Action::Replace {
        remove(&deps.cluster, key, &work.desired.object).await?;
    }
    if let Some(TakeOver::Unmarked | TakeOver::OtherTool { .. }) = work.change.takes_over {
        adopt(&deps.cluster, key).await?;
    }
    let Applied { object, warnings } = force(&deps.cluster, key, &work.desired.object).await.map_err(WriteError::Apply)?;
    let object = applied(deps, key, &work.desired.hash, &object)?;
    Ok(Written { object, warnings })
}

async fn force(cluster: &Cluster, key: &ObjectKey, object: &Value) -> Result<Applied, ApplyError> {
    let mode = ApplyMode { dry_run: false, force: true };
    for _ in 1..TRIES {
        match cluster.apply(key, object, mode).await {
            Err(ApplyError::Stale { .. }) => {}
            answer => return answer,
        }
    }
    cluster.apply(key, object, mode).await
}

fn applied(deps: &SyncDeps, key: &ObjectKey, hash: &str, object: &Value) -> Result<AppliedObject, WriteError> {
    let meta = PartialMeta::of(object).filter(|meta| !meta.uid.is_empty()).ok_or_else(|| {
        let message = format!("the answer to the apply of {key} has no uid");
        WriteError::from(ClusterError::Unreadable { cluster: deps.cluster.name().clone(), message })
    })?;
    Ok(AppliedObject {
        key: key.clone(),
        fingerprint: fingerprint(&meta, deps.store.clock().now()),
        uid: meta.uid,
        resource_version: meta.resource_version,
        manifest_hash: hash.to_owned(),
    })
}

/// Makes the fields of client-side apply ours.
async fn adopt(cluster: &Cluster, key: &ObjectKey) -> Result<(), WriteError> {
    for _ in 0..TRIES {
        let Some(live) = cluster.get(key).await? else { return Ok(()) };
        let Some(patch) = adoption_patch(&live, cluster.field_manager()) else { return Ok(()) };
        match cluster.patch_json(key, &patch, false).await {
            Ok(_) => return Ok(()),
            Err(ClusterError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(WriteError::Apply(ApplyError::Stale { message: "it changes faster than it can be taken over".to_owned() }))
}

/// Deletes the object that is to be made anew, and waits until it is gone. Only what bears the mark that the new one has, and belongs to no
/// controller: if that has changed since the plan, the next one says so.
async fn remove(cluster: &Cluster, key: &ObjectKey, desired: &Value) -> Result<(), WriteError> {
    let Some(live) = cluster.get(key).await? else { return Ok(()) };
    let mark = |object: &Value| object.pointer("/metadata/annotations").and_then(|annotations| annotations.get(OWNER_ANNOTATION)).cloned();
    if mark(&live) != mark(desired) || controller(&live).is_some() {
        return Err(WriteError::Apply(ApplyError::Stale { message: "it is no longer ours to replace".to_owned() }));
    }
    let uid = live.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let delete = Delete { uid: uid.clone(), resource_version: None, propagation: Propagation::Background, dry_run: false };
    if cluster.delete(key, &delete).await? != Deleted::Accepted {
        return Ok(());
    }
    let deadline = tokio::time::Instant::now() + GONE_WITHIN;
    loop {
        let left = cluster.get(key).await?.filter(|object| object.pointer("/metadata/uid").and_then(Value::as_str) == Some(&uid));
        let Some(left) = left else { return Ok(()) };
        if tokio::time::Instant::now() >= deadline {
            let message = super::health::status::of(&left).message().to_owned();
            return Err(WriteError::Sync(SyncError::NotGone { object: Box::new(key.clone()), message, after: GONE_WITHIN }));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
