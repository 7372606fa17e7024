//! Conflicts within one change about something that a cluster has only once, such as a node port. Each dry run
//! succeeds, but only one of the objects can be applied. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::change::{Action, Change, RefusedBy, Verdict};
use crate::manifest::ObjectId;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Single {
    /// Whatever its protocol.
    NodePort(u64),
    ClusterIp(String),
    DefaultPriority,
}

impl fmt::Display for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodePort(port) => write!(f, "the node port {port}"),
            Self::ClusterIp(ip) => write!(f, "the cluster IP {ip}"),
            Self::DefaultPriority => f.write_str("`globalDefault: true`"),
        }
    }
}

/// Who asks for what.
#[derive(Debug, Clone, Default)]
pub struct Claims(BTreeMap<Single, BTreeSet<ObjectId>>);

impl Claims {
    pub(super) fn add(&mut self, id: &ObjectId, object: &Value) {
        for single in singles(id, object) {
            let mut id = id.clone();
            if single == Single::DefaultPriority {
                // Its manifest may name a namespace, which says nothing.
                id.namespace = None;
            }
            self.0.entry(single).or_default().insert(id);
        }
    }

    pub(super) fn extend(&mut self, other: &Self) {
        for (single, ids) in &other.0 {
            self.0.entry(single.clone()).or_default().extend(ids.iter().cloned());
        }
    }

    fn rival(&self, single: &Single, id: &ObjectId) -> Option<&ObjectId> {
        self.0.get(single)?.iter().find(|other| *other != id)
    }
}

/// Whether an object asks for something that a cluster has only one of.
pub fn asks_for_single(change: &Change) -> bool {
    let id = change.key.id();
    change.desired.as_ref().is_some_and(|desired| !singles(&id, &desired.object).is_empty())
}

pub(super) fn singles(id: &ObjectId, object: &Value) -> Vec<Single> {
    match (id.group.as_str(), id.kind.as_str()) {
        ("", "Service") => service(&object["spec"]),
        ("scheduling.k8s.io", "PriorityClass") if object["globalDefault"] == true => vec![Single::DefaultPriority],
        _ => Vec::new(),
    }
}

fn service(spec: &Value) -> Vec<Single> {
    let list = |field: &str| spec.get(field).and_then(Value::as_array).into_iter().flatten();
    let ports = list("ports").filter_map(|port| port.get("nodePort")?.as_u64());
    let ports = ports
        .chain(spec.get("healthCheckNodePort").and_then(Value::as_u64))
        .filter(|port| *port > 0)
        .map(Single::NodePort);
    let ips = spec.get("clusterIP").into_iter().chain(list("clusterIPs")).filter_map(Value::as_str);
    let mut found: Vec<Single> = ips
        .filter(|ip| !ip.is_empty() && *ip != "None")
        .map(|ip| Single::ClusterIp(ip.to_owned()))
        .chain(ports)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Refuses what asks for something that another object of the change asks for as well, unless it holds that already.
pub fn refuse_rivals(changes: &mut [Change], claims: &Claims) {
    for change in changes {
        let writes =
            matches!(change.action, Action::Create | Action::Update | Action::Replace) && !change.is_rejected();
        let Some(desired) = change.desired.as_ref().filter(|_| writes) else { continue };
        let id = change.key.id();
        let held = change.before.as_ref().map(|before| singles(&id, before)).unwrap_or_default();
        let mut asked = singles(&id, &desired.object).into_iter().filter(|single| !held.contains(single));
        let rival = asked.find_map(|single| Some((claims.rival(&single, &id)?, single)));
        if let Some((rival, single)) = rival {
            let message =
                format!("{rival} also requests {single}, and only one of them can have it. Change one of them.");
            change.verdict = Verdict::Rejected { message, causes: Vec::new() };
            change.refused_by = RefusedBy::Driftless;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::ObjectKey;
    use crate::plan::Desired;

    pub fn change(action: Action, object: &Value, before: Option<Value>) -> Change {
        let change = Change::new(ObjectKey::of(object).expect("a name"), action, Verdict::Accepted);
        Change { before, desired: Some(Desired { object: object.clone(), hash: String::new() }), ..change }
    }

    pub fn service(name: &str, namespace: &str, spec: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec})
    }

    fn refused(changes: &mut [Change]) -> Vec<String> {
        let mut claims = Claims::default();
        for change in changes.iter() {
            claims.add(&change.key.id(), &change.desired.as_ref().expect("desired").object);
        }
        refuse_rivals(changes, &claims);
        let message = |change: &Change| match &change.verdict {
            Verdict::Rejected { message, .. } => Some(message.clone()),
            _ => None,
        };
        changes.iter().filter_map(message).collect()
    }

    /// H6: across namespaces, and each names the other.
    #[test]
    fn two_that_ask_for_the_same_are_refused() {
        let port = |port: u64| {
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": port}, {"port": 81,
            "nodePort": port, "protocol": "UDP"}]})
        };
        let create =
            |name: &str, namespace: &str, spec: &Value| change(Action::Create, &service(name, namespace, spec), None);
        let said = refused(&mut [
            create("a", "shop", &port(30_080)),
            create("b", "other", &port(30_080)),
            create("c", "shop", &port(30_081)),
        ]);
        insta::assert_snapshot!(said.join("\n"), @r"
        Service other/b also requests the node port 30080, and only one of them can have it. Change one of them.
        Service shop/a also requests the node port 30080, and only one of them can have it. Change one of them.
        ");
        let ip = json!({"clusterIP": "10.96.0.50", "clusterIPs": ["10.96.0.50"]});
        assert_eq!(refused(&mut [create("a", "shop", &ip), create("b", "shop", &ip)]).len(), 2);
        let none = json!({"clusterIP": "None", "ports": [{"port": 80}]});
        assert!(refused(&mut [create("a", "shop", &none), create("b", "shop", &none)]).is_empty());
        // The one that has it keeps it.
        let has = service("a", "shop", &port(30_080));
        let mut pair = [change(Action::Update, &has, Some(has.clone())), create("b", "shop", &port(30_080))];
        assert_eq!(refused(&mut pair).len(), 1);
        assert!(pair[1].is_rejected());
        let class = |name: &str| {
            json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "globalDefault": true})
        };
        assert_eq!(
            refused(&mut [change(Action::Create, &class("a"), None), change(Action::Create, &class("b"), None)]).len(),
            2
        );
        let (mut claims, mut alone) = (Claims::default(), [change(Action::Create, &class("a"), None)]);
        claims.add(&ObjectId { namespace: Some("shop".into()), ..alone[0].key.id() }, &class("a"));
        refuse_rivals(&mut alone, &claims);
        assert!(!alone[0].is_rejected(), "it is no rival of its own");
    }
}
