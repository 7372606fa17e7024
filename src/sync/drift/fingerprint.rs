//! The fingerprint of an object's metadata: it changes when anybody changes the object. Pure.
//!
//! The API server records who set which fields, and when. Any change except to the status leaves a trace there, in the
//! labels, in the annotations or in `generation`, so a metadata list is enough to detect it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::cluster::{ManagedEntry, PartialMeta};
use crate::store::inventory::Fingerprint;

/// How old the youngest entry has to be before an equal fingerprint proves an equal object. The entries have a
/// resolution of one second, and the cluster's clock may differ from ours by the rest.
const SETTLES_AFTER: Duration = Duration::from_mins(1);

/// The fingerprint of an object as it is at `now`.
pub fn fingerprint(meta: &PartialMeta, now: Timestamp) -> Fingerprint {
    Fingerprint { digest: digest(meta), settled: is_settled(meta, now) }
}

fn digest(meta: &PartialMeta) -> String {
    let by_controllers = annotations_under_status(&meta.managed_fields);
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        // With its length before it, no part can pass for the end of the one before.
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    add(&meta.generation.map_or_else(String::new, |generation| generation.to_string()));
    for (name, value) in &meta.labels {
        add("label");
        add(name);
        add(value);
    }
    for (name, value) in meta.annotations.iter().filter(|(name, _)| !by_controllers.contains(name.as_str())) {
        add("annotation");
        add(name);
        add(value);
    }
    let mut entries: Vec<_> = meta.managed_fields.iter().filter(|entry| !is_status(entry)).map(describe).collect();
    // The server does not promise an order.
    entries.sort();
    for part in entries.iter().flatten() {
        add(part);
    }
    hex::encode(hash.finalize())
}

fn is_status(entry: &ManagedEntry) -> bool {
    entry.subresource.as_deref() == Some("status")
}

fn describe(entry: &ManagedEntry) -> [String; 6] {
    let ManagedEntry { manager, operation, api_version, time, subresource, fields } = entry;
    let mut fields = fields.clone();
    fields.sort_all_objects();
    let [time, subresource] = [time, subresource].map(|part| part.clone().unwrap_or_default());
    [manager.clone(), operation.clone(), api_version.clone(), time, subresource, fields.to_string()]
}

/// Annotations that a controller keeps together with the status, such as a Deployment's revision.
fn annotations_under_status(entries: &[ManagedEntry]) -> BTreeSet<&str> {
    let of_status = entries.iter().filter(|entry| is_status(entry));
    let names = of_status
        .filter_map(|entry| entry.fields.pointer("/f:metadata/f:annotations")?.as_object())
        .flat_map(serde_json::Map::keys);
    names.filter_map(|name| name.strip_prefix("f:")).collect()
}

/// A kind with a generation shows every change of its spec by that; of the others only an entry's time tells, and it
/// has seconds.
fn is_settled(meta: &PartialMeta, now: Timestamp) -> bool {
    if meta.generation.is_some() {
        return true;
    }
    let times = meta.managed_fields.iter().filter(|entry| !is_status(entry));
    times.filter_map(|entry| entry.time.as_deref()?.parse::<Timestamp>().ok()).all(|time| {
        let age = now.as_second().saturating_sub(time.as_second());
        age > i64::try_from(SETTLES_AFTER.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Who last set something, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    pub subresource: Option<String>,
    /// RFC 3339; some entries have none.
    pub time: Option<String>,
}

/// `kubectl-edit (Update at 2026-11-21T15:00:00Z)`
impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}", self.manager, self.operation)?;
        if let Some(subresource) = &self.subresource {
            write!(f, " of {subresource}")?;
        }
        match &self.time {
            Some(time) => write!(f, " at {time})"),
            None => f.write_str(")"),
        }
    }
}

/// Who owns a field now, apart from `ours`: the one whose entry goes deepest towards the field, and of those the
/// youngest. The field is a path with dots, as plans write them; what is in brackets (an item of a list) is not looked
/// into.
pub fn who_changed(meta: &PartialMeta, ours: &str, field: &str) -> Option<Actor> {
    let others = meta.managed_fields.iter().filter(|entry| entry.manager != ours && !is_status(entry));
    let best = others.map(|entry| (depth(&entry.fields, field), entry)).filter(|(depth, _)| *depth > 0).max_by(
        |(a, one), (b, other)| {
            // An entry without a time is a scale, whose time the server does not keep.
            (a, one.time.is_none(), &one.time).cmp(&(b, other.time.is_none(), &other.time))
        },
    );
    best.map(|(_, entry)| Actor {
        manager: entry.manager.clone(),
        operation: entry.operation.clone(),
        subresource: entry.subresource.clone(),
        time: entry.time.clone(),
    })
}

/// How many steps of the path an entry's fields know.
fn depth(fields: &Value, path: &str) -> usize {
    let mut at = fields;
    let mut steps = 0;
    for segment in path.split('.') {
        let name = segment.split('[').next().unwrap_or_default();
        let Some(below) = at.get(format!("f:{name}")) else { break };
        at = below;
        steps += 1;
        if name.len() != segment.len() {
            break;
        }
    }
    steps
}
