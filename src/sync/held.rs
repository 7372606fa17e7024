//! The reasons for which deletions are held, as the inventory stores them. Pure.

use std::collections::BTreeMap;

use crate::manifest::ObjectId;
use crate::plan::HeldFor;
use crate::store::inventory::{ObjectRow, ObjectState};

/// What the deletion of an object is held for, if it is held.
fn held_for(row: &ObjectRow) -> Option<HeldFor> {
    let held = match row.held_of {
        None => HeldFor::Itself,
        Some(0) => HeldFor::Others,
        Some(of) => HeldFor::Number { of: usize::try_from(of).unwrap_or(usize::MAX) },
    };
    (row.state == ObjectState::Held).then_some(held)
}

/// The same of a whole inventory.
pub fn all_held_for(inventory: &[ObjectRow]) -> BTreeMap<ObjectId, Option<HeldFor>> {
    inventory.iter().map(|row| (row.key.id(), held_for(row))).collect()
}

/// What the inventory remembers of it.
pub(super) fn noted(held_for: &BTreeMap<ObjectId, HeldFor>) -> BTreeMap<ObjectId, Option<u32>> {
    let one = |held: &HeldFor| match held {
        HeldFor::Itself => None,
        HeldFor::Others => Some(0),
        HeldFor::Number { of } => Some(u32::try_from(*of).unwrap_or(u32::MAX).max(1)),
    };
    held_for.iter().map(|(id, held)| (id.clone(), one(held))).collect()
}
