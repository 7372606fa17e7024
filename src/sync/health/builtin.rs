//! The health of built-in kinds that run no pods themselves, by their own fields.

use serde_json::Value;

use super::condition::condition;
use super::degree::Health;

pub(super) fn claim(object: &Value) -> Health {
    match object.pointer("/status/phase").and_then(Value::as_str) {
        Some("Bound") => Health::Healthy,
        Some("Lost") => Health::Failed("its volume is lost".to_owned()),
        Some("Pending") if may_wait_for_a_pod(object) => {
            Health::Unknown("it is not bound: a volume is provisioned when the first pod uses it".to_owned())
        }
        _ => Health::Progressing("it is not bound to a volume yet".to_owned()),
    }
}

/// A class that binds at once has its provisioner noted on the claim at the first look; one that waits for the first
/// pod notes nothing until then. A pod that uses the claim is not ready before it is bound, and is waited for by
/// itself.
fn may_wait_for_a_pod(claim: &Value) -> bool {
    const BEGUN: [&str; 3] = [
        "volume.kubernetes.io/storage-provisioner",
        "volume.beta.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/selected-node",
    ];
    let has_class =
        claim.pointer("/spec/storageClassName").and_then(Value::as_str).is_some_and(|class| !class.is_empty());
    let annotations = claim.pointer("/metadata/annotations");
    let has_begun = BEGUN.iter().any(|name| annotations.is_some_and(|annotations| annotations.get(name).is_some()));
    let is_chosen = claim.pointer("/spec/volumeName").and_then(Value::as_str).is_some_and(|volume| !volume.is_empty());
    has_class && !has_begun && !is_chosen
}

pub(super) fn service(object: &Value) -> Health {
    let balanced = object.pointer("/spec/type").and_then(Value::as_str) == Some("LoadBalancer");
    if balanced && !has_address(object) {
        return Health::Progressing("its load balancer has no address yet".to_owned());
    }
    Health::Healthy
}

/// Not every controller gives an Ingress an address, so that this is nothing to fail for.
pub(super) fn ingress(object: &Value) -> Health {
    if has_address(object) {
        Health::Healthy
    } else {
        Health::Unknown("its controller has given it no address".to_owned())
    }
}

fn has_address(object: &Value) -> bool {
    object
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array)
        .is_some_and(|addresses| !addresses.is_empty())
}

pub(super) fn namespace(object: &Value) -> Health {
    match object.pointer("/status/phase").and_then(Value::as_str) {
        Some("Active") => Health::Healthy,
        Some(phase) => Health::Progressing(format!("it is {phase}")),
        None => Health::Progressing("it is not active yet".to_owned()),
    }
}

pub(super) fn definition(object: &Value) -> Health {
    if let Some(names) = condition(object, "NamesAccepted").filter(|names| names.status == "False") {
        return Health::Failed(format!("its names are not accepted ({})", names.text()));
    }
    by_condition(object, "Established")
}

pub(super) fn by_condition(object: &Value, name: &str) -> Health {
    match condition(object, name) {
        Some(found) if found.status == "True" => Health::Healthy,
        Some(found) => Health::Progressing(format!("it is not {name} ({})", found.text())),
        None => Health::Progressing(format!("its condition {name} is not reported yet")),
    }
}

/// It has found what it scales. Whether there are metrics is no part of that: they come minutes after the first pods,
/// and in some clusters never.
pub(super) fn autoscaler(object: &Value) -> Health {
    match condition(object, "AbleToScale") {
        None => Health::Progressing("its controller has not processed it yet".to_owned()),
        Some(able) if able.status == "False" => Health::Degraded(format!("it cannot scale ({})", able.text())),
        Some(_) => Health::Healthy,
    }
}

/// It is in force. How many pods are healthy is what the workloads say.
pub(super) fn disruption_budget(object: &Value) -> Health {
    match condition(object, "DisruptionAllowed").filter(|allowed| allowed.reason == "SyncFailed") {
        Some(failed) => Health::Degraded(format!("its controller cannot count its pods ({})", failed.text())),
        None => Health::Healthy,
    }
}
