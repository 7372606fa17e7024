//! Decides whether drift is healed again, or whether another controller keeps changing it back and is named. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::drift::{Differs, Drifted, changed_fields, who_changed};
use crate::manifest::ObjectId;
use crate::plan::{Action, Change, Plan, is_destructive};
use crate::store::apps::{HealCount, Heals};

/// What is to be done about a drifted app.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// The objects that differ in something that the app owns.
    pub drifted: Vec<DriftedFields>,
    /// Those of them that are left alone from now on, until the next revision.
    pub given_up: BTreeSet<ObjectId>,
    /// The counts to store.
    pub heals: Heals,
}

/// What of an object differs, and who did that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftedFields {
    pub object: ObjectId,
    /// Empty when the whole object is gone, or is refused.
    pub fields: Vec<String>,
    /// It is there, and the server refuses what it should be: then nobody can say in which fields it differs.
    pub is_refused: bool,
    /// `kubectl-edit (Update at …)`, where the cluster tells.
    pub by: Option<String>,
    /// The heals before this one that set the same fields, in a row.
    pub healed_before: u32,
    /// Owners that its manifest names and that are not there, so that Kubernetes deletes it.
    pub lost_owners: Vec<String>,
}

impl DriftedFields {
    pub fn is_gone(&self) -> bool {
        self.fields.is_empty() && !self.is_refused
    }
}

impl Judgement {
    /// Whether anything is left to heal.
    pub fn heals_anything(&self) -> bool {
        self.drifted.iter().any(|drifted| !self.given_up.contains(&drifted.object))
    }

    /// Nothing is healed: what is only reported counts as no heal.
    pub fn is_only_reported(&mut self) {
        for drifted in &self.drifted {
            if let Some(count) = self.heals.get_mut(&drifted.object.to_string()) {
                count.count = drifted.healed_before;
            }
        }
    }

    /// Notes what is missing and stays so: what was given up on, or all of it where nothing is healed.
    pub fn note_gone(&mut self, heals_nothing: bool) {
        let gone = self.drifted.iter().filter(|drifted| drifted.is_gone());
        for drifted in gone.filter(|drifted| heals_nothing || self.given_up.contains(&drifted.object)) {
            if let Some(count) = self.heals.get_mut(&drifted.object.to_string()) {
                count.is_left_gone = true;
            }
        }
    }

    /// What was given up on, in words: the field and who fights back.
    pub fn surrender(&self) -> Vec<String> {
        let lost = self.drifted.iter().filter(|drifted| self.given_up.contains(&drifted.object));
        lost.map(|drifted| {
            if !drifted.lost_owners.is_empty() {
                let (owners, does) =
                    (drifted.lost_owners.join(", "), if drifted.lost_owners.len() == 1 { "does" } else { "do" });
                return format!(
                    "{}: Kubernetes deletes it after each heal ({} times), because its `ownerReferences` name \
                     {owners}, which {does} not exist. Remove them from the manifest; it is not healed until the next \
                     revision",
                    drifted.object, drifted.healed_before
                );
            }
            let by = drifted.by.as_deref().unwrap_or("somebody");
            let what = if drifted.fields.is_empty() {
                "deletes it".to_owned()
            } else {
                format!("changes {}", drifted.fields.join(", "))
            };
            format!(
                "{}: {by} {what} after each heal ({} times); it is not healed until the next revision",
                drifted.object, drifted.healed_before
            )
        })
        .collect()
    }
}

/// Judges the plan of a drifted app by what was healed before. `manager` is our own field manager; `most` identical
/// heals in a row are enough. What needs confirmation is not healed.
pub fn judge(plan: &Plan, seen: &[Drifted], before: &Heals, manager: &str, most: u32) -> Judgement {
    let seen: BTreeMap<&ObjectId, &Differs> = seen.iter().map(|drifted| (&drifted.id, &drifted.differs)).collect();
    let mut judgement = Judgement::default();
    let heals = |change: &&Change| {
        matches!(change.action, Action::Create | Action::Update | Action::Replace) && !is_destructive(change)
    };
    for change in plan.changes.iter().filter(heals) {
        let id = change.key.id();
        let fields = fields(change);
        let by = seen.get(&id).and_then(|differs| author(differs, &fields, manager));
        let known = before.get(&id.to_string()).filter(|known| known.fields == fields);
        let healed_before = known.map_or(0, |known| known.count);
        let given_up = healed_before >= most;
        if given_up {
            judgement.given_up.insert(id.clone());
        }
        let count = HealCount {
            fields: fields.clone(),
            manager: by.clone(),
            count: if given_up || change.is_rejected() { healed_before } else { healed_before + 1 },
            is_left_gone: false,
        };
        judgement.heals.insert(id.to_string(), count);
        let is_refused = change.is_rejected() && change.before.is_some();
        judgement.drifted.push(DriftedFields {
            object: id,
            fields,
            is_refused,
            by,
            healed_before,
            lost_owners: Vec::new(),
        });
    }
    judgement
}

/// Whether a change would heal what was healed as often as it is worth.
pub fn is_lost(change: &Change, known: &HealCount, most: u32) -> bool {
    known.count >= most && known.fields == fields(change)
}

