//! The conditions before the first write. Pure.

use std::collections::BTreeMap;

use super::error::{Rejection, SyncError};
use super::held::all_held_for;
use super::input::{AllowDestructive, PendingConfirmation, SyncInput};
use crate::ids::AppId;
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::{
    Action, Change, HeldFor, Plan, TakeOver, Verdict, destructive, held, is_destructive, is_terminating, named,
};
use crate::store::inventory::ObjectRow;

/// Refuses a plan of which the server has rejected any part: a bad revision changes nothing.
pub(super) fn refuse_rejected<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Result<(), SyncError> {
    let rejection = |change: &Change| match &change.verdict {
        // What bears another app's mark may be handed over: that is looked at by itself, with the claims.
        Verdict::Rejected { .. } if is_other_apps(change) => None,
        Verdict::Rejected { message, causes } => {
            let (object, origin, by) = (change.key.clone(), change.origin.clone(), change.refused_by);
            Some(Rejection { object, origin, message: message.clone(), causes: causes.clone(), by })
        }
        Verdict::Accepted | Verdict::NotValidated { .. } => None,
    };
    let rejections: Vec<_> = changes.into_iter().filter_map(rejection).collect();
    if rejections.is_empty() { Ok(()) } else { Err(SyncError::Rejected(rejections)) }
}

pub(super) fn is_other_apps(change: &Change) -> bool {
    matches!(change.takes_over, Some(TakeOver::OtherApp { .. } | TakeOver::HandedOver { .. }))
}

/// Refuses to take what belongs to others. `owners` are the apps that have an object of the plan by their claims.
pub(super) fn refuse_foreign(input: &SyncInput<'_>, owners: &BTreeMap<ObjectId, AppId>) -> Result<(), SyncError> {
    for change in &input.plan.changes {
        let object = || Box::new(change.key.clone());
        match &change.takes_over {
            None | Some(TakeOver::HandedOver { .. }) => {}
            // Whether a claim is handed over is for the store to say, which knows what the other app still wants.
            Some(TakeOver::OtherApp { app, .. })
                if owners.get(&change.key.id()).is_some_and(|owner| owner.to_string() == *app) => {}
            Some(TakeOver::OtherApp { instance, app }) => {
                return Err(SyncError::OtherOwner { object: object(), app: app.clone(), instance: instance.clone() });
            }
            Some(TakeOver::Unmarked | TakeOver::OtherTool { .. }) if input.adopt => {}
            Some(TakeOver::Unmarked) => return Err(SyncError::NotAdopted { object: object(), owner: None }),
            Some(TakeOver::OtherTool { tool, name }) => {
                return Err(SyncError::NotAdopted {
                    object: object(),
                    owner: Some(format!("{tool} {name}").trim_end().to_owned()),
                });
            }
        }
    }
    Ok(())
}

/// What of the plan is held back because it needs confirmation and has not got it. As long as anything is, nothing is
/// deleted: what stays may refer to any of it.
pub(super) fn pending_confirmation(input: &SyncInput<'_>, inventory: &[ObjectRow]) -> Option<PendingConfirmation> {
    let Reasons { said: mut reasons, held_for } = reasons(input, inventory);
    if reasons.is_empty() {
        return None;
    }
    let removed = removed(input.plan);
    let deletes: Vec<ObjectKey> = match input.allow_destructive {
        AllowDestructive::No => removed,
        AllowDestructive::Shown(shown) => {
            let all = removed.len();
            let unshown: Vec<_> = removed.into_iter().filter(|key| !shown.contains(&key.id())).collect();
            if unshown.len() < all {
                reasons = vec![format!(
                    "deletes {}, which was not listed when the deletions were confirmed",
                    named(&unshown)
                )];
            }
            unshown
        }
    };
    let command = format!("driftless sync {} --allow-destructive", input.app.id);
    (!deletes.is_empty()).then_some(PendingConfirmation { reasons, deletes, command, held_for })
}

/// Why confirmation is needed, in words, and what for of each deletion.
struct Reasons {
    said: Vec<String>,
    held_for: BTreeMap<ObjectId, HeldFor>,
}

fn reasons(input: &SyncInput<'_>, inventory: &[ObjectRow]) -> Reasons {
    let rows = all_held_for(inventory);
    let known: Vec<ObjectId> = rows.keys().cloned().collect();
    let changes = &input.plan.changes;
    let destructive = destructive(changes, &known, input.prune_limit);
    let mut said: Vec<String> = destructive.iter().map(ToString::to_string).collect();
    let prunes = changes.iter().filter(|change| change.action == Action::Prune && !is_terminating(change));
    let marked: Vec<ObjectKey> =
        prunes.filter(|change| !rows.contains_key(&change.key.id())).map(|change| change.key.clone()).collect();
    said.extend(by_marks_alone(&marked));
    let held = held(changes, &rows, &destructive, input.prune_limit);
    if said.is_empty() && !held.earlier.is_empty() {
        said.push(format!("deletes {}, held by an earlier run", named(&held.earlier)));
    }
    if !said.is_empty() && !held.others.is_empty() {
        said.push(format!("also deletes {}", named(&held.others)));
    }
    Reasons { said, held_for: held.held_for }
}

/// All that goes with a plan, old names that a generator's hash has paired included, save what is replaced without
/// harm.
fn removed(plan: &Plan) -> Vec<ObjectKey> {
    let gone = |change: &Change| match change.action {
        Action::Prune if !is_terminating(change) => Some(change.key.clone()),
        Action::Prune | Action::Replace if !is_destructive(change) => None,
        _ => change.removes().cloned(),
    };
    plan.changes.iter().filter_map(gone).collect()
}

/// Why the deletes of objects that no inventory has need confirmation.
pub fn by_marks_alone(keys: &[ObjectKey]) -> Option<String> {
    let carry = if keys.len() == 1 { "carries this app's label but is" } else { "carry this app's label but are" };
    let why = "missing from Driftless' inventory (for example after its database was lost)";
    (!keys.is_empty()).then(|| format!("deletes {}, which {carry} {why}", named(keys)))
}

/// Refuses to make a namespace again that somebody deleted while its app was applied.
pub(super) fn refuse_lost_namespace(input: &SyncInput<'_>, inventory: &[ObjectRow]) -> Result<(), SyncError> {
    let lost = |change: &&Change| {
        change.action == Action::Create
            && change.key.group.is_empty()
            && change.key.kind == "Namespace"
            && inventory.iter().any(|row| row.key.id() == change.key.id() && row.applied_revision.is_some())
    };
    match input.plan.changes.iter().find(lost) {
        Some(change) => {
            Err(SyncError::NamespaceGone { namespace: change.key.name.clone(), app: input.app.id.to_string() })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
