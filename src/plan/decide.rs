//! Decides the change of one object from its manifest, the live object and the dry run.

use serde_json::Value;

use super::adopt::{drop_adopted, strip_last_applied};
use super::change::{Action, Cause, Change, RefusedBy, Verdict};
use super::claim::Claim;
use super::diff::same;
use super::dropped::dropped;
use super::dry_run::DryRun;
use super::live;
use super::marks::{self, Marks};
use super::overlay::{overlay, without_allocated, without_trial_values};
use super::overridden::{injected, overridden};
use super::owner::{TakeOver, take_over};
use super::prepare::PreparedObject;
use super::quota::measures;
use super::replace::replaced;
use super::stays::stays;
use super::taken::Taken;
use crate::ids::AppId;
use crate::manifest::ObjectKey;

/// What an apply would do.
pub fn decide(wanted: &PreparedObject, live: Option<&Value>, asked: DryRun, claim: Claim<'_>) -> Change {
    let DryRun { verdict, result, conflicts, takes, warnings, replaces } = asked;
    let (takes, result) = healed(takes, result);
    let change = Change { conflicts, takes, warnings, ..wanted.change(Action::Create, verdict) };
    let Some(live) = live else {
        // What is shown is the manifest: the diff does not tell what the cluster makes of it.
        let made_of = |result: &Value| [set_otherwise(wanted, result), injected(&wanted.manifest, result)].concat();
        let remarks = result.as_ref().map(made_of).unwrap_or_default();
        let made = result.filter(|_| measures(&wanted.key));
        return Change { after: Some(wanted.manifest.clone()), made, remarks, ..change };
    };
    if let Some(owner) = take_over(live, &wanted.key.id(), claim.marks, claim.uid) {
        return match result {
            Some(after) if claim.reveals => revealed(change, wanted, live, after, owner),
            _ => taken_over(change, wanted, live, owner, claim),
        };
    }
    if let Some(refused) = replaces {
        let asked = DryRun { result, ..DryRun::without_result(change.verdict) };
        return replaced(wanted, live, live.clone(), DryRun { warnings: change.warnings, ..asked }, refused, claim);
    }
    let before = Some(live.clone());
    if let Some(after) = result.map(|after| without_trial_values(after, &wanted.manifest, live)) {
        let action = if same(live, &after) { Action::None } else { Action::Update };
        let remarks = [going(live), stays(live, &after, wanted), set_otherwise(wanted, &after)].concat();
        return Change { action, before, after: Some(after), remarks, ..change };
    }
    let change = Change { remarks: going(live), ..change };
    let after = overlay(live, &wanted.desired.object);
    // The server could not be asked, but nothing that was not sent before would be sent.
    let is_as_applied =
        same(live, &after) && claim.applied_hash == Some(wanted.desired.hash.as_str()) && !change.is_rejected();
    if is_as_applied {
        return Change { action: Action::None, before, after: Some(after), verdict: Verdict::Accepted, ..change };
    }
    Change { action: Action::Update, before, after: Some(after), ..change }
}

/// What is taken over with an apply, and the object as both together leave it.
fn healed(takes: Option<Box<(Taken, Value)>>, result: Option<Value>) -> (Option<Box<Taken>>, Option<Value>) {
    match takes.map(|takes| *takes) {
        Some((taken, healed)) => (Some(Box::new(taken)), Some(healed)),
        None => (None, result),
    }
}

/// An apply does not take a delete back.
fn going(live: &Value) -> Vec<String> {
    let is_terminating = live.pointer("/metadata/deletionTimestamp").is_some();
    is_terminating
        .then(|| "It is being deleted in the cluster. It is created again once it is gone".to_owned())
        .into_iter()
        .collect()
}

/// What an apply of another manifest would do to an object that is known to be as our last apply left it, though not
/// what that was.
pub fn decide_as_applied(wanted: &PreparedObject, asked: DryRun) -> Change {
    let DryRun { verdict, result, conflicts, takes, warnings, .. } = asked;
    let (takes, result) = healed(takes, result);
    let remarks = result.as_ref().map(|result| set_otherwise(wanted, result)).unwrap_or_default();
    Change { after: result, conflicts, takes, warnings, remarks, ..wanted.change(Action::Update, verdict) }
}

