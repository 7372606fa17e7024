//! Deletes the objects that are no longer in Git, once everything else is healthy.

use std::sync::{Mutex, PoisonError};

use futures::StreamExt;
use serde_json::Value;

use super::error::SyncError;
use super::input::SyncDeps;
use super::permit::{Permits, Writing};
use super::secrets::{self, Secrets, SeenSecrets, ShownError};
use super::steps::{PruneStep, compare_prunes, prune_step};
use crate::app::{App, Authority, Verb};
use crate::cluster::{Cluster, ClusterError, Deleted};
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::deletion::{NotWanted, Record, WantedUids, prunable};
use crate::plan::{Marks, REPAIR_CONVERSION, kept_for};
use crate::redact::{Shown, holds_secrets};
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::store::waits::{Touched, WaitObject};

/// How often an object that changes under our hands is tried.
const TRIES: usize = 4;
/// How many objects a message names.
const NAMED: usize = 3;
/// What the app may not touch is not named to it.
const SOMEBODYS: &str = "an object of others";

/// What a prune did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Gone, or being deleted. What an earlier prune has begun to delete is not told again.
    pub deleted: Vec<ObjectKey>,
    /// No longer there, whoever began with that.
    pub gone: Vec<ObjectKey>,
    /// Left in the cluster, with the reason; they are no longer in the inventory.
    pub kept: Vec<(ObjectKey, String)>,
    /// To be deleted, and not read, as the conversion of their kind is broken; with the reason.
    pub unread: Vec<(ObjectKey, Shown)>,
    /// Those of the deleted that finalizers or a grace period still keep.
    pub waits: Vec<WaitObject>,
}

/// Deletes the objects that the inventory has and the app no longer wants: with the last apply, which a gate has
/// allowed, they were marked so. Only what is clearly ours ([`prunable`]), and only what a look has found to be wanted
/// by no other app; in the reverse of the order of an apply. What `authority` does not grant any more stays, and is an
/// error. No error shows a value of a Secret that the app has, or had before this.
pub async fn prune(
    deps: &SyncDeps,
    app: &App,
    marks: &Marks,
    not_wanted: &NotWanted,
    authority: &dyn Authority,
    permits: Permits<'_>,
) -> Result<Pruned, ShownError> {
    let secrets = Mutex::default();
    let done = work(deps, app, Asks { marks, not_wanted, authority, secrets: &secrets }, permits).await;
    let objects = std::mem::take(&mut *secrets.lock().unwrap_or_else(PoisonError::into_inner));
    let seen = SeenSecrets { objects: &objects, ..SeenSecrets::default() };
    match done {
        Ok((pruned, unread)) if unread.is_empty() => Ok(pruned),
        Ok((pruned, unread)) => {
            let place = (deps.cluster.name(), Some(&deps.cluster));
            let secrets = Secrets::read(&deps.store, place, &app.id, seen).await;
            let unread = unread.into_iter().map(|(key, why)| (key, secrets.show(&why))).collect();
            Ok(Pruned { unread, ..pruned })
        }
        Err(error) => Err(secrets::show_error(&error, &deps.store, &deps.cluster, &app.id, seen).await),
    }
}

/// What was done, and why some could not be read, as the server says it.
async fn work(
    deps: &SyncDeps,
    app: &App,
    asks: Asks<'_>,
    permits: Permits<'_>,
) -> Result<(Pruned, Vec<(ObjectKey, String)>), SyncError> {
    let not_wanted = asks.not_wanted;
    let rows = deps.store.inventory_of(deps.cluster.name(), &app.id).await?;
    let goes = |row: &ObjectRow| {
        matches!(row.state, ObjectState::Pruning | ObjectState::Deleting) && not_wanted.has(&row.key.id())
    };
    let stays =
        |row: &&ObjectRow| !matches!(row.state, ObjectState::Pruning | ObjectState::Deleting | ObjectState::Held);
    let wanted = WantedUids::of(rows.iter().filter(stays).filter_map(|row| Some((row.uid.clone()?, row.key.id()))));
    let wanted = &wanted.ended(!rows.iter().any(|row| stays(&row)));
    let mut rows: Vec<_> = rows.into_iter().filter(goes).collect();
    rows.sort_by(|a, b| compare_prunes(&a.key, &b.key));
    let (mut pruned, mut unread) = (Pruned::default(), Vec::new());
    for members in rows.chunk_by(|a, b| prune_step(&a.key) == prune_step(&b.key)) {
        let is_custom = members.iter().any(|row| prune_step(&row.key) == PruneStep::Custom);
        let writing = &permits.begin()?;
        // What another app has claimed since is its object, also before its mark is on it.
        let ids: Vec<ObjectId> = members.iter().map(|row| row.key.id()).collect();
        let begun = deps.store.begin_deletes(deps.cluster.name(), &app.id, &ids).await?;
        let members = members.iter().filter(|row| begun.contains(&row.key.id()));
        let deletes = members.map(|row| async move { (row, delete(&deps.cluster, asks, wanted, row, writing).await) });
        let results: Vec<_> = futures::stream::iter(deletes.collect::<Vec<_>>())
            .buffered(deps.cluster.concurrency().max(1))
            .collect()
            .await;
        let (mut gone, mut left) = (Vec::new(), Vec::new());
        let mut broken = None;
        for (row, result) in results {
            match result {
                Ok(End::Left) => left.push(row.key.id()),
                Ok(End::Unread(why)) => {
                    left.push(row.key.id());
                    unread.push((row.key.clone(), why));
                }
                Ok(end) => pruned.note(row, end, &mut gone),
                Err(error) => {
                    left.push(row.key.id());
                    broken = Some(error);
                }
            }
        }
        deps.store.undo_deletes(deps.cluster.name(), &app.id, &left).await?;
        deps.store.forget_objects(deps.cluster.name(), &app.id, &gone).await?;
        if let Some(error) = broken {
            return Err(error);
        }
        // Whoever takes their finalizers off may be among what is still to be deleted: the prune goes on once they are
        // gone.
        if is_custom && !pruned.waits.is_empty() {
            break;
        }
    }
    Ok((pruned, unread))
}

