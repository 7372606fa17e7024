//! The reads and dry runs of a plan, each for one object.

use super::input::{PlanInput, ReconcileError};
use super::verdict::verdict;
use crate::class::{Class, Classified};
use crate::cluster::{Applied, ApplyError, ApplyMode, Cluster, ClusterError};
use crate::lifecycle::beside;
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::deletion::{Deletable, Record, WantedUids, prunable};
use crate::plan::marks::taken_off;
use crate::plan::{
    Cause, Change, Conflict, DryRun, NotValidated, PreparedObject, REPLACE_ANNOTATION, RefusedBy, Siblings, Taken,
    Verdict, bears_same_mark, emptied, fill_empty, leftover, may_be_renamed, prune, renamed, trial_copy,
    under_its_name,
};
use serde_json::Value;

/// An object that changes while it is asked about is asked about again.
const STALE_TRIES: usize = 3;

/// Asks by a dry-run what an apply would do: first without force, and with it where other managers own fields, so that
/// the plan shows the result and whose the fields are. `applied`: the uid of the object to which this very manifest was
/// applied last.
pub(super) async fn dry_run(
    cluster: &Cluster,
    wanted: &PreparedObject,
    coming: &Siblings,
    applied: Option<&str>,
) -> Result<DryRun, ReconcileError> {
    let apply = async |force| apply_unless_stale(cluster, wanted, ApplyMode { dry_run: true, force }).await;
    let (answer, conflicts) = match apply(false).await {
        Err(ApplyError::Conflicts { conflicts }) => (apply(true).await, conflicts),
        answer => (answer, Vec::new()),
    };
    let answer = match answer {
        Err(ApplyError::Invalid { message, causes }) => match without_leftover(cluster, wanted, &causes).await? {
            Some((object, held)) => {
                let conflicts = [conflicts, held].concat();
                return Ok(DryRun { result: Some(object), conflicts, ..DryRun::without_result(Verdict::Accepted) });
            }
            None => Err(ApplyError::Invalid { message, causes }),
        },
        answer => answer,
    };
    match answer {
        Ok(answer) => {
            let (Applied { mut object, warnings }, found) = with_renamed(cluster, wanted, answer, applied).await?;
            // The sync applies it once more.
            fill_empty(&wanted.desired.object, &mut object);
            let (takes, held) = found.unzip();
            let conflicts = [conflicts, held.unwrap_or_default()].concat();
            let accepted = DryRun::without_result(Verdict::Accepted);
            let warnings = warnings.into_iter().chain(taken_off(&wanted.desired.object, &object)).collect();
            Ok(DryRun { result: Some(object), conflicts, takes: takes.map(Box::new), warnings, ..accepted })
        }
        Err(error) => {
            // Not what a policy or a webhook denies: to delete an object and create it again must not be a way around
            // it.
            let may_replace =
                wanted.replace && matches!(error, ApplyError::Immutable { .. } | ApplyError::Invalid { .. });
            let is_immutable = matches!(error, ApplyError::Immutable { .. });
            let refused = match verdict(wanted, error, coming) {
                Ok(verdict) => verdict,
                Err(source) => return Err(ReconcileError::Object { key: wanted.key.clone(), source }),
            };
            match refused {
                refused @ Verdict::Rejected { .. } if may_replace => {
                    replacement(cluster, wanted, coming, refused, is_immutable).await
                }
                refused if wanted.replace => Ok(DryRun {
                    conflicts,
                    ..DryRun::without_result(not_replaced(
                        refused,
                        "the cluster rejects the object itself, not the change of a field",
                    ))
                }),
                refused => Ok(DryRun { conflicts, ..DryRun::without_result(refused) }),
            }
        }
    }
}