/// What of the manifest comes to something else in the cluster.
fn set_otherwise(wanted: &PreparedObject, result: &Value) -> Vec<String> {
    overridden(&wanted.key, &wanted.desired.object, result)
}

/// The object is not in the app's inventory: nothing of what it holds is shown.
fn taken_over(change: Change, wanted: &PreparedObject, live: &Value, owner: TakeOver, claim: Claim<'_>) -> Change {
    let (key, adopt, owner) = (&wanted.key, claim.adopt, handed_over(owner, claim));
    let refused = match &owner {
        TakeOver::OtherApp { instance, app } => Some(anothers(key, instance, app, claim.marks)),
        TakeOver::OtherTool { tool, name } if !adopt => Some(format!(
            "{key} exists and is managed by {tool} ({name}). Set `adopt: true` in the app, or sync with --adopt, to \
             take it over."
        )),
        TakeOver::Unmarked if !adopt => Some(format!(
            "{key} exists and is not this app's. Set `adopt: true` in the app, or sync with --adopt, to take it over."
        )),
        TakeOver::HandedOver { .. } | TakeOver::OtherTool { .. } | TakeOver::Unmarked => None,
    };
    let refused_by = if refused.is_some() { RefusedBy::Driftless } else { change.refused_by };
    let verdict = match refused {
        Some(message) => Verdict::Rejected { message, causes: Vec::new() },
        // What is there is of the same repo, which sees it in the plans of the other app.
        None if matches!(owner, TakeOver::HandedOver { .. }) => change.verdict.clone(),
        None => unspoken(change.verdict.clone()),
    };
    // What of another app of ours goes is told by its own plan; what is not taken loses nothing.
    let drops = match &owner {
        TakeOver::Unmarked | TakeOver::OtherTool { .. } => dropped(live, &wanted.manifest),
        TakeOver::OtherApp { .. } | TakeOver::HandedOver { .. } => Vec::new(),
    };
    let after = Some(wanted.manifest.clone());
    // No conflict where the values are equal: conflicts would tell whether a guess at a value is right.
    Change {
        action: Action::Update,
        verdict,
        refused_by,
        after,
        drops,
        takes_over: Some(owner),
        conflicts: Vec::new(),
        takes: None,
        warnings: Vec::new(),
        ..change
    }
}

/// What taking an object over would change of it, apart from its marks.
fn revealed(change: Change, wanted: &PreparedObject, live: &Value, mut after: Value, owner: TakeOver) -> Change {
    drop_adopted(&mut after, live, &wanted.desired.object);
    let plain = |object: &Value| {
        let mut object = object.clone();
        marks::strip(&mut object);
        strip_last_applied(&mut object);
        object
    };
    let action = if same(&plain(live), &plain(&after)) { Action::None } else { Action::Update };
    Change { action, before: Some(live.clone()), after: Some(after), takes_over: Some(owner), ..change }
}

fn handed_over(owner: TakeOver, claim: Claim<'_>) -> TakeOver {
    match (owner, claim.handed_over_by) {
        (TakeOver::OtherApp { instance, app }, Some(by))
            if claim.marks.is_instance(&instance) && by.to_string() == app =>
        {
            TakeOver::HandedOver { app }
        }
        (owner, _) => owner,
    }
}

fn anothers(key: &ObjectKey, instance: &str, app: &str, marks: &Marks) -> String {
    let own = marks.app();
    let other_repo = marks.is_instance(instance) && app.parse::<AppId>().is_ok_and(|other| other.repo != own.repo);
    let why = if other_repo { " Objects are handed over only between apps of one repo." } else { "" };
    format!(
        "{key} belongs to app {app} of the Driftless instance {instance}, and app {own} renders it as well. Two apps \
         cannot own one object: remove it from one of them.{why}"
    )
}

