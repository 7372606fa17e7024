//! Takes over the fields of client-side apply: `kubectl apply` owns them under its own field manager, so a field that
//! was removed from the manifest would stay forever. Its entries become Driftless' own.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::keyed::{by_key, children};
use super::managed::{entries, merge};
use super::normalise::LAST_APPLIED;

const MANAGERS: [&str; 3] = ["kubectl-client-side-apply", "kubectl", "before-first-apply"];

/// Whether an entry of managedFields was left by client-side apply.
pub(super) fn is_client_side(entry: &Value) -> bool {
    let manager = entry["manager"].as_str().unwrap_or_default();
    entry["operation"] == "Update"
        && entry.get("subresource").is_none()
        && MANAGERS.contains(&manager)
        && has_last_applied(entry)
}

/// `kubectl edit` and `kubectl label` write as `kubectl` too, but only an apply keeps what it applied.
fn has_last_applied(entry: &Value) -> bool {
    entry["manager"] != "kubectl"
        || entry
            .pointer("/fieldsV1/f:metadata/f:annotations")
            .is_some_and(|a| a.get(format!("f:{LAST_APPLIED}")).is_some())
}

/// The fields that client-side apply has set in an object, without those that the server has set by itself: it notes
/// its defaults under the name of whoever made the object. The annotation tells what was applied.
pub(super) fn applied_fields(live: &Value) -> Value {
    let mut fields = json!({});
    for entry in entries(live).iter().filter(|entry| is_client_side(entry)) {
        merge(&mut fields, &entry["fieldsV1"]);
    }
    let annotation = live.pointer("/metadata/annotations").and_then(|annotations| annotations.get(LAST_APPLIED));
    match annotation.and_then(Value::as_str).and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        // A pod gets volumes and tolerations from the server as well.
        Some(applied) => set_of(&fields, Some(&applied), live["kind"] != "Pod").unwrap_or_else(|| json!({})),
        None => fields,
    }
}

/// Those of some fields that `applied` has. A named item that it has not was put there by something else than a
/// default, such as a webhook.
fn set_of(fields: &Value, applied: Option<&Value>, items: bool) -> Option<Value> {
    let below = fields.as_object()?;
    let of_applied = applied.map(|applied| children(below, applied)).unwrap_or_default();
    let mut kept = Map::new();
    for (key, fields) in below {
        let is_leaf = fields.as_object().is_none_or(|fields| fields.keys().all(|key| key == "."));
        let value = of_applied.get(key.as_str()).copied().filter(|value| !key.starts_with("f:") || !value.is_null());
        if value.is_none() && items && key.starts_with("k:") {
            kept.insert(key.clone(), fields.clone());
            continue;
        }
        if is_leaf && value.is_some() {
            kept.insert(key.clone(), fields.clone());
        } else if let Some(set) = set_of(fields, value, items) {
            kept.insert(key.clone(), set);
        }
    }
    (!kept.is_empty()).then_some(Value::Object(kept))
}

/// The JSON patch that makes the entries of client-side apply an Apply entry of `manager`, and nothing where there are
/// none. It holds only for the version of the object that was read, and takes away the annotation that repeats the
/// whole object.
pub fn adoption_patch(live: &Value, manager: &str) -> Option<Value> {
    let entries = entries(live);
    if !entries.iter().any(is_client_side) {
        return None;
    }
    let version = live.pointer("/metadata/resourceVersion")?.clone();
    let ours = |entry: &Value| {
        entry["manager"] == manager && entry["operation"] == "Apply" && entry.get("subresource").is_none()
    };
    let mut adopted: Option<Value> = None;
    let mut rest = Vec::new();
    for entry in entries {
        if !is_client_side(entry) && !ours(entry) {
            rest.push(entry.clone());
            continue;
        }
        match &mut adopted {
            None => adopted = Some(entry.clone()),
            Some(adopted) => merge(&mut adopted["fieldsV1"], &entry["fieldsV1"]),
        }
    }
    let mut adopted = adopted?;
    adopted["manager"] = Value::from(manager);
    adopted["operation"] = Value::from("Apply");
    rest.push(adopted);
    let mut operations = vec![
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}),
        json!({"op": "replace", "path": "/metadata/managedFields", "value": rest}),
    ];
    if live.pointer("/metadata/annotations").is_some_and(|annotations| annotations.get(LAST_APPLIED).is_some()) {
        let path = format!("/metadata/annotations/{}", LAST_APPLIED.replace('/', "~1"));
        operations.push(json!({"op": "remove", "path": path}));
    }
    Some(Value::Array(operations))
}

/// Takes the copy of the whole object off that client-side apply leaves.
pub(super) fn strip_last_applied(object: &mut Value) {
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else { return };
    let Some(Value::Object(annotations)) = metadata.get_mut("annotations") else { return };
    annotations.shift_remove(LAST_APPLIED);
    if annotations.is_empty() {
        metadata.shift_remove("annotations");
    }
}

