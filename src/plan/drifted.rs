//! Whether a rejection is caused by a change in the cluster since the object was applied. Pure.

use std::collections::HashMap;

use serde_json::Value;

use super::change::Cause;
use super::keyed::{canonical, children};
use super::marks::OWNER_ANNOTATION;

/// Names on the way to a field, without the places in lists: those are of the object that was refused, which nobody has
/// seen.
type Names = Vec<String>;

/// Whether each cause names a field in which `live` differs from what was applied.
pub fn explains(live: &Value, applied: &Value, causes: &[Cause]) -> bool {
    let mut differing = Vec::new();
    for entry in live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten() {
        if !is_ours(entry) && entry["subresource"] != "status" {
            changed(&entry["fieldsV1"], live, Some(applied), &mut Vec::new(), &mut differing);
        }
    }
    missing(applied, live, &mut Vec::new(), &mut differing);
    let is_explained = |cause: &Cause| {
        let field = cause.field.as_deref().map(names);
        field.is_some_and(|field| differing.iter().any(|other| field.starts_with(other) || other.starts_with(&field)))
    };
    !causes.is_empty() && causes.iter().all(is_explained)
}

fn names(field: &str) -> Names {
    field.trim_start_matches('.').split('.').map(|name| name.split('[').next().unwrap_or_default().to_owned()).collect()
}

/// Whether an entry of managedFields is what we apply: nobody else sets our mark.
pub(super) fn is_ours(entry: &Value) -> bool {
    let annotations = entry.pointer("/fieldsV1/f:metadata/f:annotations");
    entry["operation"] == "Apply"
        && annotations.is_some_and(|fields| fields.get(format!("f:{OWNER_ANNOTATION}")).is_some())
}

/// Fields that another manager holds, and that are not as they were applied.
fn changed(fields: &Value, live: &Value, applied: Option<&Value>, path: &mut Names, found: &mut Vec<Names>) {
    let mut is_leaf = true;
    if let Some(fields) = fields.as_object() {
        let (there, was) = (children(fields, live), applied.map(|applied| children(fields, applied)));
        for (key, below) in fields.iter().filter(|(key, _)| *key != ".") {
            is_leaf = false;
            let Some(live) = there.get(key.as_str()) else { continue };
            let applied = was.as_ref().and_then(|was| was.get(key.as_str()).copied());
            let name = key.strip_prefix("f:");
            path.extend(name.map(str::to_owned));
            changed(below, live, applied, path, found);
            path.truncate(path.len() - usize::from(name.is_some()));
        }
    }
    if is_leaf && applied != Some(live) && !path.is_empty() {
        found.push(path.clone());
    }
}

/// Fields that were applied and are not there.
fn missing(applied: &Value, live: &Value, path: &mut Names, found: &mut Vec<Names>) {
    match (applied, live) {
        (Value::Object(applied), Value::Object(live)) => {
            for (name, value) in applied {
                path.push(name.clone());
                match live.get(name) {
                    Some(live) => missing(value, live, path, found),
                    None if !value.is_null() => found.push(path.clone()),
                    None => {}
                }
                path.pop();
            }
        }
        (Value::Array(applied), Value::Array(live)) => {
            let name = |item: &Value| item.get("name").map(canonical);
            let mut there: HashMap<String, &Value> = HashMap::new();
            for (name, item) in live.iter().filter_map(|item| Some((name(item)?, item))) {
                there.entry(name).or_insert(item);
            }
            for item in applied {
                let Some(name) = name(item) else { continue };
                match there.get(&name) {
                    Some(other) => missing(item, other, path, found),
                    None => found.push(path.clone()),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(replicas: u32) -> Value {
        json!({"metadata": {"managedFields": [
                {"manager": "driftless", "operation": "Apply",
                    "fieldsV1": {"f:metadata": {"f:annotations": {"f:driftless.dev/owner": {}}},
                    "f:spec": {"f:replicas": {}}}},
                {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:ports": {
                    "k:{\"port\":99}": {".": {}, "f:name": {}, "f:port": {}}}}}}]},
            "spec": {"replicas": replicas, "ports": [{"name": "http", "port": 99}]}})
    }

    /// B6+: a refusal is the drift's only where it names what has drifted.
    #[test]
    fn only_a_field_that_has_changed_explains_a_refusal() {
        let cause = |field: Option<&str>| [Cause { field: field.map(str::to_owned), message: "no".to_owned() }];
        let applied = json!({"spec": {"replicas": 3, "ports": [{"name": "http", "port": 80}], "mode": "a"}});
        assert!(explains(&live(7), &applied, &cause(Some("spec.replicas"))));
        assert!(!explains(&live(3), &applied, &cause(Some("spec.replicas"))), "it is as it was applied");
        assert!(explains(&live(3), &applied, &cause(Some("spec.ports[1].name"))));
        assert!(explains(&live(3), &applied, &cause(Some("spec.mode"))), "somebody has taken it away");
        assert!(!explains(&live(7), &applied, &cause(Some("spec.other"))));
        assert!(!explains(&live(7), &applied, &cause(None)), "a policy");
        assert!(!explains(&live(7), &applied, &[]));
        let both = [cause(Some("spec.replicas")), cause(Some("spec.other"))].concat();
        assert!(!explains(&live(7), &applied, &both));
    }
}
