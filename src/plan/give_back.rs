//! Reverts a take-over whose apply was rejected: the fields are owned by their previous managers again. Pure.

use serde_json::{Map, Value, json};

use super::managed::{entries, merge};
use super::normalise::LAST_APPLIED;

/// The JSON patch to `now`. `before` is the object as it was before the take-over, `taken` as that left it. What is
/// ours no longer, as the apply has dropped it, is not given back. None where there is nothing to be undone. It holds
/// for the version of the object that was read.
pub fn give_back(before: &Value, taken: &Value, now: &Value, manager: &str) -> Option<Value> {
    let version = now.pointer("/metadata/resourceVersion")?;
    let is_ours = |entry: &Value| {
        entry["manager"] == manager && entry["operation"] == "Apply" && entry.get("subresource").is_none()
    };
    let no = Value::Object(Map::new());
    let ours =
        |object: &Value| entries(object).iter().find(|entry| is_ours(entry)).map(|entry| entry["fieldsV1"].clone());
    let gained = without(&ours(taken)?, &ours(before).unwrap_or_else(|| no.clone()))?;
    let still = both(&gained, &ours(now)?)?;
    let mut rest = entries(now).to_vec();
    for entry in entries(before).iter().filter(|entry| !is_ours(entry)) {
        let left = entries(taken).iter().find(|other| is_one(entry, other)).map_or(&no, |other| &other["fieldsV1"]);
        let Some(back) = without(&entry["fieldsV1"], left).and_then(|lost| both(&lost, &still)) else { continue };
        match rest.iter_mut().find(|other| is_one(entry, other)) {
            Some(other) => merge(&mut other["fieldsV1"], &back),
            None => {
                let mut entry = entry.clone();
                entry["fieldsV1"] = back;
                rest.push(entry);
            }
        }
    }
    let place = rest.iter().position(is_ours)?;
    match without(&rest[place]["fieldsV1"], &still) {
        Some(left) => rest[place]["fieldsV1"] = left,
        None => drop(rest.remove(place)),
    }
    let mut operations = vec![
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}),
        json!({"op": "replace", "path": "/metadata/managedFields", "value": rest}),
    ];
    let annotations = |object: &'_ Value| object.pointer("/metadata/annotations").cloned().unwrap_or_default();
    let (was, is) = (annotations(before), annotations(now));
    if let Some(applied) = was.get(LAST_APPLIED).filter(|_| is.get(LAST_APPLIED).is_none()) {
        let mut all = if is.is_object() { is } else { json!({}) };
        all[LAST_APPLIED] = applied.clone();
        operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": all}));
    }
    Some(Value::Array(operations))
}

fn is_one(entry: &Value, other: &Value) -> bool {
    ["manager", "operation", "apiVersion", "subresource"].iter().all(|field| entry.get(field) == other.get(field))
}

/// What of some fields is not among others.
fn without(fields: &Value, others: &Value) -> Option<Value> {
    let (Value::Object(own), Value::Object(others)) = (fields, others) else { return None };
    let left = own.iter().filter_map(|(key, below)| match others.get(key) {
        None => Some((key.clone(), below.clone())),
        Some(others) => without(below, others).map(|below| (key.clone(), below)),
    });
    let left: Map<String, Value> = left.collect();
    (!left.is_empty()).then_some(Value::Object(left))
}

/// What two sets of fields have in common.
fn both(fields: &Value, others: &Value) -> Option<Value> {
    let (Value::Object(own), Value::Object(others)) = (fields, others) else { return None };
    if own.is_empty() {
        return Some(Value::Object(Map::new()));
    }
    let common = own.iter().filter_map(|(key, below)| Some((key.clone(), both(below, others.get(key)?)?)));
    let common: Map<String, Value> = common.collect();
    (!common.is_empty()).then_some(Value::Object(common))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(version: &str, theirs: &Value, ours: &Value) -> Value {
        let entry = |manager: &str, operation: &str, fields: &Value| json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": {"f:data": fields}});
        let entries = [entry("team-b", "Update", theirs), entry("driftless", "Apply", ours)];
        json!({"metadata": {"resourceVersion": version, "managedFields": entries}})
    }

    /// X1+: what a refused apply has taken over is given back, and nothing else is changed.
    #[test]
    fn what_was_taken_is_held_as_before() {
        let item = json!({".": {}, "f:name": {}});
        let before = object("7", &json!({"k:b": item, "f:x": {}}), &json!({"k:a": item}));
        let taken = object("8", &json!({"f:x": {}}), &json!({"k:a": item, "k:b": item}));
        let now = object("9", &json!({"f:x": {}, "f:y": {}}), &json!({"k:a": item, "k:b": item}));
        let patch = give_back(&before, &taken, &now, "driftless").expect("a patch");
        assert_eq!(patch[0]["value"], "9");
        let fields = |place: usize| patch[1]["value"][place]["fieldsV1"]["f:data"].clone();
        assert_eq!(fields(0), json!({"f:x": {}, "f:y": {}, "k:b": item}));
        assert_eq!(fields(1), json!({"k:a": item}));
        let applied = object("9", &json!({"f:x": {}}), &json!({"k:a": item}));
        assert_eq!(give_back(&before, &taken, &applied, "driftless"), None, "the apply has dropped it");
        assert_eq!(give_back(&before, &before, &before, "driftless"), None);
        // An entry that had nothing else is made again.
        let mut alone = taken.clone();
        alone["metadata"]["managedFields"].as_array_mut().expect("entries").remove(0);
        let patch = give_back(&before, &alone, &alone, "driftless").expect("a patch");
        assert_eq!(patch[1]["value"][1]["manager"], "team-b");
        assert_eq!(patch[1]["value"][1]["fieldsV1"]["f:data"], json!({"k:b": item}));
    }
}
