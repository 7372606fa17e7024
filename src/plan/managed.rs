//! The field managers of an object: the sets of fields that the API server keeps for each.

use serde_json::{Map, Value};

use super::keyed::Key;

/// Entries of managers who wrote the object itself, not a subresource of it.
pub(super) fn writers(live: &Value) -> impl Iterator<Item = &Value> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().filter(|entry| entry.get("subresource").is_none())
}

pub(super) fn entries(live: &Value) -> &[Value] {
    live.pointer("/metadata/managedFields").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The union of two sets of fields.
pub(super) fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, below) in from {
                merge(into.entry(key.clone()).or_insert_with(|| Value::Object(Map::new())), below);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// The managers that hold a field, whatever subresource they wrote it through, newest first, with the time of their
/// last write.
pub(super) fn holders(live: &Value, path: &[Step<'_>]) -> Vec<(String, String)> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let holds = |entry: &&Value| holds(&entry["fieldsV1"], path);
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = entries
        .into_iter()
        .flatten()
        .filter(holds)
        .map(|entry| (text(entry, "manager"), text(entry, "time")))
        .collect();
    found.sort_by(|a, b| b.1.cmp(&a.1));
    found
}

/// Whether somebody has set a field. Who applies a map, even an empty one, has not set what the server adds to it.
pub(super) fn is_set(live: &Value, path: &[Step<'_>]) -> bool {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let sets = |entry: &Value| {
        let applies = entry["operation"] == "Apply";
        if applies { holds_itself(&entry["fieldsV1"], path) } else { holds(&entry["fieldsV1"], path) }
    };
    entries.into_iter().flatten().any(sets)
}

fn holds_itself(fields: &Value, path: &[Step<'_>]) -> bool {
    let Value::Object(fields) = fields else { return false };
    match path.split_first() {
        None => true,
        Some((Step::Field(name), rest)) => {
            fields.get(&format!("f:{name}")).is_some_and(|below| holds_itself(below, rest))
        }
        Some((Step::Item(item), rest)) => items(fields, item).any(|below| holds_itself(below, rest)),
    }
}

/// One step on the way to a field.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Field(&'a str),
    Item(&'a Value),
}

fn holds(fields: &Value, path: &[Step<'_>]) -> bool {
    let Value::Object(fields) = fields else { return false };
    match path.split_first() {
        None => true,
        // A list or an object that is held as a whole holds all that is in it.
        Some(_) if fields.is_empty() => true,
        Some((Step::Field(name), rest)) => fields.get(&format!("f:{name}")).is_some_and(|below| holds(below, rest)),
        Some((Step::Item(item), rest)) => items(fields, item).any(|below| holds(below, rest)),
    }
}

fn items<'a>(fields: &'a Map<String, Value>, item: &'a Value) -> impl Iterator<Item = &'a Value> {
    let is = move |key: &str| Key::parse(key).is_some_and(|key| key.is(item));
    fields.iter().filter(move |(key, _)| is(key)).map(|(_, below)| below)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_holder_of_a_field_is_found_through_items_and_whole_values() {
        let live = json!({"metadata": {"managedFields": [
            {"manager": "driftless", "operation": "Apply", "time": "2026-01-01T00:00:00Z",
                "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "hpa", "operation": "Update", "subresource": "scale", "time": "2026-01-02T00:00:00Z",
                "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "edit", "operation": "Update", "time": "2026-01-03T00:00:00Z",
                "fieldsV1": {"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {"f:name": {}}},
                "f:rules": {}}}},
        ]}});
        let names = |path: &[Step<'_>]| holders(&live, path).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&[Step::Field("spec"), Step::Field("replicas")]), ["hpa", "driftless"]);
        let port = json!({"port": 80, "name": "x"});
        assert_eq!(
            names(&[Step::Field("spec"), Step::Field("ports"), Step::Item(&port), Step::Field("name")]),
            ["edit"]
        );
        assert_eq!(names(&[Step::Field("spec"), Step::Field("rules"), Step::Field("deep")]), ["edit"]);
        assert!(names(&[Step::Field("spec"), Step::Field("other")]).is_empty());
        assert_eq!(writers(&live).count(), 2);
    }
}
