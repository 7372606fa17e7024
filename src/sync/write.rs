//! Writes one object: takes it over or replaces it if the plan says so, then applies it.

use std::time::Duration;

use serde_json::Value;

use super::error::SyncError;
use super::input::SyncDeps;
use super::permit::Writing;
use super::remains::Remains;
use super::restore::About;
use super::steps::Work;
use super::take::Takes;
use super::{record, restore, trial};
use crate::app::Verb;
use crate::cluster::{Applied, ApplyError, ApplyMode, Cluster, ClusterError, Deleted};
use crate::manifest::ObjectKey;
use crate::plan::deletion::{Record, deletable};
use crate::plan::marks::{OWNER_ANNOTATION, taken_off};
use crate::plan::{Action, Marks, Owner, TakeOver, emptied, has_null_for_empty, leftover};
use crate::store::inventory::AppliedObject;

/// How often an object that changes under our hands is tried.
const TRIES: usize = 4;
/// How long a replaced object may take to go.
const GONE_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) struct Written {
    pub object: AppliedObject,
    pub warnings: Vec<String>,
    /// What of it is not as the plan has it.
    pub remains: Remains,
    /// It was being deleted before, and an apply does not take that back.
    pub is_dying: bool,
}

pub(super) fn is_terminating(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

pub(super) enum WriteError {
    Apply(ApplyError),
    /// It was to be deleted and made again, and the server would not take the new one any more.
    NotRemoved(Box<ApplyError>),
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

/// The object that was deleted to be made again.
struct Removed {
    /// As it was.
    old: Value,
    is_kept: bool,
}

/// All of it or nothing: what was begun with a right is not left half done, as an object would be that is deleted to be
/// made again.
pub(super) async fn write(
    deps: &SyncDeps,
    about: About<'_>,
    work: &Work<'_>,
    _permit: &Writing,
) -> Result<Written, WriteError> {
    let key = &work.change.key;
    about.authority.ask(Verb::Write, &key.id()).map_err(|refusal| WriteError::Sync(refusal.into()))?;
    let removed = if work.change.action == Action::Replace {
        let refusal = restore::refusal(deps, about.by_hand, work).await;
        if let Some(refusal) = refusal.map_err(|error| WriteError::Sync(error.into()))? {
            return Err(WriteError::Apply(refusal));
        }
        remove(deps, about, work).await?
    } else {
        None
    };
    let Applied { object, warnings } = match (make(&deps.cluster, work, removed.is_some()).await, removed) {
        (Ok(applied), Some(_)) => {
            restore::forget(deps, key).await;
            restore::done(deps, key).await;
            applied
        }
        (Ok(applied), None) => applied,
        // Whatever it is: what was there is gone until something is made.
        (Err(WriteError::Apply(error)), Some(Removed { old, is_kept })) => {
            let back = restore::put_back(deps, key, restore::was_applied(about, work), &old, is_kept).await;
            if !matches!(back, restore::Back::Gone { .. }) {
                restore::forget(deps, key).await;
            }
            restore::note(deps, work, &back).await;
            return Err(WriteError::NotReplaced { error: Box::new(error), back: Box::new(back) });
        }
        (Err(error), _) => return Err(error),
    };
    let is_dying = is_terminating(&object);
    let mut remains = Remains::of(work.change, &work.desired.object, &object);
    remains.added.extend(taken_off(&work.desired.object, &object));
    let object = record::applied(deps, key, &work.desired.hash, &object)?;
    Ok(Written { object, warnings, remains, is_dying })
}

/// Makes the object what is wanted. Where that is refused nothing of it has changed.
async fn make(cluster: &Cluster, work: &Work<'_>, was_removed: bool) -> Result<Applied, WriteError> {
    let mut takes = Takes::new(cluster, &work.change.key);
    let made = apply_taking(cluster, work, was_removed, &mut takes).await;
    if made.is_err() {
        takes.undo().await;
    }
    made.map_err(WriteError::Apply)
}

/// Takes over first what the plan has shown to be taken over, and nothing else.
async fn apply_taking(
    cluster: &Cluster,
    work: &Work<'_>,
    was_removed: bool,
    takes: &mut Takes<'_>,
) -> Result<Applied, ApplyError> {
    let (key, wanted, manager) = (&work.change.key, &work.desired.object, cluster.field_manager());
    if let Some(TakeOver::Unmarked | TakeOver::OtherTool { .. }) = work.change.takes_over {
        takes.adopt().await?;
    }
    if let Some(renamed) = work.change.takes.as_ref().filter(|_| !was_removed) {
        takes.take(wanted, |live| renamed.takes(live, manager)).await?;
    }
    match restore::made_again(was_removed, || force(cluster, key, wanted)).await {
        // What was deleted has left nothing.
        Err(ApplyError::Invalid { message, causes }) if !was_removed => {
            let empties = |live: &Value| Some(emptied(live, wanted, &causes)?.empties);
            let in_the_way = |live: &Value| {
                leftover(live, wanted, &causes, manager).map(|left| left.takes).or_else(|| empties(live))
            };
            if takes.take(wanted, in_the_way).await? {
                return force(cluster, key, wanted).await;
            }
            Err(ApplyError::Invalid { message, causes })
        }
        // The first apply takes the fields of a map away, and the second one finds them gone.
        Ok(applied) if has_null_for_empty(wanted, &applied.object) => force(cluster, key, wanted).await,
        answer => answer,
    }
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

/// Deletes the object that is to be made anew, and waits until it is gone; the object as it was. If it is not clearly
/// ours to delete by now, the next plan says so.
async fn remove(deps: &SyncDeps, about: About<'_>, work: &Work<'_>) -> Result<Option<Removed>, WriteError> {
    let (cluster, key) = (&deps.cluster, &work.change.key);
    let Some((removed, deleted)) = begin_removal(deps, about, work).await? else { return Ok(None) };
    if deleted != Deleted::Accepted {
        return Ok(Some(removed));
    }
    let uid = removed.old.pointer("/metadata/uid").and_then(Value::as_str);
    let deadline = tokio::time::Instant::now() + GONE_WITHIN;
    loop {
        let left =
            cluster.get(key).await?.filter(|object| object.pointer("/metadata/uid").and_then(Value::as_str) == uid);
        let Some(left) = left else { return Ok(Some(removed)) };
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

/// The object that goes, as it was; None where there is none. It is kept before it is deleted.
async fn begin_removal(
    deps: &SyncDeps,
    about: About<'_>,
    work: &Work<'_>,
) -> Result<Option<(Removed, Deleted)>, WriteError> {
    let (cluster, key) = (&deps.cluster, &work.change.key);
    let stale = |message: String| WriteError::Apply(ApplyError::Stale { message });
    // The mark that the new one will bear.
    let annotation = work
        .desired
        .object
        .pointer("/metadata/annotations")
        .and_then(|annotations| annotations.get(OWNER_ANNOTATION)?.as_str());
    let marks =
        annotation.and_then(Owner::parse).and_then(|owner| Some(Marks::new(&owner.instance, &owner.app.parse().ok()?)));
    let marks = marks.ok_or_else(|| stale("it does not carry this app's label and annotation".to_owned()))?;
    let record = work.row.map_or(Record::None, |row| Record::of_row(row.uid.as_deref()));
    for _ in 0..TRIES {
        let Some(live) = cluster.get(key).await? else { return Ok(None) };
        let ours =
            deletable(&live, &key.id(), &marks, record).map_err(|kept| stale(format!("it is not replaced: {kept}")))?;
        // What came with this very change, such as limits, may have decided otherwise since the plan.
        trial::ask(cluster, work).await.map_err(|error| WriteError::NotRemoved(Box::new(error)))?;
        let is_kept = restore::keep(deps, about, work, &live).await.map_err(|error| WriteError::Sync(error.into()))?;
        match cluster.delete(key, &ours.replaced()).await {
            Ok(deleted) => return Ok(Some((Removed { old: live, is_kept }, deleted))),
            Err(ClusterError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(stale("it changes too fast to be deleted".to_owned()))
}
