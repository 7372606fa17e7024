//! What a plan asks to be done, object by object and stage by stage. Pure.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::input::{Purpose, SyncInput};
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::order::{Stage, compare, stage};
use crate::plan::{Action, Change, Desired};
use crate::store::inventory::ObjectRow;

/// What is done about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Write,
    /// It is as it should be, and known to be: no request.
    Unchanged,
    Skip(String),
}

/// One object that the app wants.
pub(super) struct Work<'a> {
    pub change: &'a Change,
    pub desired: &'a Desired,
    pub row: Option<&'a ObjectRow>,
    pub step: Step,
}

/// The objects of a plan that are wanted, in the order of an apply.
pub(super) fn work<'a>(input: &SyncInput<'a>, inventory: &'a [ObjectRow], held: &BTreeSet<ObjectId>) -> Vec<Work<'a>> {
    let rows: std::collections::HashMap<_, _> = inventory.iter().map(|row| (row.key.id(), row)).collect();
    let wanted = input.plan.changes.iter().filter(|change| change.action != Action::Prune);
    let mut work: Vec<_> = wanted
        .filter_map(|change| {
            let desired = change.desired.as_ref()?;
            let row = rows.get(&change.key.id()).copied();
            let step = if held.contains(&change.key.id()) {
                Step::Skip("to replace it waits for a word".to_owned())
            } else {
                step(input, change, desired, row)
            };
            Some(Work { change, desired, row, step })
        })
        .collect();
    work.sort_by(|a, b| compare(&a.change.key, &b.change.key));
    work
}

fn step(input: &SyncInput<'_>, change: &Change, desired: &Desired, row: Option<&ObjectRow>) -> Step {
    if let Purpose::Heal { given_up } = input.purpose
        && given_up.contains(&change.key.id())
    {
        return Step::Skip("it was changed back after each heal, so it is left alone until the next revision".to_owned());
    }
    let same_manifest = row.is_some_and(|row| row.manifest_hash.as_ref() == Some(&desired.hash));
    if change.action == Action::None && same_manifest && change.takes_over.is_none() {
        return Step::Unchanged;
    }
    let is_job = change.key.group == "batch" && change.key.kind == "Job";
    let at_this_revision = row.is_some_and(|row| row.applied_revision.as_ref() == Some(input.revision));
    if is_job && change.action == Action::Create && same_manifest && at_this_revision {
        return Step::Skip("it was applied at this revision and is gone: a Job is not made again".to_owned());
    }
    Step::Write
}

/// The part of a sync that an object belongs to; a part is finished before the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// CRDs and namespaces.
    First,
    /// What pods refuse to start without, or what decides about them.
    Ground,
    Rest,
    Last,
}

pub(super) fn part(key: &ObjectKey) -> Part {
    match stage(&key.group, &key.kind) {
        Stage::First => Part::First,
        Stage::Last => Part::Last,
        Stage::Rest if is_ground(key) => Part::Ground,
        Stage::Rest => Part::Rest,
    }
}

fn is_ground(key: &ObjectKey) -> bool {
    match key.group.as_str() {
        "" => matches!(
            key.kind.as_str(),
            "ResourceQuota" | "LimitRange" | "ServiceAccount" | "ConfigMap" | "Secret" | "PersistentVolume" | "PersistentVolumeClaim"
        ),
        "rbac.authorization.k8s.io" | "scheduling.k8s.io" | "node.k8s.io" | "storage.k8s.io" => true,
        "networking.k8s.io" => matches!(key.kind.as_str(), "IngressClass" | "NetworkPolicy"),
        _ => false,
    }
}

/// Prunes go the other way.
pub(super) fn compare_prunes(a: &ObjectKey, b: &ObjectKey) -> Ordering {
    part(b).cmp(&part(a)).then_with(|| compare(b, a))
}
