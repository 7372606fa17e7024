//! What the inventory tells a plan: what the app owns, and what has not to be asked about. Pure.

use std::collections::{BTreeSet, HashMap};

use crate::manifest::ObjectId;
use crate::reconcile::Owned;
use crate::store::inventory::{ObjectRow, ObjectState};

/// The inventory as a plan takes it.
pub fn owned(rows: &[ObjectRow]) -> Vec<Owned> {
    let owned = |row: &ObjectRow| Owned {
        id: row.key.id(),
        uid: row.uid.clone(),
        manifest_hash: row.manifest_hash.clone(),
        resource_version: None,
        done: row.job_done,
        held: row.state == ObjectState::Held,
    };
    rows.iter().map(owned).collect()
}

/// Whether an object is known to be as a manifest with this hash says: it was applied so, and is not among those that a look at the cluster
/// found to differ. What changed since the last look is found by the next.
pub fn unchanged(rows: &[ObjectRow], drifted: &BTreeSet<ObjectId>) -> impl Fn(&ObjectId, &str) -> bool + Send + Sync + use<> {
    let applied = rows.iter().filter(|row| row.state == ObjectState::Applied && !drifted.contains(&row.key.id()));
    let hashes: HashMap<ObjectId, String> = applied.filter_map(|row| Some((row.key.id(), row.manifest_hash.clone()?))).collect();
    move |id, hash| hashes.get(id).is_some_and(|known| known == hash)
}
