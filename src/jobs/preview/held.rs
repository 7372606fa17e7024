//! The effect of a pull request on deletions and replacements of earlier changes that need confirmation.

use std::collections::BTreeMap;

use crate::manifest::ObjectId;
use crate::plan::{self, Action, Change, PruneLimit};
use crate::reconcile::ChangePlan;
use crate::report::preview::CalledOff;
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::sync;

#[derive(Default)]
pub(super) struct Held<'a> {
    /// What merging takes back.
    pub called_off: Vec<CalledOff>,
    /// The deletions that waited with those only: merging does them.
    pub freed: Vec<&'a Change>,
    /// How many wait on.
    pub waits: usize,
}

impl<'a> Held<'a> {
    pub fn of(planned: &'a ChangePlan, inventory: &[ObjectRow], limit: PruneLimit) -> Self {
        // What was confirmed, or needed no confirmation, may wait for health.
        let is_pending = |state: ObjectState| state.pending_confirmation() || state == ObjectState::Pruning;
        let waiting: BTreeMap<ObjectId, ObjectState> =
            inventory.iter().filter(|row| is_pending(row.state)).map(|row| (row.key.id(), row.state)).collect();
        let held = waiting.values().filter(|state| state.pending_confirmation()).count();
        let changes = &planned.changes.changes;
        // Nothing is applied of an app that is refused in part, and what waits goes on waiting.
        if waiting.is_empty() || changes.iter().any(Change::is_rejected) {
            return Self { waits: held, ..Self::default() };
        }
        let is_back = |change: &&Change| {
            let goes = matches!(change.action, Action::Prune | Action::Replace);
            change.desired.is_some() && !goes && waiting.contains_key(&change.key.id())
        };
        let called_off: Vec<CalledOff> = changes
            .iter()
            .filter(is_back)
            .map(|change| CalledOff {
                key: change.key.clone(),
                replacement: waiting.get(&change.key.id()) == Some(&ObjectState::Outdated),
                confirmed: waiting.get(&change.key.id()) == Some(&ObjectState::Pruning),
            })
            .collect();
        let off = called_off.iter().filter(|one| !one.confirmed).count();
        let waits = held - off;
        if off == 0 {
            return Self { called_off, freed: Vec::new(), waits };
        }
        let freed = freed(planned, inventory, &called_off, limit);
        Self { waits: waits - freed.len(), called_off, freed }
    }

    /// Whether an object is told of in another place than among what is different already.
    pub fn tells(&self, change: &Change) -> bool {
        self.called_off.iter().any(|one| one.key.id() == change.key.id())
            || self.freed.iter().any(|freed| freed.key.id() == change.key.id())
    }
}

/// The deletions that no longer wait once others are called off.
fn freed<'a>(
    planned: &'a ChangePlan,
    inventory: &[ObjectRow],
    called_off: &[CalledOff],
    limit: PruneLimit,
) -> Vec<&'a Change> {
    let is_called_off = |change: &Change| called_off.iter().any(|one| one.key.id() == change.key.id());
    let waits = |change: &Change| {
        inventory.iter().any(|row| row.state.pending_confirmation() && row.key.id() == change.key.id())
    };
    let rest: Vec<&Change> = planned
        .already
        .changes
        .iter()
        .filter(|change| waits(change) && !is_called_off(change))
        .filter(|change| matches!(change.action, Action::Prune | Action::Replace))
        .collect();
    let own = planned.changes.changes.iter().filter(|change| matches!(change.action, Action::Prune | Action::Replace));
    let all: Vec<&Change> = own.chain(rest.iter().copied()).collect();
    let known: Vec<ObjectId> = inventory.iter().map(|row| row.key.id()).collect();
    let reasons = plan::destructive(all.iter().copied(), &known, limit);
    let held = plan::held(all.iter().copied(), &sync::all_held_for(inventory), &reasons, limit);
    if !reasons.is_empty() || !held.earlier.is_empty() {
        return Vec::new();
    }
    rest.into_iter().filter(|change| plan::deletes(change)).collect()
}