/// The object as a heal leaves it, where only what others have left in it is in the way of that: asked about in one
/// request, as a dry-run cannot stand on another.
async fn without_leftover(
    cluster: &Cluster,
    wanted: &PreparedObject,
    causes: &[Cause],
) -> Result<Option<(Value, Vec<Conflict>)>, ReconcileError> {
    let mut tries = 1;
    loop {
        let Some(live) = live(cluster, &wanted.key).await? else { return Ok(None) };
        if !bears_same_mark(&live, &wanted.desired.object) {
            return Ok(None);
        }
        let desired = &wanted.desired.object;
        let left = leftover(&live, desired, causes, cluster.field_manager()).map(|left| (left.heals, left.held));
        let to_empty = || emptied(&live, desired, causes).map(|emptied| (emptied.heals, Vec::new()));
        let Some((heals, held)) = left.or_else(to_empty) else { return Ok(None) };
        match cluster.patch_json(&wanted.key, &heals, true).await {
            Ok(object) => return Ok(Some((object, held))),
            // A controller has written between the read and the patch.
            Err(ClusterError::Conflict { .. }) if tries < 3 => tries += 1,
            Err(error) if error.class() == Class::Fail => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What came of ours under another name, with what is to be taken over.
type Found = ((Taken, Value), Vec<Conflict>);

/// What a look for it has come to.
enum Came {
    Seen(Option<Box<Found>>),
    /// The object has changed since the answer.
    Moved,
}

/// The answer to a dry-run, with what came of ours under another name. An object that changes meanwhile is asked about
/// again: what is missed now is not found later, as ours is there again by then.
async fn with_renamed(
    cluster: &Cluster,
    wanted: &PreparedObject,
    mut answer: Applied,
    applied: Option<&str>,
) -> Result<(Applied, Option<Found>), ReconcileError> {
    for _ in 0..STALE_TRIES {
        if let Came::Seen(found) = without_renamed(cluster, wanted, &answer.object, applied).await? {
            return Ok((answer, found.map(|found| *found)));
        }
        match apply_unless_stale(cluster, wanted, ApplyMode { dry_run: true, force: true }).await {
            Ok(next) => answer = next,
            Err(_) => break,
        }
    }
    Ok((answer, None))
}

/// What came of ours under another name, and what an apply would leave without it. Only what was applied before tells
/// what was ours, so that a new manifest takes nothing of others.
async fn without_renamed(
    cluster: &Cluster,
    wanted: &PreparedObject,
    answer: &Value,
    applied: Option<&str>,
) -> Result<Came, ReconcileError> {
    let (desired, manager) = (&wanted.desired.object, cluster.field_manager());
    let version = |object: &Value| object.pointer("/metadata/resourceVersion").cloned();
    let uid = |object: &Value| object.pointer("/metadata/uid").cloned();
    if applied.is_none() || uid(answer).as_ref().and_then(Value::as_str) != applied {
        return Ok(Came::Seen(None));
    }
    if !beside(|| may_be_renamed(answer, desired, manager)) {
        return Ok(Came::Seen(None));
    }
    let Some(live) = live(cluster, &wanted.key).await?.filter(|live| bears_same_mark(live, desired)) else {
        return Ok(Came::Seen(None));
    };
    if version(&live) != version(answer) {
        return Ok(Came::Moved);
    }
    let Some(renamed) = beside(|| renamed(&live, answer, desired, manager)) else { return Ok(Came::Seen(None)) };
    let Some(heals) = renamed.heals(answer) else { return Ok(Came::Seen(None)) };
    match cluster.patch_json(&wanted.key, &heals, true).await {
        Ok(object) => Ok(Came::Seen(Some(Box::new(((renamed.taken, object), renamed.held))))),
        Err(ClusterError::Conflict { .. }) => Ok(Came::Moved),
        // What the server does not let go stays, and the heal says so.
        Err(error) if error.class() == Class::Fail => Ok(Came::Seen(None)),
        Err(error) => Err(error.into()),
    }
}

/// Whether the manifest is taken as a new object: then only the change was refused, whatever words the server found for
/// that, and the object is replaced. Where nothing can be made on trial the server's words decide.
async fn replacement(
    cluster: &Cluster,
    wanted: &PreparedObject,
    coming: &Siblings,
    refused: Verdict,
    is_immutable: bool,
) -> Result<DryRun, ReconcileError> {
    let asked = match trial_copy(wanted) {
        // Once only: the stand-in is not there, so nothing of it can be immutable.
        Some(other) => Box::pin(dry_run(cluster, &PreparedObject { replace: false, ..other }, coming, None)).await?,
        None if is_immutable => DryRun::without_result(Verdict::NotValidated { reason: NotValidated::Replaced }),
        None => {
            let why = "the cluster does not report an immutable field";
            return Ok(DryRun::without_result(not_replaced(refused, why)));
        }
    };
    if !is_immutable && asked.verdict != Verdict::Accepted {
        let why = "the cluster rejects the manifest as a new object as well";
        return Ok(DryRun::without_result(not_replaced(refused, why)));
    }
    // A policy or a webhook may judge by the name: once the old object is deleted it would be too late to hear of that.
    match cluster.try_create(&wanted.key, &under_its_name(&wanted.key, &wanted.desired.object)).await {
        Ok(()) => Ok(DryRun { replaces: Some(refused), ..asked }),
        Err(error) => match verdict(wanted, error, coming) {
            Ok(Verdict::Rejected { message, .. }) => {
                let why = format!("the cluster rejects it as a new object ({})", message.trim_end_matches('.'));
                Ok(DryRun::without_result(not_replaced(refused, &why)))
            }
            Ok(verdict) => Ok(DryRun { replaces: Some(refused), ..DryRun::without_result(verdict) }),
            Err(source) => Err(ReconcileError::Object { key: wanted.key.clone(), source }),
        },
    }
}

/// A refusal of an object that asks to be replaced, with the reason why it is not.
fn not_replaced(refused: Verdict, why: &str) -> Verdict {
    match refused {
        Verdict::Rejected { message, causes } => {
            let message = message.trim_end_matches('.');
            Verdict::Rejected { message: format!("{message}. `{REPLACE_ANNOTATION}` does not help: {why}."), causes }
        }
        other => other,
    }
}

async fn apply_unless_stale(
    cluster: &Cluster,
    wanted: &PreparedObject,
    mode: ApplyMode,
) -> Result<Applied, ApplyError> {
    let mut tries = 1;
    loop {
        match cluster.apply(&wanted.key, &wanted.desired.object, mode).await {
            Err(ApplyError::Stale { .. }) if tries < STALE_TRIES => tries += 1,
            answer => return answer,
        }
    }
}

/// What the manifest would be as an object that is not there yet. None where the server does not tell: that it would
/// not take it is no fault of a change to the one that is there.
pub(super) async fn fresh(cluster: &Cluster, wanted: &PreparedObject) -> Result<Option<Value>, ReconcileError> {
    let Some(other) = trial_copy(wanted) else { return Ok(None) };
    match cluster.apply(&other.key, &other.desired.object, ApplyMode { dry_run: true, force: true }).await {
        Ok(Applied { object, .. }) => Ok(Some(object)),
        Err(error) if error.class() == Class::Fail => Ok(None),
        Err(source) => Err(ReconcileError::Object { key: wanted.key.clone(), source }),
    }
}

/// The live object, in another version where that of the key is not served; None where there is none, or none can be
/// because its kind is not served yet.
pub(super) async fn live(cluster: &Cluster, key: &ObjectKey) -> Result<Option<Value>, ClusterError> {
    match cluster.get_in_any_version(key).await {
        Err(ClusterError::UnknownKind { .. }) => Ok(None),
        found => found,
    }
}

/// What is live of an object that decides over others, and what an apply would make of it: its manifest where the
/// server does not take it, as its own verdict says.
pub(super) async fn decider(
    cluster: &Cluster,
    id: &ObjectId,
    object: Value,
) -> Result<(Option<Value>, Value), ReconcileError> {
    let ObjectId { group, kind, name, namespace } = id.clone();
    let namespace = namespace.filter(|_| kind != "Namespace");
    let key = ObjectKey { group, version: "v1".to_owned(), kind, namespace, name };
    let live = match live(cluster, &key).await {
        Err(error) if error.class() == Class::Fail => return Ok((None, object)),
        live => live?,
    };
    if live.is_none() {
        return Ok((None, object));
    }
    let applied = cluster.apply(&key, &object, ApplyMode { dry_run: true, force: true }).await;
    Ok((live, applied.map_or(object, |applied| applied.object)))
}

/// What becomes of an object that is no longer rendered. None where it is not there any more.
pub(super) async fn removal(
    cluster: &Cluster,
    input: &PlanInput<'_>,
    id: &ObjectId,
    wanted: &WantedUids,
) -> Result<Option<Change>, ReconcileError> {
    let key = match cluster.locate(id).await {
        Err(ClusterError::UnknownKind { .. }) => return Ok(None),
        key => key?,
    };
    let mut key = key;
    let object = match live(cluster, &key).await {
        Err(error) if error.is_conversion() => match cluster.get_unconverted(&key, error).await {
            Ok(found) => Ok(found.map(|(readable, live)| {
                key = readable;
                live
            })),
            // The others are not at fault for that, and neither is the cluster.
            Err(error) if error.is_conversion() => {
                let verdict = Verdict::NotValidated { reason: NotValidated::Unread { message: error.to_string() } };
                return Ok(Some(Change::new(key, crate::plan::Action::Prune, verdict)));
            }
            Err(error) => Err(error),
        },
        live => live,
    };
    let object = match object {
        // We may not touch this kind any more: the others are not at fault for that.
        Err(error) if error.class() == Class::Fail => {
            let verdict = Verdict::Rejected { message: error.to_string(), causes: Vec::new() };
            return Ok(Some(Change::new(key, crate::plan::Action::Prune, verdict)));
        }
        object => object?,
    };
    let Some(object) = object else { return Ok(None) };
    let owned = input.inventory.iter().find(|owned| owned.id == *id);
    let record = owned.map_or(Record::None, |owned| Record::of_row(owned.uid.as_deref()));
    let ours = match prunable(&object, id, input.marks, record, wanted) {
        Ok(ours) => ours,
        Err(kept) => {
            let change = Change::new(key, crate::plan::Action::None, Verdict::Accepted);
            return Ok(Some(Change { notes: vec![format!("Kept: {kept}.")], ..change }));
        }
    };
    if let Err(refusal) = input.allow.object(&input.app.id.repo, id) {
        // What is there is not shown either: whoever may not write it may not read it.
        let verdict = Verdict::Rejected { message: refusal.to_string(), causes: Vec::new() };
        let change = Change::new(key, crate::plan::Action::Prune, verdict);
        return Ok(Some(Change { refused_by: RefusedBy::Configuration, ..change }));
    }
    let verdict = dry_delete(cluster, &key, &ours).await?;
    Ok(Some(prune(key, object, verdict)))
}

async fn dry_delete(cluster: &Cluster, key: &ObjectKey, ours: &Deletable) -> Result<Verdict, ReconcileError> {
    match cluster.try_delete(key, ours).await {
        Ok(_) => Ok(Verdict::Accepted),
        Err(ClusterError::WebhookWithoutDryRun { message }) => {
            Ok(Verdict::NotValidated { reason: NotValidated::WebhookWithoutDryRun { message } })
        }
        Err(error) if error.class() == Class::Fail => {
            Ok(Verdict::Rejected { message: error.to_string(), causes: Vec::new() })
        }
        Err(error) => Err(error.into()),
    }
}
