//! Objects that block a change until the same change deletes or updates them: which one it is, and what to do. Pure.

use std::fmt;

use super::change::{Action, Change, Verdict};
use super::compete::{Single, singles};
use super::siblings::decides;
use crate::manifest::{ObjectId, ObjectKey};

/// What an object has of which there is one only, until the change takes it from it.
struct Holder {
    key: ObjectKey,
    has: Vec<Single>,
    is_deleted: bool,
}

impl Holder {
    fn of(change: &Change) -> Option<Self> {
        let before = change.before.as_ref()?;
        let id = change.key.id();
        let is_deleted = change.action == Action::Prune;
        let stays = change.after.as_ref().filter(|_| !is_deleted).map(|after| singles(&id, after)).unwrap_or_default();
        let known = is_deleted || (change.action == Action::Update && change.after.is_some());
        let has: Vec<Single> = singles(&id, before).into_iter().filter(|single| !stays.contains(single)).collect();
        (known && !has.is_empty()).then(|| Self { key: change.key.clone(), has, is_deleted })
    }

    fn text(&self, single: &Single) -> String {
        let Self { key, is_deleted, .. } = self;
        if *is_deleted {
            format!("{key} uses {single} until it is deleted, and {GOES_LAST}. {}", in_two_steps(key))
        } else {
            format!(
                "{key} uses {single} until this change is applied to it. Make the change in two steps: merge \
                 the change of {key} first, and this object afterwards."
            )
        }
    }
}

const GOES_LAST: &str = "objects that are no longer in Git are deleted after everything else is applied";

fn in_two_steps(key: &dyn fmt::Display) -> String {
    format!("Make the change in two steps: merge the deletion of {key} first, and this object afterwards.")
}

/// Whether the server says that something is another object's, of which there is one only.
fn is_taken(message: &str, single: &Single) -> bool {
    match single {
        Single::NodePort(port) => message.contains("already allocated") && message.contains(&port.to_string()),
        Single::ClusterIp(ip) => message.contains("already allocated") && message.contains(ip.as_str()),
        Single::DefaultPriority => message.contains("already marked as default"),
    }
}

/// Says of what is refused which object of the same change is in its way until it is deleted or changed, and what to
/// do. `gone`: what Git no longer has.
pub fn name_who_is_in_the_way(changes: &mut [Change], gone: &[ObjectId]) {
    let holders: Vec<Holder> = changes.iter().filter_map(Holder::of).collect();
    for change in changes {
        let id = change.key.id();
        let Verdict::Rejected { message, .. } = &mut change.verdict else { continue };
        let asked = change.desired.as_ref().map(|desired| singles(&id, &desired.object)).unwrap_or_default();
        let taken: Vec<&Single> = asked.iter().filter(|single| is_taken(message, single)).collect();
        let others = holders.iter().filter(|holder| holder.key.id() != id);
        let holder = others
            .filter_map(|holder| Some((holder, holder.has.iter().find(|single| taken.contains(single))?)))
            .map(|(holder, single)| holder.text(single))
            .next();
        let decider = || {
            let decider = gone.iter().find(|decider| decides(decider, &change.key, message))?;
            Some(format!("{decider} applies to it until it is deleted, and {GOES_LAST}. {}", in_two_steps(decider)))
        };
        if let Some(text) = holder.or_else(decider) {
            *message = format!("{}. {text}", message.trim_end_matches('.'));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::compete::tests::{change, service};
    use super::*;

    /// H6+: whoever has it until the change takes it away is named, with what to do; nobody else is.
    #[test]
    fn who_is_in_the_way_is_named() {
        let port = |port: u64| json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]});
        let goes = |name: &str, spec: &Value| {
            let object = service(name, "shop", spec);
            let key = ObjectKey::of(&object).expect("a name");
            Change { before: Some(object), ..Change::new(key, Action::Prune, Verdict::Accepted) }
        };
        let refused = |message: &str, mut change: Change| {
            change.verdict = Verdict::Rejected { message: message.into(), causes: Vec::new() };
            change
        };
        let create = |name: &str, spec: &Value| change(Action::Create, &service(name, "shop", spec), None);
        let port_taken = "spec.ports[0].nodePort: Invalid value: 30123: provided port is already allocated".to_owned();
        let said = |mut changes: Vec<Change>, gone: &[ObjectId]| {
            name_who_is_in_the_way(&mut changes, gone);
            match &changes[0].verdict {
                Verdict::Rejected { message, .. } => message.clone(),
                other => panic!("{other:?}"),
            }
        };
        let moved = Change {
            after: Some(service("old", "shop", &port(30_124))),
            ..change(
                Action::Update,
                &service("old", "shop", &port(30_124)),
                Some(service("old", "shop", &port(30_123))),
            )
        };
        let ip_taken = r#"spec.clusterIPs: Invalid value: ["10.0.0.7"]: provided IP is already allocated."#;
        let ip = json!({"clusterIP": "10.0.0.7"});
        insta::assert_snapshot!(
            [
                said(vec![refused(&port_taken, create("new", &port(30_123))), goes("old", &port(30_123))], &[]),
                said(vec![refused(&port_taken, create("new", &port(30_123))), moved], &[]),
                said(vec![refused(ip_taken, create("new", &ip)), goes("old", &ip)], &[]),
            ]
            .join("\n")
        );
        // Somebody else has it.
        let other = said(vec![refused(&port_taken, create("new", &port(30_123))), goes("old", &port(30_125))], &[]);
        assert_eq!(other, port_taken);
        let unrelated = refused("metadata.labels: no", create("new", &port(30_123)));
        assert_eq!(said(vec![unrelated, goes("old", &port(30_123))], &[]), "metadata.labels: no");
    }

    /// H6+: what decides over an object and is deleted by the same change is named as well.
    #[test]
    fn what_decides_until_it_is_deleted_is_named() {
        let id = |group: &str, kind: &str, namespace: Option<&str>, name: &str| ObjectId {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.map(Into::into),
            name: name.into(),
        };
        let policy = "admissionregistration.k8s.io";
        let gone = [
            id("", "LimitRange", Some("shop"), "tight"),
            id("", "ResourceQuota", Some("shop"), "few"),
            id(policy, "ValidatingAdmissionPolicy", None, "no-pods"),
        ];
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}});
        let said = |refusal: &str| {
            let mut one = [change(Action::Create, &pod, None)];
            one[0].verdict = Verdict::Rejected { message: refusal.into(), causes: Vec::new() };
            name_who_is_in_the_way(&mut one, &gone);
            let Verdict::Rejected { message, .. } = &one[0].verdict else { panic!("it is refused") };
            message[refusal.len()..].to_owned()
        };
        let forbidden = |why: &str| format!("pods \"a\" is forbidden: {why}");
        insta::assert_snapshot!(
            [
                said(&forbidden("maximum memory usage per Container is 100Mi, but limit is 2Gi")),
                said(&forbidden("exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1")),
                said(&forbidden("ValidatingAdmissionPolicy 'no-pods' with binding 'all' denied request: none")),
            ]
            .join("\n")
        );
        assert_eq!(said(&forbidden("exceeded quota: other, requested: pods=1")), "");
        assert_eq!(said(&forbidden("ValidatingAdmissionPolicy 'another' with binding 'all' denied request")), "");
    }
}
