//! Compares quotas with everything that a change creates together: objects, and the usage of its own pods and claims.
//! Pure. The pods of workloads are counted when they start: see `pods`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::change::{Action, Change, RefusedBy, Verdict};
use super::quantity::Quantity;
use super::usage::{self, Defaults, Usage};
use crate::manifest::ObjectKey;

/// A change that takes something of a quota: it creates an object, or makes one that is there count for more.
pub struct Taking {
    /// Its place among the changes.
    pub at: usize,
    /// The name of its kind in the API.
    pub plural: String,
}

/// What the changes take of any quota, together.
pub fn taken(changes: &[Change], takings: &[Taking]) -> Usage {
    let mut all = Usage::new();
    for taking in takings {
        usage::add(&mut all, counted(&changes[taking.at], &taking.plural));
    }
    all
}

/// Refuses those of which a quota has room for some, but not for all.
pub fn refuse_beyond(changes: &mut [Change], quotas: &[Value], takings: &[Taking]) {
    let mut wanted: BTreeMap<String, (Quantity, Vec<usize>)> = BTreeMap::new();
    for taking in takings {
        for (name, number) in counted(&changes[taking.at], &taking.plural) {
            let entry = wanted.entry(name).or_default();
            entry.0 += number;
            entry.1.push(taking.at);
        }
    }
    for quota in quotas.iter().filter(|quota| !is_scoped(quota)) {
        let (name, namespace) = (text(quota, "/metadata/name"), text(quota, "/metadata/namespace"));
        for (resource, (number, places)) in &wanted {
            let of = |which: &str| Quantity::of(quota.pointer(&format!("/status/{which}"))?.get(resource)?);
            let (Some(hard), Some(used)) = (of("hard"), of("used")) else { continue };
            if used + *number <= hard {
                continue;
            }
            let creates = places.iter().all(|at| changes[*at].action == Action::Create);
            let (takes, fewer) = if usage::is_measured(resource) {
                ("requests", "request less")
            } else if creates {
                ("creates", "create fewer")
            } else {
                ("adds", "add fewer")
            };
            let message = format!(
                "The quota {name} of the namespace {namespace} has room for {} more {resource} ({used} of {hard} \
                 used), and this change {takes} {number}. \
                 Raise the quota, or {fewer}.",
                (hard - used).max(Quantity::ZERO)
            );
            for at in places {
                changes[*at].verdict = Verdict::Rejected { message: message.clone(), causes: Vec::new() };
                changes[*at].refused_by = RefusedBy::Driftless;
            }
        }
    }
}

/// The quotas of a namespace as the change leaves them. Of what a new one limits nothing is known to be used.
pub fn with_changed(mut quotas: Vec<Value>, namespace: &str, changes: &[Change]) -> Vec<Value> {
    for change in changes.iter().filter(|change| sets_limits(change, namespace)) {
        let Some(wanted) = &change.desired else { continue };
        let live = quotas.iter().position(|quota| text(quota, "/metadata/name") == change.key.name);
        let used = live.and_then(|at| quotas[at].pointer("/status/used").cloned()).unwrap_or_default();
        let hard = wanted.object.pointer("/spec/hard").cloned().unwrap_or_default();
        let known = |resource: &String| used.get(resource).cloned().unwrap_or_else(|| "0".into());
        let names = hard.as_object().into_iter().flat_map(|hard| hard.keys());
        let used: serde_json::Map<String, Value> = names.map(|name| (name.clone(), known(name))).collect();
        let quota = json!({"metadata": {"name": change.key.name, "namespace": namespace},
            "spec": wanted.object.get("spec"), "status": {"hard": hard, "used": used}});
        match live {
            Some(at) => quotas[at] = quota,
            None => quotas.push(quota),
        }
    }
    quotas
}

/// Whether a change brings a quota of the namespace, or changes what it limits.
pub fn sets_limits(change: &Change, namespace: &str) -> bool {
    let limits = |state: &Option<Value>| state.as_ref().and_then(|state| state.get("spec").cloned());
    change.key.kind == "ResourceQuota"
        && change.key.group.is_empty()
        && change.key.namespace.as_deref() == Some(namespace)
        && !change.is_rejected()
        && matches!(change.action, Action::Create | Action::Update | Action::Replace)
        && limits(&change.before) != limits(&change.after)
}

