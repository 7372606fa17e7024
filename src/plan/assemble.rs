//! Makes a plan of a list of changes: pairs renamed objects, finds referrers, and sorts.

use std::collections::{HashMap, HashSet};

use super::change::{Action, Change};
use super::{names, order, refer};
use crate::manifest::{Manifest, ObjectKey};

/// Orders changes as a sync carries them out: applies first, in the order of kinds, then prunes the other way.
/// `rendered` is what the app consists of afterwards.
pub fn assemble(changes: Vec<Change>, rendered: &[Manifest]) -> Vec<Change> {
    let mut changes = pair(changes);
    let index = refer::Index::new(rendered);
    for change in &mut changes {
        let gone = match (&change.action, &change.replaces_name) {
            (Action::Prune, _) => Some(change.key.id()),
            (_, Some(old)) => Some(old.id()),
            _ => None,
        };
        if let Some(gone) = gone {
            change.referrers = index.referrers(&gone);
        }
    }
    let prunes = |change: &Change| change.action == Action::Prune;
    changes.sort_by(|a, b| {
        prunes(a).cmp(&prunes(b)).then_with(|| {
            let order = order::compare(&a.key, &b.key);
            if prunes(a) { order.reverse() } else { order }
        })
    });
    changes
}

/// Makes one update of the create and the prune of an object whose name ends in another hash.
fn pair(changes: Vec<Change>) -> Vec<Change> {
    let keys = |action: Action| -> Vec<_> {
        let of = changes.iter().filter(|change| change.action == action && change.takes_over.is_none());
        of.filter(|change| action != Action::Prune || !change.is_rejected()).map(|change| change.key.clone()).collect()
    };
    let pairs = names::pair(&keys(Action::Prune), &keys(Action::Create));
    let mut by_new: HashMap<ObjectKey, ObjectKey> = pairs.iter().map(|(old, new)| (new.clone(), old.clone())).collect();
    let olds: HashSet<ObjectKey> = pairs.into_iter().map(|(old, _)| old).collect();
    let (prunes, mut changes): (Vec<Change>, Vec<Change>) =
        changes.into_iter().partition(|change| change.action == Action::Prune && olds.contains(&change.key));
    let mut before: HashMap<ObjectKey, _> = prunes.into_iter().map(|prune| (prune.key, prune.before)).collect();
    for change in changes.iter_mut().filter(|change| change.action == Action::Create) {
        let Some(old) = by_new.remove(&change.key) else { continue };
        change.action = Action::Update;
        change.before = before.remove(&old).flatten();
        change.replaces_name = Some(old);
    }
    changes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::change::Verdict;
    use super::*;

    fn change(kind: &str, name: &str, action: Action) -> Change {
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}});
        let key = ObjectKey::of(&object).expect("a name");
        Change { before: (action == Action::Prune).then_some(object), ..Change::new(key, action, Verdict::Accepted) }
    }

    #[test]
    fn thousands_of_prunes_and_new_names_are_put_together_at_once() {
        let name = |n: usize, digit: char| format!("m{n}-{}", digit.to_string().repeat(10));
        let user = |n: usize| {
            let volumes = json!([{"configMap": {"name": name(n, '4')}}, {"secret": {"secretName": format!("s{n}")}}]);
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{n}"),
                "namespace": "shop"},
                "spec": {"volumes": volumes, "more": vec![json!({"some": "thing", "with": ["a", "b", "c"]}); 40]}});
            Manifest::new(pod, None).expect("a name")
        };
        let rendered: Vec<_> = (0..4000).map(user).collect();
        let changes = (0..4000).flat_map(|n| {
            [
                change("ConfigMap", &name(n, '2'), Action::Prune),
                change("ConfigMap", &name(n, '4'), Action::Create),
                change("Secret", &format!("s{n}"), Action::Prune),
            ]
        });
        let begun = std::time::Instant::now();
        let plan = assemble(changes.collect(), &rendered);
        assert_eq!(plan.iter().filter(|change| change.replaces_name.is_some()).count(), 4000);
        assert!(plan.iter().filter(|change| change.action == Action::Prune).all(|prune| prune.referrers.len() == 1));
        // A tenth of a second where each is looked up, minutes where each is compared with each.
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_new_hash_is_an_update_and_tells_who_still_uses_the_old_name() {
        let user = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"volumes": [{"configMap": {"name": "env-2222222222"}}]}});
        let rendered = [Manifest::new(user, None).expect("a name")];
        let changes = vec![
            change("ConfigMap", "env-2222222222", Action::Prune),
            change("ConfigMap", "env-4444444444", Action::Create),
            change("Secret", "gone", Action::Prune),
            change("Service", "gone", Action::Prune),
            change("Service", "web", Action::Create),
        ];
        let shown: Vec<_> = assemble(changes, &rendered)
            .iter()
            .map(|c| {
                let old = c.replaces_name.as_ref().map(|old| format!(" from {old}")).unwrap_or_default();
                format!("{:?} {}{old} {}", c.action, c.key, c.referrers.len())
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        Update ConfigMap shop/env-4444444444 from ConfigMap shop/env-2222222222 1
        Create Service shop/web 0
        Prune Service shop/gone 0
        Prune Secret shop/gone 0
        ");
    }
}
