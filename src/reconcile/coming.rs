//! What comes to a cluster with one change.

use std::collections::HashMap;

use super::input::Owned;
use crate::manifest::ObjectId;
use crate::plan::{self, Prepared, Siblings};

/// What comes with the change: of this app's objects those are new or different whose manifest is not the one that was
/// applied last.
pub(super) fn coming(prepared: &[Prepared], others: Option<&Siblings>, owned: &HashMap<&ObjectId, &Owned>) -> Siblings {
    let objects = prepared.iter().filter_map(|one| one.as_ref().ok()).map(|wanted| {
        let applied = owned.get(&wanted.key.id()).and_then(|owned| owned.manifest_hash.as_ref());
        // Of those that decide by a part the apps of the change say whether that changes.
        let is_told = others.is_some() && plan::siblings::decides_by_a_part(&wanted.key);
        (&wanted.key, &wanted.manifest, !is_told && applied != Some(&wanted.desired.hash))
    });
    let mut coming = plan::siblings::of_plan(objects);
    if let Some(others) = others {
        coming.extend(others);
    }
    coming
}