/// Takes out of what a dry-run answered what goes with an adoption: what client-side apply has set and nobody else, and
/// the manifest does not have.
pub(super) fn drop_adopted(after: &mut Value, live: &Value, desired: &Value) {
    let others: Vec<&Value> =
        entries(live).iter().filter(|entry| !is_client_side(entry)).map(|entry| &entry["fieldsV1"]).collect();
    drop_below(after, &applied_fields(live), desired, &others);
}

fn drop_below(after: &mut Value, fields: &Value, desired: &Value, others: &[&Value]) {
    let Some(fields) = fields.as_object() else { return };
    let wanted = children(fields, desired);
    let places = after.as_array().map(|items| by_key(fields.keys(), items)).unwrap_or_default();
    let mut gone = BTreeSet::new();
    for (key, below) in fields {
        let held: Vec<&Value> = others.iter().filter_map(|other| other.get(key)).collect();
        let place = places.get(key.as_str()).copied();
        match (wanted.get(key.as_str()), key.strip_prefix("f:")) {
            (Some(desired), Some(name)) => {
                if let Some(after) = after.get_mut(name) {
                    drop_below(after, below, desired, &held);
                }
            }
            (Some(desired), None) => {
                if let Some(item) = place.and_then(|place| after.get_mut(place)) {
                    drop_below(item, below, desired, &held);
                }
            }
            (None, Some(name)) if held.is_empty() => {
                after.as_object_mut().map(|after| after.shift_remove(name));
            }
            // Where the manifest has no list there either, the list itself goes.
            (None, None) if held.is_empty() && desired.is_array() => gone.extend(place),
            (None, _) => {}
        }
    }
    if let Some(items) = after.as_array_mut().filter(|_| !gone.is_empty()) {
        let mut place = 0..;
        items.retain(|_| !place.next().is_some_and(|place| gone.contains(&place)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(manager: &str, fields: &Value) -> Value {
        json!({
            "metadata": {"name": "a", "resourceVersion": "7",
            "annotations": {LAST_APPLIED: r#"{"data":{"kept":"1","dropped":"2","theirs":"3"}}"#}, "managedFields": [
                {"manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                    "fieldsV1": fields},
                {"manager": "other", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:data": {"f:theirs": {}}}},
            ]},
            "data": {"kept": "1", "dropped": "2", "theirs": "3"},
        })
    }

    #[test]
    fn client_side_fields_become_ours() {
        let live = live("kubectl-client-side-apply", &json!({"f:data": {"f:kept": {}, "f:dropped": {}}}));
        let patch = adoption_patch(&live, "driftless").expect("an adoption");
        insta::assert_json_snapshot!(patch, @r#"
        [
          {
            "op": "test",
            "path": "/metadata/resourceVersion",
            "value": "7"
          },
          {
            "op": "replace",
            "path": "/metadata/managedFields",
            "value": [
              {
                "manager": "other",
                "operation": "Update",
                "apiVersion": "v1",
                "fieldsType": "FieldsV1",
                "fieldsV1": {
                  "f:data": {
                    "f:theirs": {}
                  }
                }
              },
              {
                "manager": "driftless",
                "operation": "Apply",
                "apiVersion": "v1",
                "fieldsType": "FieldsV1",
                "fieldsV1": {
                  "f:data": {
                    "f:kept": {},
                    "f:dropped": {}
                  }
                }
              }
            ]
          },
          {
            "op": "remove",
            "path": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"
          }
        ]
        "#);
    }

    /// B11: what `kubectl apply` would remove is removed in a preview of it as well.
    #[test]
    fn what_goes_with_an_adoption_is_not_there_afterwards() {
        let live =
            live("kubectl-client-side-apply", &json!({"f:data": {"f:kept": {}, "f:dropped": {}, "f:theirs": {}}}));
        let mut after = live.clone();
        drop_adopted(&mut after, &live, &json!({"data": {"kept": "1"}}));
        assert_eq!(after["data"], json!({"kept": "1", "theirs": "3"}));
        strip_last_applied(&mut after);
        assert!(after["metadata"].get("annotations").is_none());
    }

    #[test]
    fn an_edit_by_hand_is_no_client_side_apply() {
        let edited = live("kubectl", &json!({"f:data": {"f:kept": {}}}));
        assert_eq!(adoption_patch(&edited, "driftless"), None);
        let applied = live(
            "kubectl",
            &json!({"f:metadata": {"f:annotations": {format!("f:{LAST_APPLIED}"): {}}}, "f:data": {"f:kept": {}}}),
        );
        assert!(adoption_patch(&applied, "driftless").is_some());
        assert_eq!(adoption_patch(&json!({"metadata": {}}), "driftless"), None);
    }
}