/// What became of one object.
enum End {
    Gone,
    Deleting {
        uid: String,
    },
    Kept(String),
    /// It stays, and stays in the inventory.
    Left,
    /// So does what cannot be read.
    Unread(String),
}

impl Pruned {
    /// What is not deleted, why, and what to do.
    pub fn not_read(&self) -> Option<String> {
        let one = |(key, why): &(ObjectKey, Shown)| format!("{key}: {why}");
        let named: Vec<String> = self.unread.iter().take(NAMED).map(one).collect();
        let more = match self.unread.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        (!named.is_empty()).then(|| format!("could not delete {}{more}. {REPAIR_CONVERSION}", named.join("; ")))
    }

    fn note(&mut self, row: &ObjectRow, end: End, gone: &mut Vec<ObjectId>) {
        // One that was being deleted already was told by the prune that began with it.
        let is_new = row.state == ObjectState::Pruning;
        match end {
            End::Gone => {
                self.deleted.extend(is_new.then(|| row.key.clone()));
                self.gone.push(row.key.clone());
                gone.push(row.key.id());
            }
            End::Deleting { uid } => {
                self.deleted.extend(is_new.then(|| row.key.clone()));
                self.waits.push(WaitObject {
                    key: row.key.clone(),
                    uid: Some(uid),
                    resource_version: None,
                    touched: Touched::default(),
                });
            }
            End::Kept(reason) => {
                self.kept.push((row.key.clone(), reason));
                gone.push(row.key.id());
            }
            End::Left | End::Unread(_) => {}
        }
    }
}

/// What is asked before an object is deleted.
#[derive(Clone, Copy)]
struct Asks<'a> {
    marks: &'a Marks,
    not_wanted: &'a NotWanted,
    authority: &'a dyn Authority,
    /// The Secrets that were read to be deleted: what is said later may still repeat them.
    secrets: &'a Mutex<Vec<(ObjectKey, Value)>>,
}

async fn delete(
    cluster: &Cluster,
    asks: Asks<'_>,
    wanted: &WantedUids,
    row: &ObjectRow,
    _permit: &Writing,
) -> Result<End, SyncError> {
    let Asks { marks, not_wanted, authority, secrets } = asks;
    let mut last = None;
    for _ in 0..TRIES {
        authority.ask(Verb::Delete, &row.key.id())?;
        let (key, live) = match read(cluster, row).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(End::Gone),
            Err(error) if error.is_conversion() => return Ok(End::Unread(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        if holds_secrets(&key, &live) {
            secrets.lock().unwrap_or_else(PoisonError::into_inner).push((key.clone(), live.clone()));
        }
        let ours = match prunable(&live, &row.key.id(), marks, Record::of_row(row.uid.as_deref()), wanted) {
            Ok(ours) => ours,
            Err(kept) => return Ok(End::Kept(kept.to_string())),
        };
        let uid = ours.uid().to_owned();
        // One that is being deleted already needs only to be waited for.
        if live.pointer("/metadata/deletionTimestamp").is_some() {
            return Ok(End::Deleting { uid });
        }
        if let Some((id, mark)) = cluster.stays_in(&key).await? {
            let who = if authority.ask(Verb::Delete, &id).is_ok() { id.to_string() } else { SOMEBODYS.to_owned() };
            return Ok(End::Kept(kept_for(&who, mark)));
        }
        let Some(may_delete) = ours.pruned(not_wanted) else { return Ok(End::Left) };
        match cluster.delete(&key, &may_delete).await {
            Ok(Deleted::Gone | Deleted::NotFound) => return Ok(End::Gone),
            Ok(Deleted::Accepted) => return Ok(End::Deleting { uid }),
            Err(error @ ClusterError::Conflict { .. }) => last = Some(error),
            Err(error) if error.is_conversion() => return Ok(End::Unread(error.to_string())),
            Err(error) => return Err(error.into()),
        }
    }
    let message = format!("{} changes too fast to be deleted", row.key);
    Err(last.unwrap_or(ClusterError::Conflict { cluster: cluster.name().clone(), message }).into())
}

/// The live object, in a version that the cluster still serves and in which it can be read. None where it is gone,
/// alone or with its kind.
async fn read(cluster: &Cluster, row: &ObjectRow) -> Result<Option<(ObjectKey, Value)>, ClusterError> {
    let key = match cluster.locate(&row.key.id()).await {
        Ok(key) => key,
        Err(ClusterError::UnknownKind { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    match cluster.get(&key).await {
        Err(error) if error.is_conversion() => cluster.get_unconverted(&key, error).await,
        found => Ok(found?.map(|live| (key, live))),
    }
}
