//! What a quota lets be created of what a change creates together. Pure. Only what counts whole objects: what pods use
//! is counted when they start.

use std::collections::BTreeMap;

use serde_json::Value;

use super::change::{Change, RefusedBy, Verdict};

/// A change that creates an object.
pub struct Creation {
    /// Its place among the changes.
    pub at: usize,
    /// The name of its kind in the API.
    pub plural: String,
}

/// Refuses the creations of which a quota has room for some, but not for all.
pub fn refuse_beyond(changes: &mut [Change], quotas: &[Value], created: &[Creation]) {
    let mut wanted: BTreeMap<String, (u64, Vec<usize>)> = BTreeMap::new();
    for creation in created {
        for (name, number) in counted(&changes[creation.at], &creation.plural) {
            let entry = wanted.entry(name).or_default();
            entry.0 += number;
            entry.1.push(creation.at);
        }
    }
    for quota in quotas.iter().filter(|quota| !is_scoped(quota)) {
        let (name, namespace) = (text(quota, "/metadata/name"), text(quota, "/metadata/namespace"));
        for (resource, (number, places)) in &wanted {
            let of = |which: &str| quota.pointer(&format!("/status/{which}"))?.get(resource)?.as_str().and_then(whole);
            let (Some(hard), Some(used)) = (of("hard"), of("used")) else { continue };
            if used + number <= hard {
                continue;
            }
            let message = format!(
                "The quota {name} of the namespace {namespace} has room for {} more {resource} ({used} of {hard} \
                 used), and this change creates {number}. \
                 Raise the quota, or create fewer.",
                hard.saturating_sub(used)
            );
            for at in places {
                changes[*at].verdict = Verdict::Rejected { message: message.clone(), causes: Vec::new() };
                changes[*at].refused_by = RefusedBy::Driftless;
            }
        }
    }
}

/// Whether a quota has to do with how many objects of a kind there are: then whoever makes or deletes one of them
/// changes what is left of it.
pub fn is_counted(change: &Change, plural: &str, quota: &Value) -> bool {
    let names = counted(change, plural);
    let of_storage = change.key.group.is_empty() && plural == "persistentvolumeclaims";
    let of_pods = change.key.group.is_empty() && plural == "pods";
    let hard = quota.pointer("/spec/hard").and_then(Value::as_object);
    hard.into_iter().flat_map(|hard| hard.keys()).any(|name| {
        names.iter().any(|(counted, _)| counted == name)
            || (of_storage && name.contains("storage"))
            || (of_pods && !name.starts_with("count/"))
    })
}

/// Its scopes are of pods.
fn is_scoped(quota: &Value) -> bool {
    quota.pointer("/spec/scopes").is_some() || quota.pointer("/spec/scopeSelector").is_some()
}

