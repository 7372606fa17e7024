//! The health of an object from its own status. Pure.
//!
//! The rules are those of kstatus: a status of an older generation is ignored; then built-in kinds are judged by their
//! own fields, and all other kinds by their conditions and their phase. An object is healthy only if something reports
//! it; without a report, its health is unknown.

use serde_json::Value;

use super::degree::Health;
use super::{builtin, custom, observed, pod, workload};

/// The health of a live object.
pub fn of(object: &Value) -> Health {
    of_kind(group(object), object["kind"].as_str().unwrap_or_default(), object)
}

/// The health of a live object of which the kind is known from elsewhere.
pub fn of_kind(group: &str, kind: &str, object: &Value) -> Health {
    if let Some(since) = object.pointer("/metadata/deletionTimestamp").and_then(Value::as_str) {
        return terminating(object, since);
    }
    // Before its status: many controllers do not look at all at what stands still.
    if let Some(held) = held(group, kind, object) {
        return held;
    }
    if let Some(stale) = observed::not_yet(group, kind, object) {
        return stale;
    }
    match (group, kind) {
        ("apps", "Deployment") => workload::deployment(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("apps", "DaemonSet") => workload::daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workload::replica_set(object),
        ("batch", "Job") => workload::job(object),
        ("", "Pod") => pod::pod(object),
        ("", "PersistentVolumeClaim") => builtin::claim(object),
        ("", "Service") => builtin::service(object),
        ("", "Namespace") => builtin::namespace(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => builtin::definition(object),
        ("apiregistration.k8s.io", "APIService") => builtin::by_condition(object, "Available"),
        ("autoscaling", "HorizontalPodAutoscaler") => builtin::autoscaler(object),
        ("policy", "PodDisruptionBudget") => builtin::disruption_budget(object),
        ("networking.k8s.io", "Ingress") => builtin::ingress(object),
        _ if never_waits(group, kind) => Health::Healthy,
        _ => custom::health(kind, object),
    }
}

/// Whether an object's health can be told from one status alone. Where no generation is named, a status may be from
/// before the last change.
pub fn is_dated(group: &str, kind: &str, object: &Value) -> bool {
    is_built_in(group, kind) || observed::is_dated(object)
}

/// Kinds that are as they should be once they are stored: nothing to watch.
pub fn never_waits(group: &str, kind: &str) -> bool {
    match group {
        "" => matches!(
            kind,
            "ConfigMap"
                | "Secret"
                | "ServiceAccount"
                | "Endpoints"
                | "LimitRange"
                | "ResourceQuota"
                | "PersistentVolume"
                | "PodTemplate"
        ),
        "apps" => kind == "ControllerRevision",
        "batch" => kind == "CronJob",
        "policy" => kind != "PodDisruptionBudget",
        "networking.k8s.io" => kind != "Ingress",
        "rbac.authorization.k8s.io"
        | "storage.k8s.io"
        | "scheduling.k8s.io"
        | "node.k8s.io"
        | "coordination.k8s.io"
        | "discovery.k8s.io"
        | "flowcontrol.apiserver.k8s.io"
        | "admissionregistration.k8s.io" => true,
        _ => false,
    }
}

fn is_built_in(group: &str, kind: &str) -> bool {
    let waits = matches!(
        group,
        "" | "apps"
            | "batch"
            | "apiextensions.k8s.io"
            | "apiregistration.k8s.io"
            | "autoscaling"
            | "policy"
            | "networking.k8s.io"
    );
    waits || never_waits(group, kind)
}

/// Whether an object with this manifest has a health to wait for.
pub fn waits(manifest: &Value) -> bool {
    let kind = manifest["kind"].as_str().unwrap_or_default();
    match (group(manifest), kind) {
        ("", "Service") => manifest.pointer("/spec/type").and_then(Value::as_str) == Some("LoadBalancer"),
        // Only to say that it is suspended.
        ("batch", "CronJob") => held("batch", "CronJob", manifest).is_some(),
        (group, kind) => !never_waits(group, kind),
    }
}

/// What stands still on purpose. A Job that has ended before it was suspended has ended all the same.
fn held(group: &str, kind: &str, object: &Value) -> Option<Health> {
    let fields: &[&str] = match (group, kind) {
        ("apps", "Deployment") => &["paused"],
        ("batch", "CronJob") => &["suspend"],
        _ if is_built_in(group, kind) => &[],
        _ => &["suspend", "suspended", "paused"],
    };
    let spec = object.get("spec")?;
    let field = fields.iter().find(|field| spec.get(**field) == Some(&Value::Bool(true)))?;
    Some(Health::Suspended(format!("it is {}", if *field == "paused" { "paused" } else { "suspended" })))
}

fn group(object: &Value) -> &str {
    object["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |(group, _)| group)
}

fn terminating(object: &Value, since: &str) -> Health {
    let finalizers: Vec<_> = object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    Health::Terminating(match finalizers.as_slice() {
        [] => format!("is being deleted since {since}"),
        waiting => format!("is being deleted since {since}, and waits for {}", waiting.join(", ")),
    })
}
