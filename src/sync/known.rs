//! What the inventory tells a plan: the objects that the app owns, and those that need no request. Pure.

use std::collections::HashMap;

use crate::manifest::ObjectId;
use crate::reconcile::Owned;
use crate::store::inventory::{ObjectRow, ObjectState};

/// Whether the inventory is believed. What changed since the last look at the cluster is found by the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Everything is looked at: somebody asks by hand, or saw drift.
    Nothing,
    /// What was applied is as it was applied.
    Applied,
}

/// The inventory as a plan takes it.
pub struct Known {
    pub owned: Vec<Owned>,
    hashes: HashMap<ObjectId, String>,
}

impl Known {
    pub fn of(rows: &[ObjectRow], trust: Trust) -> Self {
        // Without a fingerprint nobody knows whether it still is: the definition of its kind is another one.
        let is_known = |row: &ObjectRow| row.state == ObjectState::Applied && row.fingerprint.is_some();
        let trusts = |row: &&ObjectRow| trust == Trust::Applied && is_known(row);
        let owned = |row: &ObjectRow| Owned {
            resource_version: row.resource_version.clone().filter(|_| trusts(&row)),
            ..owned(row)
        };
        let hashes = rows.iter().filter(trusts).filter_map(|row| Some((row.key.id(), row.manifest_hash.clone()?)));
        Self { owned: rows.iter().map(owned).collect(), hashes: hashes.collect() }
    }

    /// Whether an object is known to be as a manifest with this hash says.
    pub fn is_unchanged(&self, id: &ObjectId, hash: &str) -> bool {
        self.hashes.get(id).is_some_and(|known| known == hash)
    }
}

/// One row of an inventory, of which nothing is believed but that it is the app's.
pub fn owned(row: &ObjectRow) -> Owned {
    Owned {
        id: row.key.id(),
        uid: row.uid.clone(),
        manifest_hash: row.manifest_hash.clone(),
        resource_version: None,
        done: row.job_done,
        held: row.state == ObjectState::Held,
    }
}