/// A refusal of what is there together with what is asked for may quote what is there.
fn unspoken(verdict: Verdict) -> Verdict {
    const HIDDEN: &str = "the server's message is not shown, because it may contain another owner's data";
    match verdict {
        Verdict::Rejected { causes, .. } => {
            let hidden = |cause: Cause| Cause { message: HIDDEN.to_owned(), ..cause };
            Verdict::Rejected {
                message: format!("The cluster rejects the resulting object; {HIDDEN}."),
                causes: causes.into_iter().map(hidden).collect(),
            }
        }
        verdict => verdict,
    }
}

/// What a change makes of an object that both its sides may have: the first lens of a preview.
pub fn decide_change(
    wanted: &PreparedObject,
    live: Option<&Value>,
    base: Option<(&PreparedObject, &DryRun)>,
    asked: DryRun,
    claim: Claim<'_>,
) -> Change {
    let base_accepted = base.filter(|(_, base)| !matches!(base.verdict, Verdict::Rejected { .. }));
    let Some((base_wanted, base_asked)) = base_accepted else {
        return decide(wanted, live, asked, claim);
    };
    if let (Some(refused), Some(live)) = (&asked.replaces, live)
        && take_over(live, &wanted.key.id(), claim.marks, claim.uid).is_none()
    {
        let before =
            base_asked.result.clone().filter(|_| base_asked.replaces.is_none()).unwrap_or_else(|| live.clone());
        let refused = refused.clone();
        return replaced(wanted, live, before, asked, refused, claim);
    }
    let DryRun { verdict, result, conflicts, takes, warnings, .. } = asked;
    let (takes, result) = healed(takes, result);
    let change = Change { conflicts, takes, warnings, ..wanted.change(Action::Update, verdict) };
    let ours = live.map(|live| (live, take_over(live, &wanted.key.id(), claim.marks, claim.uid)));
    let manifests = (base_wanted.manifest.clone(), wanted.manifest.clone());
    let before = in_one_version(live, base_asked.result.as_ref(), result.as_ref());
    let mut remarks = live.map(going).unwrap_or_default();
    if let (Some(before), Some(after)) = (&before, &result) {
        remarks.extend(stays(before, after, wanted));
    }
    // Of what is another's nothing is told.
    let is_anothers = matches!(ours, Some((_, Some(_))));
    if let Some(after) = result.as_ref().filter(|_| !is_anothers) {
        remarks.extend(set_otherwise(wanted, after));
    }
    let change = Change { remarks, ..change };
    let (before, after) = match (ours, before, result) {
        (Some((live, Some(owner))), ..) => {
            return Change { before: Some(manifests.0), ..taken_over(change, wanted, live, owner, claim) };
        }
        (Some((live, None)), Some(before), Some(after)) => (
            without_trial_values(before, &base_wanted.manifest, live),
            without_trial_values(after, &wanted.manifest, live),
        ),
        // Not there yet: both answers are of an object that the server would make.
        (None, Some(before), Some(after)) => {
            (without_allocated(before, &base_wanted.manifest), without_allocated(after, &wanted.manifest))
        }
        _ => manifests,
    };
    let is_same = change.verdict == Verdict::Accepted && same(&before, &after);
    let live = live.map(|live| live::differences(&wanted.key, live, &before, &after)).unwrap_or_default();
    Change {
        live,
        action: if is_same { Action::None } else { Action::Update },
        before: Some(before),
        after: Some(after),
        ..change
    }
}

/// What the base makes of an object, to be compared with `after`. Two versions of one kind spell one object in two
/// ways, and only the server can translate: then it is what is live, which was read in the version of the change.
fn in_one_version(live: Option<&Value>, base: Option<&Value>, after: Option<&Value>) -> Option<Value> {
    let version = |object: Option<&Value>| object.map(|object| object["apiVersion"].clone());
    if base.is_none() || after.is_none() || version(base) == version(after) {
        return base.cloned();
    }
    live.filter(|live| version(Some(live)) == version(after)).cloned()
}

/// A prune of a live object that may be deleted, with the answer to its dry-run.
pub fn prune(key: ObjectKey, live: Value, verdict: Verdict) -> Change {
    Change { before: Some(live), ..Change::new(key, Action::Prune, verdict) }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
