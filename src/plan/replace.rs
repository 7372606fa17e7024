//! Objects that are deleted and created again because a field cannot be changed: only if their manifest allows it.
//! Pure.

use serde_json::Value;

use super::claim::Claim;
use super::deletion::{Record, deletable};
use super::dry_run::DryRun;
use super::normalise::strip_metadata;
use super::overlay::{overlay, without_allocated};
use super::overridden::overridden;
use super::prepare::PreparedObject;
use super::{Action, Change, Verdict};
use crate::manifest::{ObjectId, ObjectKey};

/// The new object under a name of its own, as nothing can be made on trial under a name that is taken. None where the
/// name is part of what is validated.
pub fn trial_copy(wanted: &PreparedObject) -> Option<PreparedObject> {
    if matches!(wanted.key.kind.as_str(), "CustomResourceDefinition" | "Namespace" | "APIService") {
        return None;
    }
    let name = format!("driftless-{}", &wanted.desired.hash[..wanted.desired.hash.len().min(16)]);
    let mut other = wanted.clone();
    other.key.name.clone_from(&name);
    other.desired.object = under_its_name(&wanted.key, &wanted.desired.object);
    other.desired.object["metadata"]["name"] = Value::from(name);
    Some(other)
}

/// The new object as it can be tried while the one that goes is there: what that one holds would be said to be taken.
pub fn under_its_name(key: &ObjectKey, desired: &Value) -> Value {
    let mut object = desired.clone();
    if key.kind == "Service" {
        release(&mut object);
    }
    object
}

/// A live object in the form in which it can be made again: without what only the server sets.
pub fn as_it_was(live: &Value) -> Value {
    let mut object = live.clone();
    strip_metadata(&mut object);
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
    }
    // A Job's pods are told apart by its uid, which is another one then.
    let chosen = object.pointer("/spec/manualSelector").is_some_and(|manual| manual == true);
    if object["kind"] == "Job" && !chosen {
        object = without_allocated(object, &Value::Null);
    }
    object
}

fn release(service: &mut Value) {
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if spec.get("clusterIP").is_some_and(|ip| ip != "None") {
        spec.shift_remove("clusterIP");
        spec.shift_remove("clusterIPs");
    }
    spec.shift_remove("healthCheckNodePort");
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        port.as_object_mut().map(|port| port.shift_remove("nodePort"));
    }
}

/// The address and the node ports that a Service asks for and the one that is there does not hold. The trial leaves
/// them out, so that nobody knows whether they are free: the old Service would be gone before the server refused the
/// new one.
fn untried(wanted: &Value, live: &Value) -> Option<String> {
    let ip = wanted.pointer("/spec/clusterIP").and_then(Value::as_str).filter(|ip| !ip.is_empty() && *ip != "None");
    if let Some(ip) = ip.filter(|ip| live.pointer("/spec/clusterIP").and_then(Value::as_str) != Some(ip)) {
        return Some(format!("spec.clusterIP {ip}"));
    }
    let ports = |service: &Value| -> Vec<u64> {
        let ports = service.pointer("/spec/ports").and_then(Value::as_array);
        ports.into_iter().flatten().filter_map(|port| port.get("nodePort")?.as_u64()).collect()
    };
    let held = ports(live);
    if let Some(port) = ports(wanted).into_iter().find(|port| !held.contains(port)) {
        return Some(format!("nodePort {port}"));
    }
    let checked = |service: &Value| {
        service.pointer("/spec/healthCheckNodePort").and_then(Value::as_u64).filter(|port| *port != 0)
    };
    checked(wanted).filter(|port| checked(live) != Some(*port)).map(|port| format!("spec.healthCheckNodePort {port}"))
}

/// What the server answered for the stand-in, as it would be of the object itself.
fn as_itself(mut result: Value, wanted: &PreparedObject) -> Value {
    result["metadata"]["name"] = Value::from(wanted.key.name.clone());
    // What was released for the trial is wanted all the same.
    let result = overlay(&result, &wanted.desired.object);
    without_allocated(result, &wanted.manifest)
}

/// What of the manifest came to something else in the trial, apart from what the trial asked for otherwise.
fn set_otherwise(wanted: &PreparedObject, result: &Value) -> Vec<String> {
    let mut asked = under_its_name(&wanted.key, &wanted.desired.object);
    asked["metadata"]["name"].clone_from(&result["metadata"]["name"]);
    overridden(&wanted.key, &asked, result)
}

