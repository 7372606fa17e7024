//! The report about one object, without the values of Secrets.

use super::comparison::AppComparison;
use super::edited::{self, Inline};
use super::held::Held;
use crate::manifest::{Manifest, ObjectId};
use crate::plan;
use crate::plan::{Action, Change, Highlight, PruneLimit, Redactor, TakeOver, Verdict};
use crate::reconcile::ChangePlan;
use crate::redact::holds_secrets;
use crate::report::preview::{AppReport, AppResult, DefinitionChange, Difference, DifferenceKind, ObjectReport};
use crate::report::words::join;
use crate::store::inventory::ObjectRow;

/// How many objects are named of which nothing changes.
const NAMED: usize = 5;

/// What is known of an app beside its plan.
#[derive(Clone, Copy)]
pub(in crate::jobs) struct Known<'a> {
    /// Of both sides.
    pub manifests: [&'a [Manifest]; 2],
    pub inventory: &'a [ObjectRow],
    /// The head of the base is what is applied.
    pub applied: bool,
}

/// Writes what a plan does into a report, without the values of Secrets.
pub(in crate::jobs) fn show(
    report: &mut AppReport,
    planned: &ChangePlan,
    pair: &AppComparison,
    Known { manifests: [base, change], inventory, applied }: Known<'_>,
    limit: PruneLimit,
) {
    let both = planned.changes.changes.iter().chain(&planned.already.changes);
    let redactor = Redactor::new(both, base.iter().chain(change));
    let makes_secrets = base.iter().chain(change).any(|manifest| holds_secrets(&manifest.key, &manifest.object));
    if report.definition_diff.is_some() {
        let inline = if makes_secrets { Inline::Keys } else { Inline::Values(&redactor) };
        let [before, after] = [&pair.base, &pair.change].map(|side| side.as_ref().map(|side| &side.app));
        report.definition_diff = edited::describe(before, after, inline).0;
    }
    let known: Vec<ObjectId> = inventory.iter().map(|row| row.key.id()).collect();
    let by_marks_alone = std::mem::take(&mut report.destructive);
    let held = Held::of(planned, inventory, limit);
    let own = &planned.changes.changes;
    report.destructive = plan::destructive(own, &known, limit).iter().map(ToString::to_string).collect();
    report.destructive.extend(by_marks_alone);
    report.destructive.extend(joins(own, held.waits));
    report.before = before(planned, applied, inventory, &held, &redactor);
    report.called_off.clone_from(&held.called_off);
    report.warnings.extend(planned.changes.changes.iter().filter(|change| stays(change)).map(stay));
    for change in planned.changes.changes.iter().filter(|change| !shows(change)) {
        report.warnings.extend(change.remarks.iter().map(|remark| format!("{}: {remark}", change.key)));
    }
    report.warnings.extend(comes_to_nothing(report, planned));
    report.warnings = redactor.texts(&report.warnings);
    report.warnings.extend(redactor.withholds());
    let shown = planned.changes.changes.iter().filter(|change| shows(change));
    let mut objects: Vec<ObjectReport> = shown.map(|change| object(change, &redactor)).collect();
    objects.extend(held.freed.iter().map(|change| {
        let mut freed = object(change, &redactor);
        freed.warnings.push(FREED.to_owned());
        freed
    }));
    report.result = AppResult::Planned { objects };
}

/// Why there is nothing to show of an app whose manifests change: a row without a word would look like a mistake.
fn comes_to_nothing(report: &AppReport, planned: &ChangePlan) -> Option<String> {
    let changes = &planned.changes.changes;
    let is_told =
        report.definition != DefinitionChange::None || !report.warnings.is_empty() || !report.called_off.is_empty();
    if is_told || changes.is_empty() || changes.iter().any(shows) {
        return None;
    }
    let names: Vec<String> = changes.iter().map(|change| change.key.to_string()).collect();
    let they = if names.len() == 1 { "the object stays" } else { "the objects stay" };
    Some(format!("The manifest of {} changes, but {they} the same in the cluster", join(&names, NAMED)))
}

