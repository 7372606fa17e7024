//! A plan in which ownership is settled. Only such a plan can be applied, so that no object is deleted that another app
//! owns or renders: the type guarantees it, not the order of calls. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use super::change::{Action, Change, Plan};
use super::owner::TakeOver;
use crate::ids::AppId;
use crate::manifest::ObjectId;

/// What other apps have to do with the objects of a plan.
#[derive(Debug, Default)]
pub struct OtherApps {
    /// What they have claimed, maybe since the plan was made: it is not this app's to delete.
    pub own: BTreeSet<ObjectId>,
    /// What is kept for them instead of being deleted, for whom and why.
    pub need: BTreeMap<ObjectId, (AppId, String)>,
    /// What carries the label of an app that has released it.
    pub released: BTreeMap<ObjectId, AppId>,
}

#[derive(Debug, Clone)]
pub struct SettledPlan(Plan);

impl Plan {
    #[must_use]
    pub fn settle(mut self, mut others: OtherApps) -> SettledPlan {
        self.changes.retain(|change| change.action != Action::Prune || !others.own.contains(&change.key.id()));
        for change in &mut self.changes {
            let id = change.key.id();
            if change.action == Action::Prune
                && let Some((app, note)) = others.need.remove(&id)
            {
                change.notes.push(note);
                change.leave(app);
            }
            if let Some(app) = others.released.get(&id) {
                change.takes_over = Some(TakeOver::HandedOver { app: app.to_string() });
            }
        }
        SettledPlan(self)
    }
}

impl Deref for SettledPlan {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.0
    }
}

impl SettledPlan {
    /// To note something on changes, or to do less than they say. None can be added.
    pub fn changes_mut(&mut self) -> &mut [Change] {
        &mut self.0.changes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::ClusterName;
    use crate::manifest::ObjectKey;
    use crate::plan::Verdict;

    #[test]
    fn what_others_own_or_need_is_not_deleted() {
        let change = |name: &str, action| {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
            Change::new(ObjectKey::of(&object).expect("a name"), action, Verdict::Accepted)
        };
        let changes = vec![
            change("gone", Action::Prune),
            change("owned", Action::Prune),
            change("needed", Action::Prune),
            change("taken", Action::Update),
            // It is applied, whoever else needs it.
            change("applied", Action::Update),
        ];
        let id = |at: usize| changes[at].key.id();
        let app: AppId = "shop/web".parse().expect("an app");
        let others = OtherApps {
            own: BTreeSet::from([id(1), id(4)]),
            need: BTreeMap::from([
                (id(2), (app.clone(), "kept".to_owned())),
                (id(4), (app.clone(), "kept".to_owned())),
            ]),
            released: BTreeMap::from([(id(3), app.clone())]),
        };
        let plan = Plan {
            app: "shop/cart".parse().expect("an app"),
            cluster: ClusterName::new("prod"),
            revision: "0123456789012345678901234567890123456789".parse().expect("an id"),
            changes,
        };
        let settled = plan.settle(others);
        let found: Vec<(&str, Action, bool, bool)> = settled
            .changes
            .iter()
            .map(|change| {
                (change.key.name.as_str(), change.action, change.left_for.is_some(), change.takes_over.is_some())
            })
            .collect();
        let expected = [
            ("gone", Action::Prune, false, false),
            ("needed", Action::None, true, false),
            ("taken", Action::Update, false, true),
            ("applied", Action::Update, false, false),
        ];
        assert_eq!(found, expected);
    }
}
