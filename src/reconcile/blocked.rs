//! Objects that a pull request does not change and that are rejected on the base. A sync applies an app completely or
//! not at all, so they block every change to the app.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::apply::PlanSide;
use super::facts::Facts;
use super::input::ReconcileError;
use super::quota;
use crate::app::SyncPolicy;
use crate::manifest::ObjectId;
use crate::plan::{self, Action, Change, PreparedObject, Verdict};

const NOTE: &str = "This change does not touch it; it is rejected on the base as well. Nothing of the app is applied \
     until it is fixed.";

/// What a sync of the merge would write or be refused of objects that are the same on both sides, and that are not in
/// the cluster as they are in Git.
pub(super) fn look(
    side: &PlanSide<'_>,
    base: &HashMap<ObjectId, Facts>,
    change: &HashMap<ObjectId, Facts>,
    differs: &impl Fn(&ObjectId) -> bool,
) -> Vec<Change> {
    if side.input.app.sync == SyncPolicy::Never {
        return Vec::new();
    }
    let one = |prepared: &plan::Prepared| match prepared {
        Err(refused) => Some(refused.clone().change()),
        Ok(wanted) => {
            let id = wanted.key.id();
            let facts = change.get(&id).or_else(|| base.get(&id))?;
            if !may_be_in_the_way(side, wanted, facts) || side.is_over(wanted, facts) {
                return None;
            }
            let live = facts.live.as_ref();
            Some(plan::decide(wanted, live, facts.asked.clone(), side.claim(&id, live)))
        }
    };
    let same = side.prepared.iter().filter(|prepared| !differs(&plan::id(prepared)));
    same.filter_map(one).filter(|change| change.action != Action::None || change.is_rejected()).collect()
}

/// What is there, is the app's, and was applied as it is wanted holds up nothing: where the server does not take it any
/// more it is left as it is, and that is said of the app.
fn may_be_in_the_way(side: &PlanSide<'_>, wanted: &PreparedObject, facts: &Facts) -> bool {
    let is_refused = matches!(facts.asked.verdict, Verdict::Rejected { .. });
    let is_ours = side.owned.get(&wanted.key.id()).is_some_and(|owned| owned.uid.is_some());
    match &facts.live {
        None => true,
        Some(_) => !is_ours || (is_refused && !side.is_applied(wanted)),
    }
}

/// Refuses what all that a sync of the merge would write asks for together, and adds to what changes what is in its way
/// and does not change. `absent` is not in the cluster, whatever the change makes of it. What of all this is made and
/// counted by a quota.
pub(super) async fn together(
    side: &PlanSide<'_>,
    changes: &mut Vec<Change>,
    unchanged: Vec<Change>,
    absent: &HashSet<ObjectId>,
) -> Result<BTreeSet<ObjectId>, ReconcileError> {
    // What is shown as an update of what the base would make is made all the same.
    let mut shown = Vec::new();
    for (at, change) in changes.iter_mut().enumerate() {
        if change.action == Action::Update && absent.contains(&change.key.id()) {
            change.action = Action::Create;
            shown.push((at, change.before.take()));
        }
    }
    let brings = changes.iter().any(|change| change.action != Action::None);
    let own = changes.len();
    changes.extend(unchanged);
    let counted = quota::counted(side.cluster, changes).await;
    let asked = side.together(changes).await;
    let rest = changes.split_off(own);
    for (at, before) in shown {
        (changes[at].action, changes[at].before) = (Action::Update, before);
    }
    asked?;
    if brings {
        changes.extend(rest.into_iter().filter(Change::is_rejected).map(unseen));
    }
    counted
}

/// Nothing of the object itself is shown, as nothing of it changes.
fn unseen(change: Change) -> Change {
    let notes = change.notes.into_iter().chain([NOTE.to_owned()]).collect();
    Change { before: None, after: None, live: Vec::new(), drops: Vec::new(), notes, ..change }
}