const FREED: &str = "An earlier change removed it from Git. Its deletion was held only because of others, which no \
     longer need confirmation";

/// Whether an object is no longer rendered and is not deleted either.
fn stays(change: &Change) -> bool {
    !shows(change) && change.desired.is_none() && !change.notes.is_empty()
}

fn stay(change: &Change) -> String {
    format!("{} is no longer rendered by this app. {}", change.key, change.notes.join(" "))
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
        highlights: masked(change, redactor),
        replaces_name: change.replaces_name.clone(),
        referrers: change.referrers.clone(),
    }
}

/// A text in which the value of a Secret stands is left out: it is in the diff, masked.
fn masked(change: &Change, redactor: &Redactor) -> Vec<Highlight> {
    let is_plain =
        |text: &String| redactor.texts(std::slice::from_ref(text)).iter().all(|shown| shown.as_str() == text);
    let shows = |highlight: &Highlight| match highlight {
        Highlight::Image { from, to } => is_plain(from) && is_plain(to),
        Highlight::Host { name } => is_plain(name),
        Highlight::Replicas { .. } | Highlight::Restart | Highlight::Access => true,
    };
    plan::highlights(change).into_iter().filter(shows).collect()
}

/// Why a delete waits that would not by itself: others wait already.
fn joins(changes: &[Change], waits: usize) -> Option<String> {
    let others = match waits {
        0 => return None,
        1 => "1 deletion or replacement of an earlier change needs confirmation".to_owned(),
        more => format!("{more} deletions or replacements of earlier changes need confirmation"),
    };
    changes.iter().any(plan::deletes).then(|| format!("{others}; nothing else of the app is deleted before that"))
}

fn before(
    planned: &ChangePlan,
    applied: bool,
    inventory: &[ObjectRow],
    held: &Held<'_>,
    redactor: &Redactor,
) -> Vec<Difference> {
    let waits = |change: &Change| {
        inventory.iter().any(|row| row.state.pending_confirmation() && row.key.id() == change.key.id())
    };
    let kind = |change: &Change| match applied {
        _ if waits(change) => DifferenceKind::Waiting,
        _ if other_app(change).is_some() => DifferenceKind::Foreign,
        // It is no longer in Git, and its prune is still to come.
        _ if change.action == Action::Prune => DifferenceKind::Pending,
        true => DifferenceKind::Drift,
        false => DifferenceKind::Pending,
    };
    let different =
        planned.already.changes.iter().filter(|change| change.action != Action::None && !held.tells(change));
    different.map(|change| difference(change, kind(change), redactor)).collect()
}

/// The app that an object belongs to in the cluster, where that is another one.
fn other_app(change: &Change) -> Option<&str> {
    match &change.takes_over {
        Some(TakeOver::OtherApp { app, .. }) => Some(app),
        _ => None,
    }
}

fn difference(change: &Change, kind: DifferenceKind, redactor: &Redactor) -> Difference {
    let detail = match change.action {
        _ if let Some(other) = other_app(change) => other.to_owned(),
        // Nothing was looked up of what cannot be sent.
        Action::Create if change.is_rejected() && change.after.is_none() => match redactor.verdict(&change.verdict) {
            Verdict::Rejected { message, .. } => format!("cannot be applied: {}", message.trim_end_matches('.')),
            Verdict::Accepted | Verdict::NotValidated { .. } => "cannot be applied".to_owned(),
        },
        Action::Create => "is missing".to_owned(),
        Action::Prune => std::iter::once("removed from Git")
            .chain(change.notes.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join("; "),
        Action::Replace => "has to be replaced".to_owned(),
        Action::Update | Action::None => redactor.diff(change).fields.join(", "),
    };
    Difference { key: change.key.clone(), kind, detail }
}