/// Whether a change can take anything of a quota.
pub fn may_take(change: &Change) -> bool {
    match change.action {
        Action::Create => true,
        // Of what is not known as it was it is not known what it adds.
        Action::Update | Action::Replace => {
            let kind = change.key.kind.as_str();
            change.key.group.is_empty() && matches!(kind, "Service" | CLAIM) && change.before.is_some()
        }
        Action::None | Action::Prune => false,
    }
}

/// Whether a quota has to do with how many objects of a kind there are: then whoever makes or deletes one of them
/// changes what is left of it.
pub fn is_counted(change: &Change, plural: &str, quota: &Value) -> bool {
    let names = counted(change, plural);
    let is_made = change.action == Action::Create;
    let of_storage = change.key.group.is_empty() && plural == "persistentvolumeclaims";
    let of_pods = change.key.group.is_empty() && plural == "pods";
    let hard = quota.pointer("/spec/hard").and_then(Value::as_object);
    hard.into_iter().flat_map(|hard| hard.keys()).any(|name| {
        names.contains_key(name)
            || (is_made && of_storage && name.contains("storage"))
            || (is_made && of_pods && !name.starts_with("count/"))
    })
}

/// Its scopes are of pods.
pub(super) fn is_scoped(quota: &Value) -> bool {
    quota.pointer("/spec/scopes").is_some() || quota.pointer("/spec/scopeSelector").is_some()
}

/// What a quota counts an object as, beyond what it counts it as now.
fn counted(change: &Change, plural: &str) -> Usage {
    let desired = change.desired.as_ref().map(|desired| &desired.object);
    let after = change.made.as_ref().or(change.after.as_ref()).or(desired);
    if change.action == Action::Create {
        return counted_as(change, plural, after);
    }
    if !may_take(change) {
        return Usage::new();
    }
    let before = counted_as(change, plural, change.before.as_ref());
    let had = |name: &str| before.get(name).copied().unwrap_or_default();
    let after = counted_as(change, plural, after);
    let more = after.into_iter().map(|(name, number)| {
        let more = number - had(&name);
        (name, more)
    });
    more.filter(|(_, more)| *more > Quantity::ZERO).collect()
}

const CLAIM: &str = "PersistentVolumeClaim";

/// Whether what the server makes of a new object decides what a quota measures of it: its defaults count as well.
pub(super) fn measures(key: &ObjectKey) -> bool {
    key.group.is_empty() && matches!(key.kind.as_str(), "Pod" | CLAIM)
}

fn counted_as(change: &Change, plural: &str, object: Option<&Value>) -> Usage {
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
    let mut counted = Usage::from([(format!("count/{plural}{group}"), Quantity::whole(1))]);
    if group.is_empty() && OLD_NAMES.contains(&plural) {
        counted.insert(plural.to_owned(), Quantity::whole(1));
    }
    match object.filter(|_| group.is_empty()) {
        Some(pod) if plural == "pods" => counted.extend(usage::of_pod(&pod["spec"], &Defaults::default())),
        Some(claim) if plural == "persistentvolumeclaims" => counted.extend(usage::of_claim(claim)),
        _ => {}
    }
    if let Some(service) = object.filter(|_| group.is_empty() && plural == "services") {
        let ports = || service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
        let chosen = |port: &&Value| port.get("nodePort").is_some_and(|port| *port != 0);
        let gets_none = service.pointer("/spec/allocateLoadBalancerNodePorts") == Some(&Value::Bool(false));
        let node_ports = |number: usize| ("services.nodeports".to_owned(), Quantity::whole(number as u64));
        match text(service, "/spec/type") {
            "NodePort" => counted.extend([node_ports(ports().count())]),
            "LoadBalancer" => {
                let number = if gets_none { ports().filter(chosen).count() } else { ports().count() };
                counted.extend([node_ports(number), ("services.loadbalancers".to_owned(), Quantity::whole(1))]);
            }
            _ => {}
        }
    }
    counted
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
#[path = "quota_tests.rs"]
mod tests;
