//! Of which a cluster has one only: two objects of one change that ask for the same are each taken in a dry-run, and
//! not both in the end. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::change::{Action, Change, RefusedBy, Verdict};
use super::siblings::decides;
use crate::manifest::{ObjectId, ObjectKey};

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

fn singles(id: &ObjectId, object: &Value) -> Vec<Single> {
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
                format!("{rival} asks for {single} as well, and only one of the two can have it. Change one of them.");
            change.verdict = Verdict::Rejected { message, causes: Vec::new() };
            change.refused_by = RefusedBy::Driftless;
        }
    }
}

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
            format!("{key} has {single} until it is deleted, and {GOES_LAST}. {}", in_two_steps(key))
        } else {
            format!(
                "{key} has {single} until this change takes it from it. Two steps are needed: merge the change of \
                 {key} first, and this object afterwards."
            )
        }
    }
}

const GOES_LAST: &str = "what Git no longer has is deleted after everything else is applied";

fn in_two_steps(key: &dyn fmt::Display) -> String {
    format!("Two steps are needed: merge the deletion of {key} without this object, and this object afterwards.")
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
            Some(format!("{decider} decides over it until it is deleted, and {GOES_LAST}. {}", in_two_steps(decider)))
        };
        if let Some(text) = holder.or_else(decider) {
            *message = format!("{}. {text}", message.trim_end_matches('.'));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::ObjectKey;
    use crate::plan::Desired;

    fn change(action: Action, object: &Value, before: Option<Value>) -> Change {
        let change = Change::new(ObjectKey::of(object).expect("a name"), action, Verdict::Accepted);
        Change { before, desired: Some(Desired { object: object.clone(), hash: String::new() }), ..change }
    }

    fn service(name: &str, namespace: &str, spec: &Value) -> Value {
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
        Service other/b asks for the node port 30080 as well, and only one of the two can have it. Change one of them.
        Service shop/a asks for the node port 30080 as well, and only one of the two can have it. Change one of them.
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
