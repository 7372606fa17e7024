//! Restores an object that was deleted to be recreated, if the cluster does not accept the new one. It is stored from
//! before the deletion until an object of its name exists again, so that a later run of any process can restore it.

use std::time::Duration;

use serde_json::{Value, json};

use super::error::SyncError;
use super::input::SyncDeps;
use super::record::applied;
use super::steps::Work;

use crate::app::{Authority, Verb};
use crate::cluster::{ApplyError, Cluster, ClusterError};
use crate::ids::{AppId, Oid};
use crate::manifest::ObjectKey;
use crate::plan::{Marks, Redactor, as_it_was};
use crate::redact::holds_secrets;
use crate::store::StoreError;
use crate::store::inventory::AppliedObject;
use crate::store::replaced::Replaced;

/// How often the fields of what was put back are given to those who held them.
const TRIES: usize = 4;
/// A quota counts an object for a moment after it was deleted.
const COUNTED_FOR: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is known of the app beyond the object that is written.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub app: &'a AppId,
    pub authority: &'a dyn Authority,
    pub revision: &'a Oid,
    /// A person asks for this very sync.
    pub by_hand: bool,
    /// The values of its Secrets, where anything is replaced.
    pub secrets: &'a Redactor,
}

/// What became of the object that was deleted.
pub(super) enum Back {
    /// It is there as it was, under another uid; with what the inventory had of it, if the server has told the uid.
    There(Option<Box<Restored>>),
    /// There is one of its name that this run is not known to have made: the answer may have been lost, or somebody
    /// was faster.
    Another,
    /// The server does not take it either. Whether what it was is kept for the next runs.
    Gone { error: ApplyError, is_kept: bool },
}

pub(super) struct Restored {
    pub object: AppliedObject,
    pub revision: Oid,
}

const NOT_KEPT: &str = "Its content is not stored, because it is a Secret or contains a Secret's value. It is \
     created again from Git as soon as the cluster accepts it";

impl Back {
    /// What a person is told beside the error.
    pub(super) fn said(&self) -> String {
        match self {
            Self::There(_) => "It was deleted to be recreated; the old object was restored".to_owned(),
            Self::Another => {
                "It was deleted to be recreated; another object of that name exists now, and the next sync checks it"
                    .to_owned()
            }
            Self::Gone { error, is_kept } => {
                let next = if *is_kept { KEPT } else { NOT_KEPT };
                format!(
                    "It was deleted to be recreated, and the old object could not be restored ({error}): it is \
                     missing in the cluster. {next}"
                )
            }
        }
    }
}

const KEPT: &str =
    "Driftless has stored the old object, and tries to create the new or the old one at each sync and resync";

/// Keeps an object before it is deleted; whether what it held is kept as well. Of a Secret, and of what contains the
/// value of one, nothing is stored but that it was there.
pub(super) async fn keep(deps: &SyncDeps, about: About<'_>, work: &Work<'_>, live: &Value) -> Result<bool, StoreError> {
    let key = &work.change.key;
    let object = may_be_stored(key, live, about.secrets).then(|| live.clone());
    let is_kept = object.is_some();
    let applied = was_applied(about, work);
    let (cluster, app) = (deps.cluster.name().clone(), about.app.clone());
    let replaced = Replaced { cluster, app, key: key.clone(), object, applied, since: deps.store.now() };
    deps.store.keep_replaced(&replaced).await?;
    Ok(is_kept)
}

/// What the inventory has of an object that is put back. A run that failed after its claim has left no hash: an empty
/// one is that of no manifest, and the object is the app's under its new uid all the same.
pub(super) fn was_applied(about: About<'_>, work: &Work<'_>) -> (String, Oid) {
    let hash = work.row.and_then(|row| row.manifest_hash.clone()).unwrap_or_default();
    let revision = work.row.and_then(|row| row.applied_revision.clone()).unwrap_or_else(|| about.revision.clone());
    (hash, revision)
}

