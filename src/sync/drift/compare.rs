//! Compares the inventory with a metadata list. Pure.

use std::collections::HashMap;

use jiff::Timestamp;

use super::fingerprint::fingerprint;
use crate::cluster::PartialMeta;
use crate::ids::AppId;
use crate::manifest::ObjectId;
use crate::store::inventory::{Fingerprint, ObjectRow, ObjectState};

/// An object that may not be as it was left.
#[derive(Debug, Clone, PartialEq)]
pub struct Drifted {
    pub app: AppId,
    pub id: ObjectId,
    pub differs: Differs,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Differs {
    /// It is not there, or our label is not on it any more.
    Missing,
    /// Its metadata differ; a plan tells whether in anything that the app owns.
    Changed { print: Fingerprint, resource_version: String, meta: Box<PartialMeta> },
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Comparison {
    pub drifted: Vec<Drifted>,
    /// What is known better now although nothing differs: to be stored.
    pub refreshed: Vec<(ObjectId, Fingerprint, String)>,
    /// What bears a label like ours and has no row.
    pub without_row: Vec<PartialMeta>,
}

/// Compares the rows of one kind with the metadata of all objects of that kind that bear our label.
pub fn compare(rows: &[ObjectRow], metas: Vec<PartialMeta>, now: Timestamp) -> Comparison {
    let name = |meta: &PartialMeta| (meta.namespace.clone(), meta.name.clone());
    let mut live: HashMap<_, _> = metas.into_iter().map(|meta| (name(&meta), meta)).collect();
    let mut found = Comparison::default();
    for row in rows {
        let drifted = |differs| Drifted { app: row.app.clone(), id: row.key.id(), differs };
        match live.remove(&(row.key.namespace.clone(), row.key.name.clone())) {
            // What is claimed is being written, and what is to be pruned is not wanted.
            _ if !matches!(row.state, ObjectState::Applied | ObjectState::Outdated) => {}
            None if row.job_done => {}
            None => found.drifted.push(drifted(Differs::Missing)),
            // It is known to differ, and to stay so.
            Some(_) if row.state == ObjectState::Outdated => {}
            Some(meta) => match look_at(row, meta, now) {
                Look::Same => {}
                Look::Refreshed(print, version) => found.refreshed.push((row.key.id(), print, version)),
                Look::Other(differs) => found.drifted.push(drifted(differs)),
            },
        }
    }
    found.without_row = live.into_values().collect();
    found
}

enum Look {
    Same,
    Refreshed(Fingerprint, String),
    Other(Differs),
}

fn look_at(row: &ObjectRow, meta: PartialMeta, now: Timestamp) -> Look {
    let same_version = row.resource_version.as_deref() == Some(&meta.resource_version);
    match &row.fingerprint {
        Some(known) if same_version && known.settled => return Look::Same,
        _ => {}
    }
    let print = fingerprint(&meta, now);
    let version = meta.resource_version.clone();
    let equal =
        row.fingerprint.as_ref().is_some_and(|known| known.digest == print.digest && (known.settled || same_version));
    let same_object = row.uid.as_deref() == Some(&meta.uid) && meta.deletion_timestamp.is_none();
    if equal && same_object {
        return if same_version && !print.settled { Look::Same } else { Look::Refreshed(print, version) };
    }
    Look::Other(Differs::Changed { print, resource_version: version, meta: Box::new(meta) })
}
