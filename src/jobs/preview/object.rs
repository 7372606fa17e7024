//! What a report says of an object, without the values of Secrets.

use super::edited::{self, Inline};
use super::pair::Pair;
use crate::manifest::{Manifest, ObjectId};
use crate::plan;
use crate::plan::{Action, Change, PruneLimit, Redactor, Verdict};
use crate::reconcile::ChangePlan;
use crate::report::preview::{AppReport, AppResult, DefinitionChange, Difference, DifferenceKind, ObjectReport};
use crate::report::words::join;
use crate::store::inventory::ObjectRow;

/// How many objects are named of which nothing changes.
const NAMED: usize = 5;

/// Writes what a plan does into a report, without the values of Secrets.
pub(in crate::jobs) fn show(
    report: &mut AppReport,
    planned: &ChangePlan,
    pair: &Pair,
    [base, change]: [&[Manifest]; 2],
    inventory: &[ObjectRow],
    applied: bool,
    limit: PruneLimit,
) {
    let both = planned.changes.changes.iter().chain(&planned.already.changes);
    let redactor = Redactor::new(both, base.iter().chain(change));
    let makes_secrets =
        base.iter().chain(change).any(|manifest| plan::is_secret(&manifest.key.group, &manifest.key.kind));
    if report.definition_diff.is_some() {
        let inline = if makes_secrets { Inline::Keys } else { Inline::Values(&redactor) };
        let [before, after] = [&pair.base, &pair.change].map(|side| side.as_ref().map(|side| &side.app));
        report.definition_diff = edited::describe(before, after, inline).0;
    }
    let known: Vec<ObjectId> = inventory.iter().map(|row| row.key.id()).collect();
    let by_marks_alone = std::mem::take(&mut report.destructive);
    report.destructive = plan::destructive(&planned.changes, &known, limit).iter().map(ToString::to_string).collect();
    report.destructive.extend(by_marks_alone);
    report.destructive.extend(joins(planned, inventory));
    report.before = before(planned, applied, inventory, &redactor);
    report.warnings.extend(planned.changes.changes.iter().filter(|change| stays(change)).map(stay));
    for change in planned.changes.changes.iter().filter(|change| !shows(change)) {
        report.warnings.extend(change.remarks.iter().map(|remark| format!("{}: {remark}", change.key)));
    }
    report.warnings.extend(comes_to_nothing(report, planned));
    report.warnings = redactor.texts(&report.warnings);
    report.warnings.extend(redactor.withholds());
    let shown = planned.changes.changes.iter().filter(|change| shows(change));
    report.result = AppResult::Planned { objects: shown.map(|change| object(change, &redactor)).collect() };
}

/// Why there is nothing to show of an app whose manifests change: a row without a word would look like a mistake.
fn comes_to_nothing(report: &AppReport, planned: &ChangePlan) -> Option<String> {
    let changes = &planned.changes.changes;
    let is_told = report.definition != DefinitionChange::None || !report.warnings.is_empty();
    if is_told || changes.is_empty() || changes.iter().any(shows) {
        return None;
    }
    let names: Vec<String> = changes.iter().map(|change| change.key.to_string()).collect();
    let they = if names.len() == 1 { "the object stays" } else { "the objects stay" };
    Some(format!("The manifest of {} changes, but {they} the same in the cluster", join(&names, NAMED)))
}

/// Whether an object is no longer rendered and is not deleted either.
fn stays(change: &Change) -> bool {
    !shows(change) && change.desired.is_none() && !change.notes.is_empty()
}

fn stay(change: &Change) -> String {
    format!("{} is no longer rendered. {}", change.key, change.notes.join(" "))
}

fn shows(change: &Change) -> bool {
    change.action != Action::None || change.verdict != Verdict::Accepted || change.left_for.is_some()
}

pub(in crate::jobs) fn object(change: &Change, redactor: &Redactor) -> ObjectReport {
    let diff = redactor.diff(change);
    ObjectReport {
        key: change.key.clone(),
        action: change.action,
        verdict: redactor.verdict(&change.verdict),
        refused_by: change.refused_by,
        diff: (!diff.is_empty()).then(|| diff.text()),
        origin: change.origin.clone(),
        conflicts: change.conflicts.clone(),
        live: redactor.texts(&change.live),
        takes_over: change.takes_over.clone(),
        drops: redactor.texts(&change.drops),
        moves_to: change.left_for.clone(),
        kept: change.put_off,
        warnings: redactor.texts(change.remarks.iter().chain(&change.warnings).chain(&change.notes)),
        replaces_name: change.replaces_name.clone(),
        referrers: change.referrers.clone(),
    }
}

/// Why a delete waits that would not by itself: others wait already.
fn joins(planned: &ChangePlan, inventory: &[ObjectRow]) -> Option<String> {
    let waiting = inventory.iter().filter(|row| row.state.waits_for_word()).count();
    let deletes = planned.changes.changes.iter().any(|change| change.action == Action::Prune);
    (waiting > 0 && deletes)
        .then(|| format!("deletes while {waiting} of the app's objects wait already to be deleted or replaced"))
}

fn before(planned: &ChangePlan, applied: bool, inventory: &[ObjectRow], redactor: &Redactor) -> Vec<Difference> {
    let waits =
        |change: &Change| inventory.iter().any(|row| row.state.waits_for_word() && row.key.id() == change.key.id());
    let kind = |change: &Change| match applied {
        _ if waits(change) => DifferenceKind::Waiting,
        // It is no longer in Git, and its prune is still to come.
        _ if change.action == Action::Prune => DifferenceKind::Pending,
        true => DifferenceKind::Drift,
        false => DifferenceKind::Pending,
    };
    let different = planned.already.changes.iter().filter(|change| change.action != Action::None);
    different.map(|change| difference(change, kind(change), redactor)).collect()
}

fn difference(change: &Change, kind: DifferenceKind, redactor: &Redactor) -> Difference {
    let detail = match change.action {
        // Nothing was looked up of what cannot be sent.
        Action::Create if change.is_rejected() && change.after.is_none() => match redactor.verdict(&change.verdict) {
            Verdict::Rejected { message, .. } => format!("cannot be applied: {}", message.trim_end_matches('.')),
            Verdict::Accepted | Verdict::NotValidated { .. } => "cannot be applied".to_owned(),
        },
        Action::Create => "is missing".to_owned(),
        Action::Prune => std::iter::once("is no longer in Git")
            .chain(change.notes.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join("; "),
        Action::Replace => "has to be replaced".to_owned(),
        Action::Update | Action::None => redactor.diff(change).fields.join(", "),
    };
    Difference { key: change.key.clone(), kind, detail }
}
