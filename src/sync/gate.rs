//! What has to hold before the first write. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Rejection, SyncError};
use super::input::{AllowDestructive, SyncInput, WaitsForWord};
use crate::ids::AppId;
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::destructive;
use crate::plan::{Action, Change, TakeOver, Verdict};
use crate::store::inventory::ObjectRow;

/// Refuses a plan of which the server has rejected any part: a bad revision changes nothing.
pub(super) fn refuse_rejected<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Result<(), SyncError> {
    let rejection = |change: &Change| match &change.verdict {
        // What bears another app's mark may be handed over: that is looked at by itself, with the claims.
        Verdict::Rejected { .. } if is_other_apps(change) => None,
        Verdict::Rejected { message, causes } => {
            Some(Rejection { object: change.key.clone(), origin: change.origin.clone(), message: message.clone(), causes: causes.clone() })
        }
        Verdict::Accepted | Verdict::NotValidated { .. } => None,
    };
    let rejections: Vec<_> = changes.into_iter().filter_map(rejection).collect();
    if rejections.is_empty() { Ok(()) } else { Err(SyncError::Rejected(rejections)) }
}

pub(super) fn is_other_apps(change: &Change) -> bool {
    matches!(change.takes_over, Some(TakeOver::OtherApp { .. }))
}

/// Refuses to take what belongs to others. `owners` are the apps that have an object of the plan by their claims.
pub(super) fn refuse_foreign(input: &SyncInput<'_>, owners: &BTreeMap<ObjectId, AppId>) -> Result<(), SyncError> {
    for change in &input.plan.changes {
        let object = || Box::new(change.key.clone());
        match &change.takes_over {
            None => {}
            // Whether a claim is handed over is for the store to say, which knows what the other app still wants.
            Some(TakeOver::OtherApp { app, .. }) if owners.get(&change.key.id()).is_some_and(|owner| owner.to_string() == *app) => {}
            Some(TakeOver::OtherApp { instance, app }) => {
                return Err(SyncError::OtherOwner { object: object(), app: app.clone(), instance: instance.clone() });
            }
            Some(TakeOver::Unmarked | TakeOver::OtherTool { .. }) if input.adopt => {}
            Some(TakeOver::Unmarked) => return Err(SyncError::NotAdopted { object: object(), owner: None }),
            Some(TakeOver::OtherTool { tool, name }) => {
                return Err(SyncError::NotAdopted { object: object(), owner: Some(format!("{tool} {name}").trim_end().to_owned()) });
            }
        }
    }
    Ok(())
}

/// Whether the plan needs a person's word, and has not got it for all that it deletes.
pub(super) fn word(input: &SyncInput<'_>, inventory: &[ObjectRow]) -> Option<WaitsForWord> {
    let known: Vec<ObjectId> = inventory.iter().map(|row| row.key.id()).collect();
    let mut reasons: Vec<String> = destructive(input.plan, &known, input.prune_limit).iter().map(ToString::to_string).collect();
    let known: BTreeSet<ObjectId> = known.into_iter().collect();
    let prunes = || input.plan.changes.iter().filter(|change| change.action == Action::Prune);
    reasons.extend(
        prunes()
            .filter(|change| !known.contains(&change.key.id()))
            .map(|change| format!("deletes {}, of which only its marks tell that it is the app's", change.key)),
    );
    if reasons.is_empty() {
        return None;
    }
    let deletes: Vec<ObjectKey> = input
        .plan
        .changes
        .iter()
        .filter(|change| matches!(change.action, Action::Prune | Action::Replace))
        .map(|change| change.key.clone())
        .collect();
    let allowed = match input.allow_destructive {
        AllowDestructive::No => false,
        AllowDestructive::Shown(shown) => deletes.iter().all(|key| shown.contains(&key.id())),
    };
    (!allowed).then(|| WaitsForWord { reasons, deletes, command: format!("driftless sync {} --allow-destructive", input.app.id) })
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
        Some(change) => Err(SyncError::NamespaceGone { namespace: change.key.name.clone(), app: input.app.id.to_string() }),
        None => Ok(()),
    }
}
