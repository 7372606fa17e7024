//! Replaces the API server where it cannot be asked: the manifest merged into the live object, without values that the
//! server would allocate.

use std::collections::HashMap;

use serde_json::Value;

/// `live` with everything that `manifest` says. Items of lists are matched by their names, and those without one by
/// their places where the lists are equally long; other lists are replaced.
pub fn overlay(live: &Value, manifest: &Value) -> Value {
    match (live, manifest) {
        (Value::Object(old), Value::Object(new)) => {
            let mut merged = old.clone();
            for (name, value) in new {
                let value = old.get(name).map_or_else(|| value.clone(), |old| overlay(old, value));
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(old), Value::Array(new)) => Value::Array(items(old, new)),
        (_, new) => new.clone(),
    }
}

fn items(old: &[Value], new: &[Value]) -> Vec<Value> {
    let name = |item: &Value| item.get("name").and_then(Value::as_str).map(str::to_owned);
    let mut named: HashMap<String, &Value> = HashMap::new();
    for (name, item) in old.iter().filter_map(|item| Some((name(item)?, item))) {
        named.entry(name).or_insert(item);
    }
    let by_name = |wanted: String| named.get(&wanted).copied();
    let by_place = |place: usize| old.get(place).filter(|item| old.len() == new.len() && name(item).is_none());
    let find = |place, item| name(item).map_or_else(|| by_place(place), by_name);
    let merge = |(place, item)| find(place, item).map_or_else(|| item.clone(), |old| overlay(old, item));
    new.iter().enumerate().map(merge).collect()
}

/// What a server makes up for an object, and would make up otherwise the next time.
const ALLOCATED: [&str; 4] = ["/spec/clusterIP", "/spec/clusterIPs", "/spec/healthCheckNodePort", "/spec/volumeName"];

/// Takes out of what a dry-run answered for an object that exists what the server made up for the trial: an address
/// that the object has not got yet, as when a Service gets its first one. What the object has and what the manifest
/// sets stays.
pub fn without_trial_values(mut object: Value, manifest: &Value, live: &Value) -> Value {
    for field in ALLOCATED {
        let made_up = object.pointer(field).is_some_and(|value| live.pointer(field) != Some(value) && *value != "None");
        if made_up && manifest.pointer(field).is_none() {
            remove(&mut object, field);
        }
    }
    let held: Vec<Value> = node_ports(live).cloned().collect();
    without_node_ports(&mut object, manifest, |port| held.contains(port));
    object
}

fn node_ports(service: &Value) -> impl Iterator<Item = &Value> {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    ports.into_iter().flatten().filter_map(|port| port.get("nodePort"))
}

fn without_node_ports(object: &mut Value, manifest: &Value, stays: impl Fn(&Value) -> bool) {
    let set = |place: usize| manifest.pointer(&format!("/spec/ports/{place}/nodePort")).is_some();
    let Some(Value::Array(ports)) = object.pointer_mut("/spec/ports") else { return };
    for (place, port) in ports.iter_mut().enumerate() {
        if !set(place) && !port.get("nodePort").is_some_and(&stays) {
            remove(port, "/nodePort");
        }
    }
}

/// Takes out of what a dry-run answered for an object that does not exist what the server made up for it, and would
/// make up otherwise the next time. What the manifest sets stays.
pub fn without_allocated(mut object: Value, manifest: &Value) -> Value {
    for field in ALLOCATED {
        if manifest.pointer(field).is_none() {
            remove(&mut object, field);
        }
    }
    without_node_ports(&mut object, manifest, |_| false);
    // A Job's pods are told apart by its uid, which every dry-run invents anew.
    if object["kind"] == "Job" && manifest.pointer("/spec/selector").is_none() {
        remove(&mut object, "/spec/selector");
        for label in
            ["controller-uid", "job-name", "batch.kubernetes.io~1controller-uid", "batch.kubernetes.io~1job-name"]
        {
            remove(&mut object, &format!("/spec/template/metadata/labels/{label}"));
        }
    }
    object
}

fn remove(object: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(fields)) = object.pointer_mut(parent) {
        fields.shift_remove(&name.replace("~1", "/"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_of_the_live_object_stay_under_the_manifest() {
        let live = json!({"spec": {"replicas": 1, "strategy": "x", "containers": [{"name": "a", "image": "1",
            "pull": "Always"}, {"name": "b"}]}});
        let manifest = json!({"spec": {"replicas": 2, "containers": [{"name": "a", "image": "2"}]}});
        let merged = json!({"spec": {"replicas": 2, "strategy": "x", "containers": [{"name": "a", "image": "2",
            "pull": "Always"}]}});
        assert_eq!(overlay(&live, &manifest), merged);
        assert_eq!(overlay(&merged, &manifest), merged, "twice is once");
    }

    #[test]
    fn items_without_a_name_keep_their_defaults_by_their_place() {
        let live = json!({"ports": [{"port": 80, "protocol": "TCP", "nodePort": 31000}], "args": ["a", "b"]});
        assert_eq!(overlay(&live, &json!({"ports": [{"port": 80}]})), live, "nothing else is said of it");
        let more = json!({"ports": [{"port": 80}, {"port": 81}], "args": ["b"]});
        assert_eq!(overlay(&live, &more), more, "which of them is which is not known");
    }

    #[test]
    fn what_a_server_makes_up_is_left_out_unless_it_was_asked_for() {
        let answer = json!({"kind": "Service", "spec": {"clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"],
            "ports": [{"port": 1, "nodePort": 31000}, {"port": 2, "nodePort": 31001}]}});
        let manifest = json!({"kind": "Service", "spec": {"clusterIP": "10.0.0.7", "ports": [{"port": 1}, {"port": 2,
            "nodePort": 31001}]}});
        let left = json!({"kind": "Service", "spec": {"clusterIP": "10.0.0.7", "ports": [{"port": 1}, {"port": 2,
            "nodePort": 31001}]}});
        assert_eq!(without_allocated(answer, &manifest), left);
    }

    /// B9+: a Service gets its first address and node port when it is applied, not in a preview.
    #[test]
    fn what_a_trial_makes_up_for_an_object_that_is_there_is_left_out() {
        let manifest = json!({"spec": {"type": "NodePort", "ports": [{"port": 1}, {"port": 2}]}});
        let answer = json!({"spec": {"type": "NodePort", "clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"],
            "ports": [{"port": 1, "nodePort": 31000}, {"port": 2, "nodePort": 31001}]}});
        let named = json!({"spec": {"type": "ExternalName", "externalName": "example.test", "ports": [{"port": 1}]}});
        let left = json!({"spec": {"type": "NodePort", "ports": [{"port": 1}, {"port": 2}]}});
        assert_eq!(without_trial_values(answer.clone(), &manifest, &named), left);
        assert_eq!(without_trial_values(answer.clone(), &manifest, &answer), answer, "what it has stays");
        assert_eq!(without_trial_values(answer.clone(), &answer, &named), answer, "what it asks for stays");
        let mut more = answer.clone();
        more["spec"]["ports"].as_array_mut().expect("ports").truncate(1);
        let grown = without_trial_values(answer, &manifest, &more);
        assert_eq!(grown["spec"]["ports"], json!([{"port": 1, "nodePort": 31000}, {"port": 2}]));
    }
}
