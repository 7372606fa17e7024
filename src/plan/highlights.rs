//! What people look for first in a change: images, replicas, restarted pods, hosts, rights. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::{Action, Change};

/// One of them. Texts are from manifests: whoever shows them masks and escapes them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum Highlight {
    /// A container gets another image.
    Image {
        from: String,
        to: String,
    },
    Replicas {
        from: i64,
        to: i64,
    },
    /// The pod template changes, so that the pods are replaced.
    Restart,
    /// A host is served that was not.
    Host {
        name: String,
    },
    /// The object says who may do what.
    Access,
}

/// The kinds that say who may do what.
const RIGHTS: [&str; 4] = ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"];

/// The kinds whose controllers replace the pods when the template changes.
const ROLLS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

pub fn highlights(change: &Change) -> Vec<Highlight> {
    let mut found = Vec::new();
    if change.action != Action::None
        && change.key.group == "rbac.authorization.k8s.io"
        && RIGHTS.contains(&change.key.kind.as_str())
    {
        found.push(Highlight::Access);
    }
    if let (Action::Create | Action::Update | Action::Replace, Some(after)) = (change.action, &change.after) {
        found.extend(hosts(change.before.as_ref(), after));
    }
    if let (Action::Update, Some(before), Some(after)) = (change.action, &change.before, &change.after) {
        found.extend(images(before, after));
        found.extend(replicas(before, after));
        found.extend(restart(&change.key.kind, before, after));
    }
    found
}

/// The pod specs of an object: of the pod itself, of a workload, of a `CronJob`.
fn pod_spec(object: &Value) -> Option<&Value> {
    ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/spec"]
        .iter()
        .filter_map(|path| object.pointer(path))
        .find(|spec| spec.get("containers").is_some_and(Value::is_array))
}

fn containers(object: &Value) -> BTreeMap<(&'static str, &str), &str> {
    let Some(spec) = pod_spec(object) else { return BTreeMap::new() };
    let of = |list: &'static str| {
        let items = spec.get(list).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(move |one| Some(((list, one.get("name")?.as_str()?), one.get("image")?.as_str()?)))
    };
    of("initContainers").chain(of("containers")).collect()
}

fn images(before: &Value, after: &Value) -> Vec<Highlight> {
    let before = containers(before);
    let changed = containers(after).into_iter().filter_map(|(container, to)| {
        let from = *before.get(&container)?;
        (from != to).then(|| Highlight::Image { from: from.to_owned(), to: to.to_owned() })
    });
    changed.collect()
}

fn replicas(before: &Value, after: &Value) -> Option<Highlight> {
    let number = |object: &Value| object.pointer("/spec/replicas").and_then(Value::as_i64);
    let (from, to) = (number(before)?, number(after)?);
    (from != to).then_some(Highlight::Replicas { from, to })
}

fn restart(kind: &str, before: &Value, after: &Value) -> Option<Highlight> {
    let template = |object: &Value| object.pointer("/spec/template").cloned();
    let (before, after) = (template(before)?, template(after)?);
    (ROLLS.contains(&kind) && before != after).then_some(Highlight::Restart)
}

/// Of an Ingress and of a Gateway API route.
fn hosts(before: Option<&Value>, after: &Value) -> Vec<Highlight> {
    let of = |object: &Value| {
        let rules = object.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten();
        let of_rules = rules.filter_map(|rule| rule.get("host")?.as_str().map(str::to_owned));
        let names = object.pointer("/spec/hostnames").and_then(Value::as_array).into_iter().flatten();
        let of_route = names.filter_map(|name| name.as_str().map(str::to_owned));
        of_rules.chain(of_route).collect::<std::collections::BTreeSet<String>>()
    };
    let known = before.map(of).unwrap_or_default();
    of(after).difference(&known).map(|name| Highlight::Host { name: name.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::ObjectKey;
    use crate::plan::Verdict;

    fn change(group: &str, kind: &str, before: Option<Value>, after: Value) -> Change {
        let key = ObjectKey {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        };
        let action = if before.is_some() { Action::Update } else { Action::Create };
        Change { before, after: Some(after), ..Change::new(key, action, Verdict::Accepted) }
    }

    fn workload(replicas: i64, image: &str, init: &str) -> Value {
        let spec = json!({
            "initContainers": [{"name": "web", "image": init}],
            "containers": [{"name": "web", "image": image}, {"name": "log", "image": "log:1"}],
        });
        json!({"spec": {"replicas": replicas, "template": {"spec": spec}}})
    }

    #[test]
    fn images_are_compared_by_container() {
        let one = change("apps", "Deployment", Some(workload(2, "web:1", "init:1")), workload(3, "web:2", "init:1"));
        let expected = [
            Highlight::Image { from: "web:1".into(), to: "web:2".into() },
            Highlight::Replicas { from: 2, to: 3 },
            Highlight::Restart,
        ];
        assert_eq!(highlights(&one), expected);
        let same = workload(2, "web:1", "init:1");
        assert_eq!(highlights(&change("apps", "Deployment", Some(same.clone()), same)), []);
        let scaled = change("apps", "Deployment", Some(workload(2, "a", "b")), workload(0, "a", "b"));
        assert_eq!(highlights(&scaled), [Highlight::Replicas { from: 2, to: 0 }], "no pod is replaced");
        let job = |image: &str| {
            json!({"spec": {"jobTemplate": {"spec": {"template": {"spec":
                {"containers": [{"name": "j", "image": image}]}}}}}})
        };
        let jobs = change("batch", "CronJob", Some(job("j:1")), job("j:2"));
        assert_eq!(highlights(&jobs), [Highlight::Image { from: "j:1".into(), to: "j:2".into() }]);
    }

    #[test]
    fn new_hosts_and_rights_are_named() {
        let ingress = |hosts: &[&str]| {
            let rules: Vec<Value> = hosts.iter().map(|host| json!({"host": host})).collect();
            json!({"spec": {"rules": rules}})
        };
        let more = change("networking.k8s.io", "Ingress", Some(ingress(&["a.test"])), ingress(&["a.test", "b.test"]));
        assert_eq!(highlights(&more), [Highlight::Host { name: "b.test".into() }]);
        let route = json!({"spec": {"hostnames": ["c.test"], "rules": [{"matches": []}]}});
        let fresh = change("gateway.networking.k8s.io", "HTTPRoute", None, route);
        assert_eq!(highlights(&fresh), [Highlight::Host { name: "c.test".into() }]);
        let role = change("rbac.authorization.k8s.io", "ClusterRole", None, json!({"rules": []}));
        assert_eq!(highlights(&role), [Highlight::Access]);
        assert_eq!(highlights(&change("", "ConfigMap", None, json!({"data": {"a": "b"}}))), []);
    }
}