/// What a quota counts an object as.
fn counted(change: &Change, plural: &str) -> Vec<(String, u64)> {
    const OLD_NAMES: [&str; 7] = [
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
    ];
    let group = if change.key.group.is_empty() { String::new() } else { format!(".{}", change.key.group) };
    let mut counted = vec![(format!("count/{plural}{group}"), 1)];
    if group.is_empty() && OLD_NAMES.contains(&plural) {
        counted.push((plural.to_owned(), 1));
    }
    if let Some(service) =
        change.desired.as_ref().map(|desired| &desired.object).filter(|_| group.is_empty() && plural == "services")
    {
        let ports = service.pointer("/spec/ports").and_then(Value::as_array).map_or(0, Vec::len) as u64;
        match text(service, "/spec/type") {
            "NodePort" => counted.push(("services.nodeports".to_owned(), ports)),
            "LoadBalancer" => {
                counted.extend([("services.nodeports".to_owned(), ports), ("services.loadbalancers".to_owned(), 1)]);
            }
            _ => {}
        }
    }
    counted
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// `12` or `2k`.
fn whole(quantity: &str) -> Option<u64> {
    match quantity.strip_suffix('k') {
        Some(thousands) => thousands.parse::<u64>().ok()?.checked_mul(1000),
        None => quantity.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::ObjectKey;
    use crate::plan::{Action, Desired};

    fn create(kind: &str, name: &str, spec: &Value) -> Change {
        let object =
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec});
        let change = Change::new(ObjectKey::of(&object).expect("a name"), Action::Create, Verdict::Accepted);
        Change { desired: Some(Desired { object, hash: String::new() }), ..change }
    }

    fn rejected(quota: &Value, changes: &mut [Change], plural: &str) -> usize {
        let created: Vec<_> = (0..changes.len()).map(|at| Creation { at, plural: plural.to_owned() }).collect();
        refuse_beyond(changes, std::slice::from_ref(quota), &created);
        changes.iter().filter(|change| change.is_rejected()).count()
    }

    fn quota(resource: &str, hard: &str, used: &str) -> Value {
        json!({"metadata": {"name": "small", "namespace": "shop"}, "status": {"hard": {resource: hard},
            "used": {resource: used}}})
    }

    /// X7+: what is counted by a quota in any way.
    #[test]
    fn what_a_quota_counts_is_known() {
        let quota = |resource: &str| json!({"spec": {"hard": {resource: "1"}}});
        let map = create("ConfigMap", "a", &json!({}));
        assert!(is_counted(&map, "configmaps", &quota("count/configmaps")));
        assert!(is_counted(&map, "configmaps", &quota("configmaps")));
        assert!(
            !is_counted(&map, "configmaps", &quota("count/secrets")) && !is_counted(&map, "configmaps", &json!({}))
        );
        let claim = create("PersistentVolumeClaim", "a", &json!({}));
        assert!(is_counted(&claim, "persistentvolumeclaims", &quota("requests.storage")));
        assert!(is_counted(&create("Pod", "a", &json!({})), "pods", &quota("requests.cpu")));
        let service = create("Service", "a", &json!({"type": "NodePort", "ports": [{"port": 1}]}));
        assert!(is_counted(&service, "services", &quota("services.nodeports")));
        assert!(!is_counted(&service, "services", &quota("services.loadbalancers")));
    }

    /// H6: each of them has room, and all of them have not.
    #[test]
    fn what_is_created_together_is_counted_together() {
        let maps = || [create("ConfigMap", "a", &json!({})), create("ConfigMap", "b", &json!({}))];
        let mut changes = maps();
        assert_eq!(rejected(&quota("count/configmaps", "3", "2"), &mut changes, "configmaps"), 2);
        let Verdict::Rejected { message, .. } = &changes[0].verdict else { panic!("{changes:?}") };
        insta::assert_snapshot!(message, @"The quota small of the namespace shop has room for 1 more count/configmaps (2 of 3 used), and this change creates 2. Raise the quota, or create fewer.");
        assert_eq!(rejected(&quota("configmaps", "3", "2"), &mut maps(), "configmaps"), 2);
        assert_eq!(rejected(&quota("count/configmaps", "1k", "998"), &mut maps(), "configmaps"), 0);
        assert_eq!(rejected(&quota("count/secrets", "1", "0"), &mut maps(), "configmaps"), 0);
        let mut scoped = quota("pods", "1", "0");
        scoped["spec"] = json!({"scopes": ["BestEffort"]});
        assert_eq!(rejected(&scoped, &mut [create("Pod", "a", &json!({})), create("Pod", "b", &json!({}))], "pods"), 0);
        let spec = json!({"type": "NodePort", "ports": [{"port": 1}, {"port": 2}]});
        let services = || [create("Service", "a", &spec), create("Service", "b", &json!({}))];
        assert_eq!(rejected(&quota("services.nodeports", "1", "0"), &mut services(), "services"), 1);
        assert_eq!(rejected(&quota("services.nodeports", "2", "0"), &mut services(), "services"), 0);
    }
}
