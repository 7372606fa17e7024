//! Objects that are deleted and made anew, because a field of them can not change: only where their manifest asks for it. Pure.

use serde_json::Value;

use super::asked::Asked;
use super::claim::Claim;
use super::deletion::{Record, deletable};
use super::overlay::{overlay, without_allocated};
use super::prepare::Wanted;
use super::{Action, Change, Verdict};
use crate::manifest::ObjectId;

/// The new object under a name of its own, as nothing can be made on trial under a name that is taken. None where the name is part of what is
/// validated.
pub fn stand_in(wanted: &Wanted) -> Option<Wanted> {
    if matches!(wanted.key.kind.as_str(), "CustomResourceDefinition" | "Namespace" | "APIService") {
        return None;
    }
    let name = format!("driftless-{}", &wanted.desired.hash[..wanted.desired.hash.len().min(16)]);
    let mut other = wanted.clone();
    other.key.name.clone_from(&name);
    other.desired.object["metadata"]["name"] = Value::from(name);
    // What the object that goes holds would be said to be taken.
    if other.key.kind == "Service" {
        release(&mut other.desired.object);
    }
    Some(other)
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

/// The address and the node ports that a Service asks for and the one that is there does not hold. The trial leaves them out, so that nobody
/// knows whether they are free: the old Service would be gone before the server refused the new one.
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
    ports(wanted).into_iter().find(|port| !held.contains(port)).map(|port| format!("nodePort {port}"))
}

/// What the server answered for the stand-in, as it would be of the object itself.
fn as_itself(mut result: Value, wanted: &Wanted) -> Value {
    result["metadata"]["name"] = Value::from(wanted.key.name.clone());
    // What was released for the trial is wanted all the same.
    let result = overlay(&result, &wanted.desired.object);
    without_allocated(result, &wanted.manifest)
}

/// The change of an object that has to be replaced. `before` is what it is compared with; the refusal of its update stands where it is not
/// clearly ours to delete.
pub(super) fn replaced(wanted: &Wanted, live: &Value, before: Value, asked: Asked, refused: Verdict, claim: Claim<'_>) -> Change {
    let id: ObjectId = wanted.key.id();
    let Asked { verdict, result, warnings, .. } = asked;
    // What only its mark tells of is not deleted on the way.
    let record = claim.uid.map_or(Record::None, |uid| Record::Applied { uid });
    let kept = match (deletable(live, &id, claim.marks, record), untried(&wanted.desired.object, live)) {
        (Err(kept), _) => Some(kept.to_string()),
        (Ok(_), Some(field)) if wanted.key.kind == "Service" => {
            Some(format!("whether {field} is free cannot be tried before the old Service is gone"))
        }
        (Ok(_), _) => None,
    };
    if let Some(kept) = kept {
        let change = wanted.change(Action::Update, refused);
        let notes = [change.notes, vec![format!("It is not replaced: {kept}.")]].concat();
        return Change { before: Some(before), after: Some(overlay(live, &wanted.desired.object)), notes, ..change };
    }
    let why = match refused {
        Verdict::Rejected { causes, .. } => causes.into_iter().filter_map(|cause| cause.field).collect::<Vec<_>>().join(", "),
        Verdict::Accepted | Verdict::NotValidated { .. } => String::new(),
    };
    let validated = if verdict == Verdict::Accepted { " The new one was validated under another name." } else { "" };
    let change = wanted.change(Action::Replace, verdict);
    let why = if why.is_empty() { "this change is not possible in place".to_owned() } else { format!("{why} cannot be changed in place") };
    let notes = [change.notes, vec![format!("Deleted and created again, because {why}.{validated}")]].concat();
    let after = result.map_or_else(|| wanted.manifest.clone(), |result| as_itself(result, wanted));
    Change { before: Some(before), after: Some(after), warnings, notes, ..change }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// B9+: what the trial leaves out is not known to be free, unless the Service that goes holds it.
    #[test]
    fn an_address_that_cannot_be_tried_replaces_nothing() {
        let service = |ip: &str, port: u64| json!({"spec": {"clusterIP": ip, "ports": [{"port": 80, "nodePort": port}]}});
        let live = service("10.96.0.7", 30_001);
        assert_eq!(untried(&live, &live), None);
        assert_eq!(untried(&json!({"spec": {"clusterIP": "None", "ports": [{"port": 80}]}}), &live), None);
        assert_eq!(untried(&service("10.96.0.1", 30_001), &live).as_deref(), Some("spec.clusterIP 10.96.0.1"));
        assert_eq!(untried(&service("10.96.0.7", 30_999), &live).as_deref(), Some("nodePort 30999"));
    }
}