/// The change of an object that has to be replaced. `before` is what it is compared with; the refusal of its update
/// stands where it is not clearly ours to delete.
pub(super) fn replaced(
    wanted: &PreparedObject,
    live: &Value,
    before: Value,
    asked: DryRun,
    refused: Verdict,
    claim: Claim<'_>,
) -> Change {
    let id: ObjectId = wanted.key.id();
    let DryRun { verdict, result, warnings, .. } = asked;
    // What only its mark tells of is not deleted on the way.
    let record = claim.uid.map_or(Record::None, |uid| Record::Applied { uid });
    let kept = match (deletable(live, &id, claim.marks, record), untried(&wanted.desired.object, live)) {
        (Err(kept), _) => Some(kept.to_string()),
        (Ok(_), Some(field)) if wanted.key.kind == "Service" => {
            Some(format!("whether {field} is free cannot be checked before the old Service is deleted"))
        }
        (Ok(_), _) => None,
    };
    if let Some(kept) = kept {
        let change = wanted.change(Action::Update, refused);
        let notes = [change.notes, vec![format!("It is not replaced: {kept}.")]].concat();
        return Change { before: Some(before), after: Some(overlay(live, &wanted.desired.object)), notes, ..change };
    }
    let why = match refused {
        Verdict::Rejected { causes, .. } => {
            causes.into_iter().filter_map(|cause| cause.field).collect::<Vec<_>>().join(", ")
        }
        Verdict::Accepted | Verdict::NotValidated { .. } => String::new(),
    };
    let validated = if verdict == Verdict::Accepted { " The new one was validated by a dry run." } else { "" };
    let change = wanted.change(Action::Replace, verdict);
    let why = if why.is_empty() {
        "this change is not possible in place".to_owned()
    } else {
        format!("{why} cannot be changed in place")
    };
    let notes = [change.notes, vec![format!("Deleted and created again, because {why}.{validated}")]].concat();
    let remarks = result.as_ref().map(|result| set_otherwise(wanted, result)).unwrap_or_default();
    let after = result.map_or_else(|| wanted.manifest.clone(), |result| as_itself(result, wanted));
    Change { before: Some(before), after: Some(after), remarks, warnings, notes, ..change }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// B9+: what only a server sets is not sent back to it.
    #[test]
    fn an_object_is_put_back_without_what_the_server_sets() {
        let live = json!({"apiVersion": "batch/v1", "kind": "Job", "status": {"ready": 1},
            "metadata": {"name": "a", "uid": "u", "resourceVersion": "7", "managedFields": [],
            "creationTimestamp": "x", "labels": {"b": "c"}},
            "spec": {"selector": {"matchLabels": {"controller-uid": "u"}},
            "template": {"metadata": {"labels": {"controller-uid": "u", "app": "a"}}}}});
        let expected = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a", "labels": {"b": "c"}},
            "spec": {"template": {"metadata": {"labels": {"app": "a"}}}}});
        assert_eq!(as_it_was(&live), expected);
    }

    /// B9+: what the trial leaves out is not known to be free, unless the Service that goes holds it.
    #[test]
    fn an_address_that_cannot_be_tried_replaces_nothing() {
        let service =
            |ip: &str, port: u64| json!({"spec": {"clusterIP": ip, "ports": [{"port": 80, "nodePort": port}]}});
        let live = service("10.96.0.7", 30_001);
        assert_eq!(untried(&live, &live), None);
        assert_eq!(untried(&json!({"spec": {"clusterIP": "None", "ports": [{"port": 80}]}}), &live), None);
        assert_eq!(untried(&service("10.96.0.1", 30_001), &live).as_deref(), Some("spec.clusterIP 10.96.0.1"));
        assert_eq!(untried(&service("10.96.0.7", 30_999), &live).as_deref(), Some("nodePort 30999"));
        let checked = |port: u64| json!({"spec": {"clusterIP": "10.96.0.7", "healthCheckNodePort": port}});
        assert_eq!(untried(&checked(30_101), &checked(30_101)), None);
        assert_eq!(untried(&checked(30_090), &checked(30_101)).as_deref(), Some("spec.healthCheckNodePort 30090"));
    }
}
