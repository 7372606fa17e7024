//! A list of changes made into a plan: names paired, referrers found, everything in order.

use super::change::{Action, Change};
use super::{names, order, refer};
use crate::manifest::Manifest;

/// Orders changes as a sync carries them out: applies first, in the order of kinds, then prunes the other way. `rendered` is what the app
/// consists of afterwards.
pub fn assemble(changes: Vec<Change>, rendered: &[Manifest]) -> Vec<Change> {
    let mut changes = pair(changes);
    for change in &mut changes {
        let gone = match (&change.action, &change.replaces_name) {
            (Action::Prune, _) => Some(change.key.id()),
            (_, Some(old)) => Some(old.id()),
            _ => None,
        };
        if let Some(gone) = gone {
            change.referrers = refer::referrers(rendered, &gone);
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
fn pair(mut changes: Vec<Change>) -> Vec<Change> {
    let keys = |action: Action| -> Vec<_> {
        let of = changes.iter().filter(|change| change.action == action && change.takes_over.is_none());
        of.filter(|change| action != Action::Prune || !change.is_rejected()).map(|change| change.key.clone()).collect()
    };
    let pairs = names::pair(&keys(Action::Prune), &keys(Action::Create));
    for (old, new) in pairs {
        let Some(at) = changes.iter().position(|change| change.key == old && change.action == Action::Prune) else { continue };
        let prune = changes.remove(at);
        let Some(change) = changes.iter_mut().find(|change| change.key == new) else { continue };
        change.action = Action::Update;
        change.before = prune.before;
        change.replaces_name = Some(old);
    }
    changes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::change::Verdict;
    use super::*;
    use crate::manifest::ObjectKey;

    fn change(kind: &str, name: &str, action: Action) -> Change {
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}});
        let key = ObjectKey::of(&object).expect("a name");
        Change { before: (action == Action::Prune).then_some(object), ..Change::new(key, action, Verdict::Accepted) }
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
