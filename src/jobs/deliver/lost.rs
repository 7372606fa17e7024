//! Objects that a sync leaves unchanged: their manifest has not changed, and another controller keeps changing them
//! back or the cluster rejects healing them. A new revision that does not touch them neither heals them again nor fails
//! because of them. Pure.

use std::collections::HashMap;

use crate::manifest::ObjectId;
use crate::plan::{Action, Change, SettledPlan, Verdict};
use crate::store::apps::Heals;
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::sync::heal;

/// What is left alone, and what of the counts of heals stays.
#[derive(Debug, Default)]
pub(in crate::jobs) struct LeftAlone {
    /// One sentence each.
    pub said: Vec<String>,
    pub heals: Heals,
}

/// Takes it out of the plan. `most` identical heals in a row are a fight that is lost.
pub(in crate::jobs) fn leave_alone(
    plan: &mut SettledPlan,
    heals: &Heals,
    most: u32,
    inventory: &[ObjectRow],
) -> LeftAlone {
    let applied: HashMap<ObjectId, &str> = inventory
        .iter()
        .filter(|row| row.state == ObjectState::Applied)
        .filter_map(|row| Some((row.key.id(), row.manifest_hash.as_deref()?)))
        .collect();
    let is_as_applied = |change: &Change| {
        let hash = change.desired.as_ref().map(|desired| desired.hash.as_str());
        hash.is_some() && applied.get(&change.key.id()).copied() == hash && change.takes_over.is_none()
    };
    let mut left = LeftAlone::default();
    for change in plan.changes_mut().iter_mut().filter(|change| is_as_applied(change)) {
        let known = heals.get(&change.key.id().to_string());
        if let Some(known) = known {
            left.heals.insert(change.key.id().to_string(), known.clone());
        }
        let reason = match &change.verdict {
            Verdict::Rejected { message, .. } if change.before.is_some() => {
                Some(format!("the server refuses to change it back: {message}"))
            }
            _ => known.filter(|known| heal::is_lost(change, known, most)).map(|known| {
                let by = known.manager.as_deref().unwrap_or("somebody");
                let what = if known.fields.is_empty() { "deleted it" } else { "changed it back" };
                format!("{by} has {what} after each of {} heals", known.count)
            }),
        };
        if let Some(reason) = reason {
            left.said.push(format!("{} is no longer healed: {reason}", change.key));
            change.action = Action::None;
            change.verdict = Verdict::Accepted;
            change.after.clone_from(&change.before);
            change.conflicts.clear();
            change.takes = None;
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::ClusterName;
    use crate::manifest::ObjectKey;
    use crate::plan::{Desired, OtherApps, Plan};
    use crate::store::apps::HealCount;

    fn key() -> ObjectKey {
        ObjectKey {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        }
    }

    fn plan(hash: &str, verdict: Verdict) -> SettledPlan {
        let mut change = Change::new(key(), Action::Update, verdict);
        change.before = Some(json!({"spec": {"replicas": 7}}));
        change.after = Some(json!({"spec": {"replicas": 3}}));
        change.desired = Some(Desired { object: json!({}), hash: hash.to_owned() });
        let plan = Plan {
            app: "shop/web".parse().expect("an app"),
            cluster: ClusterName::new("prod"),
            revision: "0123456789012345678901234567890123456789".parse().expect("an id"),
            changes: vec![change],
        };
        plan.settle(OtherApps::default())
    }

    fn inventory() -> Vec<ObjectRow> {
        let app = "shop/web".parse().expect("an app");
        vec![ObjectRow {
            key: key(),
            app,
            state: ObjectState::Applied,
            uid: None,
            manifest_hash: Some("h".into()),
            fingerprint: None,
            resource_version: None,
            applied_revision: None,
            job_done: false,
            held_of: None,
        }]
    }

    fn fought(count: u32) -> Heals {
        let count =
            HealCount { fields: vec!["spec.replicas".into()], manager: Some("hpa".into()), count, is_left_gone: false };
        Heals::from([(key().id().to_string(), count)])
    }

    /// B7: a lost fight is remembered over revisions that do not touch the object.
    #[test]
    fn a_lost_fight_is_not_begun_anew_by_another_revision() {
        let mut same = plan("h", Verdict::Accepted);
        let left = leave_alone(&mut same, &fought(3), 3, &inventory());
        assert!(same.is_empty());
        assert_eq!(
            left.said,
            ["Deployment shop/web is no longer healed: hpa has changed it back after each of 3 heals"]
        );
        assert_eq!(left.heals, fought(3));
        let mut going_on = plan("h", Verdict::Accepted);
        let left = leave_alone(&mut going_on, &fought(1), 3, &inventory());
        assert_eq!((going_on.is_empty(), left.said.len(), left.heals), (false, 0, fought(1)), "the count goes on");
        let mut changed = plan("other", Verdict::Accepted);
        let left = leave_alone(&mut changed, &fought(3), 3, &inventory());
        assert!(!changed.is_empty() && left.heals.is_empty(), "Git says something new of it");
    }

    /// B6: what cannot be healed holds up no other change, and is said.
    #[test]
    fn what_the_server_refuses_to_change_back_holds_up_nothing_else() {
        let refused = || Verdict::Rejected { message: "Duplicate value: \"http\"".into(), causes: Vec::new() };
        let mut same = plan("h", refused());
        let left = leave_alone(&mut same, &Heals::new(), 3, &inventory());
        assert!(same.is_empty());
        assert_eq!(left.said.len(), 1);
        let mut changed = plan("other", refused());
        leave_alone(&mut changed, &Heals::new(), 3, &inventory());
        assert!(!changed.is_empty(), "a wrong change stays refused");
    }
}
