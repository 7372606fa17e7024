//! Objects that decide about others in their namespace, and that a change adds or tightens. A dry run before the change
//! does not know them, so its result is not final. Pure.

use serde_json::{Map, Value};

use super::change::Action;
use crate::manifest::{ObjectId, ObjectKey};

/// Over what it decides more strictly than it did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stricter {
    pods: bool,
    /// Also over pods that are there and change.
    pods_changed: bool,
    claims: bool,
}

/// The part of an object that decides over others.
fn part(object: &Value) -> Value {
    if object["kind"] != "Namespace" {
        return object.get("spec").cloned().unwrap_or_default();
    }
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let ours = labels.into_iter().flatten().filter(|(name, _)| name.starts_with("pod-security.kubernetes.io/enforce"));
    Value::Object(ours.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Whether what is live decides as `after` will: then it explains nothing.
pub(super) fn decides_the_same(live: &Value, after: &Value) -> bool {
    part(live) == part(after)
}

/// Whether and over what an object decides more strictly as `after` than as it is live.
pub(super) fn stricter(live: Option<&Value>, after: &Value) -> Stricter {
    let before = live.map(part).unwrap_or_default();
    let now = part(after);
    match after["kind"].as_str() {
        Some("Namespace") => {
            let is = is_stricter(&before, &now);
            Stricter { pods: is, pods_changed: is, claims: false }
        }
        Some("LimitRange") => {
            let limits = |of: &Value| of.get("limits").and_then(Value::as_array).cloned().unwrap_or_default();
            let before = limits(&before);
            let new = limits(&now);
            let over = |kinds: &[&str]| {
                new.iter().any(|one| kinds.iter().any(|kind| one["type"] == *kind) && !before.contains(one))
            };
            Stricter {
                pods: over(&["Pod", "Container"]),
                pods_changed: false,
                claims: over(&["PersistentVolumeClaim"]),
            }
        }
        Some("ResourceQuota") => {
            let hard = |of: &Value| of.get("hard").and_then(Value::as_object).cloned().unwrap_or_default();
            let (before, new) = (hard(&before), hard(&now));
            let changed: Map<String, Value> =
                new.into_iter().filter(|(name, value)| before.get(name) != Some(value)).collect();
            let storage = |name: &String| name.contains("requests.storage");
            let of_pods = |name: &String| {
                let used = name.trim_start_matches("requests.").trim_start_matches("limits.");
                ["cpu", "memory", "ephemeral-storage"].contains(&used)
            };
            Stricter { pods: changed.keys().any(of_pods), pods_changed: false, claims: changed.keys().any(storage) }
        }
        _ => Stricter::default(),
    }
}

/// By its labels for Pod Security.
fn is_stricter(before: &Value, now: &Value) -> bool {
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let level = |of: &Value| text(of, "pod-security.kubernetes.io/enforce");
    let version = |of: &Value| text(of, "pod-security.kubernetes.io/enforce-version");
    // What counts without a label is configured at the server.
    let rank = |level: &str| ["privileged", "", "baseline", "restricted"].iter().position(|known| *known == level);
    let (was, is) = (level(before), level(now));
    rank(&is) > rank(&was) || (is != "privileged" && rank(&is) >= rank(&was) && version(before) != version(now))
}

/// Whether it decides over an object for which this is done.
pub(super) fn decides_over(limiter: &ObjectId, stricter: Stricter, key: &ObjectKey, action: Action) -> bool {
    let in_it = match limiter.kind.as_str() {
        "Namespace" => key.namespace.as_deref() == Some(limiter.name.as_str()),
        _ => key.namespace.is_some() && key.namespace == limiter.namespace,
    };
    let is_made = matches!(action, Action::Create | Action::Replace);
    in_it
        && key.group.is_empty()
        && match key.kind.as_str() {
            "Pod" => (is_made && stricter.pods) || (action == Action::Update && stricter.pods_changed),
            "PersistentVolumeClaim" => (is_made || action == Action::Update) && stricter.claims,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn namespace(level: &str) -> Value {
        json!({"kind": "Namespace", "metadata": {"labels": {"team": "a", "pod-security.kubernetes.io/enforce": level}}})
    }

    fn range(kind: &str, most: &str) -> Value {
        json!({"kind": "LimitRange", "spec": {"limits": [{"type": kind, "max": {"memory": most}}]}})
    }

    /// B20+: only what gets stricter is no longer answered by what the server says now.
    #[test]
    fn what_gets_stricter_is_known() {
        let pods = |live: Option<&Value>, after: &Value| stricter(live, after).pods;
        assert!(pods(None, &namespace("baseline")) && pods(Some(&namespace("baseline")), &namespace("restricted")));
        assert!(!pods(Some(&namespace("restricted")), &namespace("baseline")));
        assert!(!pods(Some(&namespace("restricted")), &namespace("restricted")));
        assert!(pods(None, &range("Container", "1Gi")) && pods(Some(&range("Pod", "2Gi")), &range("Pod", "1Gi")));
        assert!(!pods(Some(&range("Pod", "1Gi")), &range("Pod", "1Gi")));
        assert!(!pods(Some(&range("Pod", "1Gi")), &json!({"kind": "LimitRange", "spec": {"limits": []}})));
        let claims = stricter(None, &range("PersistentVolumeClaim", "1Gi"));
        assert!(claims.claims && !claims.pods);
        let quota = |name: &str| json!({"kind": "ResourceQuota", "spec": {"hard": {name: "1"}}});
        assert!(pods(None, &quota("requests.cpu")) && !pods(None, &quota("count/secrets")));
        assert!(decides_the_same(&range("Pod", "1Gi"), &range("Pod", "1Gi")));
        assert!(!decides_the_same(&namespace("baseline"), &namespace("restricted")));
    }

    #[test]
    fn it_decides_over_its_own_namespace() {
        let key = |namespace: &str, kind: &str| {
            let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "namespace": namespace}});
            ObjectKey::of(&object).expect("a name")
        };
        let limiter = key("shop", "LimitRange").id();
        let pods = Stricter { pods: true, ..Stricter::default() };
        assert!(decides_over(&limiter, pods, &key("shop", "Pod"), Action::Create));
        assert!(!decides_over(&limiter, pods, &key("other", "Pod"), Action::Create));
        assert!(!decides_over(&limiter, pods, &key("shop", "Pod"), Action::Update));
        assert!(!decides_over(&limiter, pods, &key("shop", "ConfigMap"), Action::Create));
    }
}
