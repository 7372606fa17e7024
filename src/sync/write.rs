//! Writes one object: adopted first, or replaced, where the plan says so, then applied.

use std::time::Duration;

use serde_json::Value;

use super::error::SyncError;
use super::input::SyncDeps;
use super::permit::Writing;
use super::steps::Work;
use super::{record, restore};
use crate::app::{Authority, Verb};
use crate::class::Classified;
use crate::cluster::{Applied, ApplyError, ApplyMode, Cluster, ClusterError, Deleted};
use crate::manifest::ObjectKey;
use crate::plan::deletion::{Record, deletable};
use crate::plan::marks::OWNER_ANNOTATION;
use crate::plan::{Action, Cause, Marks, Owner, TakeOver, adoption_patch, bears_same_mark, leftover};
use crate::store::inventory::AppliedObject;

/// How often an object that changes under our hands is tried.
const TRIES: usize = 4;
/// How long a replaced object may take to go.
const GONE_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) struct Written {
    pub object: AppliedObject,
    pub warnings: Vec<String>,
    /// It was being deleted before, and an apply does not take that back.
    pub is_dying: bool,
}

pub(super) fn is_terminating(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

pub(super) enum WriteError {
    Apply(ApplyError),
    /// It was deleted to be made again, and the server does not take the new one.
    NotReplaced {
        error: Box<ApplyError>,
        back: Box<restore::Back>,
    },
    Sync(SyncError),
}

impl From<ClusterError> for WriteError {
    fn from(error: ClusterError) -> Self {
        Self::Apply(error.into())
    }
}

/// All of it or nothing: what was begun with a right is not left half done, as an object would be that is deleted to be
/// made again.
pub(super) async fn write(
    deps: &SyncDeps,
    authority: &dyn Authority,
    work: &Work<'_>,
    _permit: &Writing,
) -> Result<Written, WriteError> {
    let key = &work.change.key;
    authority.ask(Verb::Write, &key.id()).map_err(|refusal| WriteError::Sync(refusal.into()))?;
    let removed = if work.change.action == Action::Replace { remove(&deps.cluster, work).await? } else { None };
    if let Some(TakeOver::Unmarked | TakeOver::OtherTool { .. }) = work.change.takes_over {
        adopt(&deps.cluster, key).await?;
    }
    let answer = match restore::made_again(removed.is_some(), || force(&deps.cluster, key, &work.desired.object)).await
    {
        Err(ApplyError::Invalid { message, causes }) => {
            // What was deleted has left nothing: it is put back.
            if removed.is_none() && take_leftover(&deps.cluster, key, &work.desired.object, &causes).await? {
                force(&deps.cluster, key, &work.desired.object).await
            } else {
                Err(ApplyError::Invalid { message, causes })
            }
        }
        answer => answer,
    };
    let Applied { object, warnings } = match (answer, removed) {
        (Err(error), Some(old)) if !error.class().is_retry() => {
            let back = Box::new(restore::put_back(deps, work, &old).await);
            return Err(WriteError::NotReplaced { error: Box::new(error), back });
        }
        (answer, _) => answer.map_err(WriteError::Apply)?,
    };
    let is_dying = is_terminating(&object);
    let object = record::applied(deps, key, &work.desired.hash, &object)?;
    Ok(Written { object, warnings, is_dying })
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
    Err(WriteError::Apply(ApplyError::Stale { message: "it changes too fast to be taken over".to_owned() }))
}

/// Makes ours what others have left in an object of ours and the server does not take beside what we apply. Whether
/// there was any.
async fn take_leftover(
    cluster: &Cluster,
    key: &ObjectKey,
    desired: &Value,
    causes: &[Cause],
) -> Result<bool, WriteError> {
    for _ in 0..TRIES {
        let Some(live) = cluster.get(key).await?.filter(|live| bears_same_mark(live, desired)) else {
            return Ok(false);
        };
        let Some(leftover) = leftover(&live, desired, causes, cluster.field_manager()) else { return Ok(false) };
        match cluster.patch_json(key, &leftover.takes, false).await {
            Ok(_) => return Ok(true),
            Err(ClusterError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(WriteError::Apply(ApplyError::Stale { message: "it changes too fast to be taken over".to_owned() }))
}

/// Deletes the object that is to be made anew, and waits until it is gone; the object as it was. If it is not clearly
/// ours to delete by now, the next plan says so.
async fn remove(cluster: &Cluster, work: &Work<'_>) -> Result<Option<Value>, WriteError> {
    let key = &work.change.key;
    let Some((old, deleted)) = begin_removal(cluster, work).await? else { return Ok(None) };
    let uid = old.pointer("/metadata/uid").and_then(Value::as_str);
    if deleted != Deleted::Accepted {
        return Ok(Some(old));
    }
    let deadline = tokio::time::Instant::now() + GONE_WITHIN;
    loop {
        let left =
            cluster.get(key).await?.filter(|object| object.pointer("/metadata/uid").and_then(Value::as_str) == uid);
        let Some(left) = left else { return Ok(Some(old)) };
        if tokio::time::Instant::now() >= deadline {
            let message = super::health::status::of(&left).message().to_owned();
            return Err(WriteError::Sync(SyncError::NotGone {
                object: Box::new(key.clone()),
                message,
                after: GONE_WITHIN,
            }));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The object that goes, as it was; None where there is none.
async fn begin_removal(cluster: &Cluster, work: &Work<'_>) -> Result<Option<(Value, Deleted)>, WriteError> {
    let key = &work.change.key;
    let stale = |message: String| WriteError::Apply(ApplyError::Stale { message });
    // The mark that the new one will bear.
    let annotation = work
        .desired
        .object
        .pointer("/metadata/annotations")
        .and_then(|annotations| annotations.get(OWNER_ANNOTATION)?.as_str());
    let marks =
        annotation.and_then(Owner::parse).and_then(|owner| Some(Marks::new(&owner.instance, &owner.app.parse().ok()?)));
    let marks = marks.ok_or_else(|| stale("it does not carry this app's label".to_owned()))?;
    let record = work.row.map_or(Record::None, |row| Record::of_row(row.uid.as_deref()));
    for _ in 0..TRIES {
        let Some(live) = cluster.get(key).await? else { return Ok(None) };
        let ours =
            deletable(&live, &key.id(), &marks, record).map_err(|kept| stale(format!("it is not replaced: {kept}")))?;
        match cluster.delete(key, &ours.replaced()).await {
            Ok(deleted) => return Ok(Some((live, deleted))),
            Err(ClusterError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(stale("it changes too fast to be deleted".to_owned()))
}