fn may_be_stored(key: &ObjectKey, live: &Value, secrets: &Redactor) -> bool {
    !holds_secrets(key, live) && is_free_of(live, secrets)
}

fn is_free_of(value: &Value, secrets: &Redactor) -> bool {
    let is_free = |text: &str| secrets.text(text).as_str() == text;
    match value {
        Value::String(text) => is_free(text),
        Value::Array(list) => list.iter().all(|one| is_free_of(one, secrets)),
        Value::Object(fields) => fields.iter().all(|(name, one)| is_free(name) && is_free_of(one, secrets)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// There is an object of that name again. Where that cannot be written down it is found by the next run.
pub(super) async fn forget(deps: &SyncDeps, key: &ObjectKey) {
    if let Err(error) = deps.store.forget_replaced(deps.cluster.name(), key).await {
        tracing::warn!(object = %key, %error, "an existing object is still recorded as missing");
    }
}

/// How often in a row an object is deleted and put back for one manifest, before there is a pause.
const IN_A_ROW: i64 = 3;
const PAUSE: i64 = 3_600_000;

/// What was deleted and put back again and again for the same manifest is left alone for a while: whoever uses it is
/// without it each time.
pub(super) async fn refusal(deps: &SyncDeps, by_hand: bool, work: &Work<'_>) -> Result<Option<ApplyError>, StoreError> {
    Ok(match deps.store.put_backs(deps.cluster.name(), &work.change.key, &work.desired.hash).await? {
        Some((times, last)) if !by_hand && times >= IN_A_ROW && deps.store.now() - last < PAUSE => {
            let message = format!(
                "it was deleted to be recreated and restored {times} times, because the cluster did not accept the \
                 new object. It is left unchanged for an hour, unless its manifest changes or somebody syncs the app \
                 by hand"
            );
            Some(ApplyError::Refused { message })
        }
        _ => None,
    })
}

/// Counts that an object was put back. Where that cannot be written down it is tried once more than it would be.
pub(super) async fn note(deps: &SyncDeps, work: &Work<'_>, back: &Back) {
    if !matches!(back, Back::There(_)) {
        return;
    }
    let key = &work.change.key;
    if let Err(error) = deps.store.note_put_back(deps.cluster.name(), key, &work.desired.hash).await {
        tracing::warn!(object = %key, %error, "the restore of an object could not be counted");
    }
}

/// It is replaced.
pub(super) async fn done(deps: &SyncDeps, key: &ObjectKey) {
    if let Err(error) = deps.store.forget_put_back(deps.cluster.name(), key).await {
        tracing::warn!(object = %key, %error, "the restore count of an object could not be reset");
    }
}

/// What a later run finds of an object that was deleted to be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// There is one of its name, or nobody wants it any more.
    No,
    /// It was missing until now, and is there again as it was.
    PutBack(ObjectKey),
    /// Why it is missing still, and what is done about it, in words.
    Missing { object: ObjectKey, why: String },
}

/// Looks for an object that an earlier run has deleted to make it again, and puts it back where there is none and it
/// is wanted still: with the marks of the app that it is the object of by now.
pub async fn look_for(
    deps: &SyncDeps,
    authority: &dyn Authority,
    marks: &Marks,
    replaced: &Replaced,
    is_wanted: bool,
) -> Result<Lost, SyncError> {
    let key = &replaced.key;
    if !is_wanted {
        deps.store.forget_replaced(&replaced.cluster, key).await?;
        return Ok(Lost::No);
    }
    let missing = |why: String| Lost::Missing { object: key.clone(), why: still_missing(replaced, &why) };
    match deps.cluster.get(key).await {
        // It is on its way out still, and may not come back.
        Ok(Some(live)) if live.pointer("/metadata/deletionTimestamp").is_some() => return Ok(Lost::No),
        Ok(Some(_)) => {
            deps.store.forget_replaced(&replaced.cluster, key).await?;
            return Ok(Lost::No);
        }
        Ok(None) => {}
        Err(error) => return Ok(missing(error.to_string())),
    }
    let Some(mut old) = replaced.object.clone() else { return Ok(missing(String::new())) };
    // Another app may have had it.
    marks.put(&mut old, &key.id());
    if let Err(refusal) = authority.ask(Verb::Write, &key.id()) {
        return Ok(missing(refusal.to_string()));
    }
    match put_back(deps, key, replaced.applied.clone(), &old, true).await {
        Back::There(restored) => {
            if let Some(restored) = restored {
                let Restored { object, revision } = *restored;
                deps.store.record_applied(&replaced.cluster, &replaced.app, &revision, &[object]).await?;
            }
            deps.store.forget_replaced(&replaced.cluster, key).await?;
            Ok(Lost::PutBack(key.clone()))
        }
        Back::Another => Ok(Lost::No),
        Back::Gone { error, .. } => Ok(missing(error.to_string())),
    }
}

fn still_missing(replaced: &Replaced, why: &str) -> String {
    let since = jiff::Timestamp::from_millisecond(replaced.since).map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC"));
    let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
    let (refused, next) = match (&replaced.object, why) {
        (Some(_), why) => (format!(", and the old one could not be restored ({why})"), KEPT),
        (None, "") => (String::new(), NOT_KEPT),
        (None, why) => (format!(" ({why})"), NOT_KEPT),
    };
    format!(
        "{} is missing in the cluster{since}: it was deleted to be recreated, which failed{refused}. {next}",
        replaced.key
    )
}

/// Does it again for a moment where a quota still counts what was deleted.
pub(super) async fn made_again<T, F>(was_deleted: bool, make: impl Fn() -> F) -> Result<T, ApplyError>
where
    F: Future<Output = Result<T, ApplyError>>,
{
    let deadline = tokio::time::Instant::now() + COUNTED_FOR;
    loop {
        match make().await {
            Err(error) if was_deleted && is_counted(&error) && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            answer => return answer,
        }
    }
}

fn is_counted(error: &ApplyError) -> bool {
    matches!(error, ApplyError::Forbidden { message } if message.contains("\" is forbidden: exceeded quota: "))
}

/// Makes the object again as it was, with its fields in the hands of those who held them. `row` is what the inventory
/// had of it.
pub(super) async fn put_back(
    deps: &SyncDeps,
    key: &ObjectKey,
    (hash, revision): (String, Oid),
    old: &Value,
    is_kept: bool,
) -> Back {
    let cluster = &deps.cluster;
    let new = as_it_was(old);
    let made = match made_again(true, || cluster.create(key, &new)).await {
        Ok(made) => made,
        // Its name is taken.
        Err(ApplyError::Stale { .. }) => return Back::Another,
        Err(error) => return Back::Gone { error, is_kept },
    };
    let made = give_back(cluster, key, made, &old["metadata"]["managedFields"]).await;
    let object = applied(deps, key, &hash, &made).ok();
    Back::There(object.map(|object| Box::new(Restored { object, revision })))
}

/// Without it all fields would be ours for good. It is no reason to fail where that cannot be done: the object is
/// there.
async fn give_back(cluster: &Cluster, key: &ObjectKey, mut made: Value, managers: &Value) -> Value {
    for _ in 0..TRIES {
        let version = &made["metadata"]["resourceVersion"];
        let patch = json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "replace", "path": "/metadata/managedFields", "value": managers},
        ]);
        match cluster.patch_json(key, &patch, false).await {
            Ok(object) => return object,
            Err(ClusterError::Conflict { .. }) => match cluster.get(key).await {
                Ok(Some(object)) => made = object,
                Ok(None) | Err(_) => break,
            },
            Err(_) => break,
        }
    }
    made
}