fn fields(change: &Change) -> Vec<String> {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => changed_fields(before, after),
        _ => Vec::new(),
    }
}

fn author(differs: &Differs, fields: &[String], manager: &str) -> Option<String> {
    let Differs::Changed { meta, .. } = differs else { return None };
    fields.iter().find_map(|field| who_changed(meta, manager, field)).map(|actor| actor.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::PartialMeta;
    use crate::ids::ClusterName;
    use crate::manifest::ObjectKey;
    use crate::plan::Verdict;
    use crate::store::inventory::Fingerprint;

    fn key() -> ObjectKey {
        ObjectKey {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        }
    }

    fn plan(change: Change) -> Plan {
        Plan {
            app: "shop/web".parse().expect("an app"),
            cluster: ClusterName::new("prod"),
            revision: "0123456789012345678901234567890123456789".parse().expect("an id"),
            changes: vec![change],
        }
    }

    fn scaled(to: i64) -> Plan {
        let mut change = Change::new(key(), Action::Update, Verdict::Accepted);
        change.before = Some(json!({"spec": {"replicas": to}}));
        change.after = Some(json!({"spec": {"replicas": 3}}));
        plan(change)
    }

    fn seen() -> Vec<Drifted> {
        let object = json!({"metadata": {"name": "web", "managedFields": [
            {"manager": "hpa", "operation": "Update", "apiVersion": "apps/v1", "subresource": "scale",
                "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}});
        let meta = Box::new(PartialMeta::of(&object).expect("metadata"));
        let print = Fingerprint { digest: String::new(), settled: true };
        vec![Drifted {
            app: "shop/web".parse().expect("an app"),
            id: key().id(),
            differs: Differs::Changed { print, resource_version: "1".into(), meta },
        }]
    }

    #[test]
    fn after_three_heals_of_the_same_field_the_manager_who_fights_back_is_named() {
        let mut heals = Heals::new();
        for replicas in 5..=7 {
            // Another value of the same field is the same fight.
            let judgement = judge(&scaled(replicas), &seen(), &heals, "driftless", 3);
            assert!(judgement.heals_anything(), "scaled to {replicas}");
            heals = judgement.heals;
        }
        let judgement = judge(&scaled(9), &seen(), &heals, "driftless", 3);
        assert!(!judgement.heals_anything());
        assert!(
            judge(&scaled(9), &seen(), &heals, "driftless", 4).heals_anything(),
            "A19: it is the configuration's number"
        );
        insta::assert_snapshot!(judgement.surrender().join("\n"),
            @
                "Deployment shop/web: hpa (Update of scale) changes spec.replicas after each heal (3 times); it is not healed until the next revision");
        assert_eq!(judgement.heals, heals, "a fight that was given up is not counted on");
    }

    #[test]
    fn another_field_or_a_quiet_time_begins_anew() {
        let heals = Heals::from([(
            key().id().to_string(),
            HealCount { fields: vec!["spec.paused".into()], manager: None, count: 3, is_left_gone: false },
        )]);
        let judgement = judge(&scaled(1), &seen(), &heals, "driftless", 3);
        assert!(judgement.heals_anything());
        assert_eq!(judgement.heals[&key().id().to_string()].count, 1);
        let quiet = judge(&plan(Change::new(key(), Action::None, Verdict::Accepted)), &seen(), &heals, "driftless", 3);
        assert_eq!(quiet, Judgement::default(), "nothing the app owns differs");
    }

    #[test]
    fn a_deleted_object_is_drift_of_the_whole() {
        let judgement =
            judge(&plan(Change::new(key(), Action::Create, Verdict::Accepted)), &[], &Heals::new(), "driftless", 3);
        assert_eq!(judgement.drifted[0].fields, Vec::<String>::new());
        assert!(judgement.heals_anything());
    }

    /// T3+: what is deleted after each heal stays away, which is noted; so is what is only looked at. Whose owner is
    /// not there is deleted by Kubernetes.
    #[test]
    fn what_stays_away_is_noted() {
        let create = || plan(Change::new(key(), Action::Create, Verdict::Accepted));
        let judged = |count, heals_nothing| {
            let count = HealCount { fields: Vec::new(), manager: None, count, is_left_gone: false };
            let before = Heals::from([(key().id().to_string(), count)]);
            let mut judgement = judge(&create(), &[], &before, "driftless", 3);
            judgement.note_gone(heals_nothing);
            judgement
        };
        let is_left_gone = |judgement: &Judgement| judgement.heals[&key().id().to_string()].is_left_gone;
        assert!(!is_left_gone(&judged(1, false)), "it is healed");
        assert!(is_left_gone(&judged(3, false)) && is_left_gone(&judged(0, true)));
        let mut judgement = judged(3, false);
        judgement.drifted[0].lost_owners = vec!["ConfigMap nothing".into()];
        insta::assert_snapshot!(judgement.surrender().join("\n"),
            @
                "Deployment shop/web: Kubernetes deletes it after each heal (3 times), because its `ownerReferences` \
                 name ConfigMap nothing, which does not exist. Remove them from the manifest; it is not healed until \
                 the next revision");
    }
}
