//! The steps of a plan, by object and by stage. Pure.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::input::{Purpose, SyncInput};
use crate::manifest::{ObjectId, ObjectKey, is_built_in};
use crate::plan::order::{Stage, compare, stage};
use crate::plan::siblings::of_plan;
use crate::plan::{Action, Change, Desired, NotValidated, Siblings, Verdict};
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
                Step::Skip("its replacement needs confirmation".to_owned())
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
        return Step::Skip(
            "another controller changes it back after each heal; not healed until the next revision".to_owned(),
        );
    }
    let same_manifest = row.is_some_and(|row| row.manifest_hash.as_ref() == Some(&desired.hash));
    if change.action == Action::None && same_manifest && change.takes_over.is_none() {
        return Step::Unchanged;
    }
    let is_job = change.key.group == "batch" && change.key.kind == "Job";
    let at_this_revision = row.is_some_and(|row| row.applied_revision.as_ref() == Some(input.revision));
    if is_job && change.action == Action::Create && same_manifest && at_this_revision {
        return Step::Skip("it was applied at this revision and is gone; a Job is not created again".to_owned());
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
    part_of(&key.group, &key.kind)
}

fn part_of(group: &str, kind: &str) -> Part {
    match stage(group, kind) {
        Stage::First => Part::First,
        Stage::Last => Part::Last,
        Stage::Rest if is_ground(group, kind) => Part::Ground,
        Stage::Rest => Part::Rest,
    }
}

fn is_ground(group: &str, kind: &str) -> bool {
    match group {
        "" => matches!(
            kind,
            "ResourceQuota"
                | "LimitRange"
                | "ServiceAccount"
                | "ConfigMap"
                | "Secret"
                | "PersistentVolume"
                | "PersistentVolumeClaim"
        ),
        "rbac.authorization.k8s.io" | "scheduling.k8s.io" | "node.k8s.io" | "storage.k8s.io" => true,
        "networking.k8s.io" => matches!(kind, "IngressClass" | "NetworkPolicy"),
        _ => false,
    }
}

/// What a prune deletes together: the other way round, and what controllers look after before the controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PruneStep {
    Last,
    Custom,
    Rest,
    Ground,
    First,
}

pub(super) fn prune_step(key: &ObjectKey) -> PruneStep {
    match part(key) {
        Part::Last => PruneStep::Last,
        Part::Rest if !is_built_in(&key.group) => PruneStep::Custom,
        Part::Rest => PruneStep::Rest,
        Part::Ground => PruneStep::Ground,
        Part::First => PruneStep::First,
    }
}

pub(super) fn compare_prunes(a: &ObjectKey, b: &ObjectKey) -> Ordering {
    prune_step(a).cmp(&prune_step(b)).then_with(|| compare(b, a))
}

/// What a plan's work brings, for what else of it needs that.
pub(super) fn siblings(work: &[Work<'_>]) -> Siblings {
    of_plan(work.iter().map(|work| (&work.change.key, &work.desired.object, work.step == Step::Write)))
}

/// What has to wait for other objects of the same change, and for which part of it.
#[derive(Debug, Default)]
pub(super) struct Late(BTreeMap<ObjectId, Part>);

impl Late {
    /// What the plan could not ask about for that reason.
    pub(super) fn of(work: &[Work<'_>]) -> Self {
        let mut late = Self::default();
        for work in work {
            if let Verdict::NotValidated {
                reason: NotValidated::SiblingInPlan { needs: first } | NotValidated::LimitedInPlan { by: first },
            } = &work.change.verdict
            {
                late.insert(work, first);
            }
        }
        late
    }

    /// What turned out to need something once its namespace or kind was there.
    pub(super) fn add(&mut self, work: &[Work<'_>], found: &BTreeMap<ObjectId, ObjectId>) {
        for work in work {
            if let Some(needs) = found.get(&work.change.key.id()) {
                self.insert(work, needs);
            }
        }
    }

    fn insert(&mut self, work: &Work<'_>, needs: &ObjectId) {
        let own = part(&work.change.key);
        self.0.insert(work.change.key.id(), own.max(part_of(&needs.group, &needs.kind)));
    }

    pub(super) fn is_late(&self, work: &Work<'_>) -> bool {
        self.part(work).is_some()
    }

    pub(super) fn part(&self, work: &Work<'_>) -> Option<Part> {
        self.0.get(&work.change.key.id()).copied()
    }
}
