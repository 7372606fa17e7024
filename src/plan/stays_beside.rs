//! Items that others added to desired lists and maps, and that stay there after an apply. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::drifted::is_ours;
use super::dropped::step;
use super::keyed::{canonical, children};
use super::managed::entries;

/// How many of what stays are named.
const MOST: usize = 10;

/// What others have put beside what is wanted where something of ours was missing `before`, and what is there after an
/// apply: a sentence each.
pub fn stays_beside(before: &Value, applied: &Value, desired: &Value) -> Vec<String> {
    let Some(ours) = entries(applied).iter().find(|entry| is_ours(entry)) else { return Vec::new() };
    let others = entries(applied).iter().filter(|entry| !is_ours(entry) && entry["subresource"] != "status");
    let others = others.map(|entry| (entry["manager"].as_str().unwrap_or("another manager"), &entry["fieldsV1"]));
    let mut found = BTreeMap::new();
    walk(&others.collect::<Vec<_>>(), &ours["fieldsV1"], [before, applied, desired], "", &mut found);
    let sentence =
        |(path, managers): (String, Vec<String>)| format!("{path} stays: it was added by {}", managers.join(", "));
    found.into_iter().map(sentence).take(MOST).collect()
}

/// All managers at once, so that each list is looked through once.
fn walk(
    held: &[(&str, &Value)],
    ours: &Value,
    [before, applied, desired]: [&Value; 3],
    path: &str,
    found: &mut BTreeMap<String, Vec<String>>,
) {
    let mut by_key: BTreeMap<&str, Vec<(&str, &Value)>> = BTreeMap::new();
    for (manager, fields) in held {
        for (key, below) in fields.as_object().into_iter().flatten() {
            by_key.entry(key).or_default().push((manager, below));
        }
    }
    let keys: Map<String, Value> = by_key.keys().map(|key| ((*key).to_owned(), Value::Null)).collect();
    let parts = [before, applied, desired].map(|value| children(&keys, value));
    let is_beside = beside(ours, [before, applied, desired]);
    for (key, held) in by_key {
        let Some(step) = key.split_once(':').and_then(|(kind, name)| step(kind, name)) else { continue };
        match parts.each_ref().map(|parts| parts.get(key).copied()) {
            [Some(before), Some(applied), None] => {
                let is_whole = |fields: &Value| key.starts_with("f:") || fields.get(".").is_some();
                let managers: Vec<_> = held.iter().filter(|(_, fields)| is_whole(fields)).collect();
                if !managers.is_empty() && is_beside(before, applied) {
                    let managers = managers.iter().map(|(manager, _)| (*manager).to_owned());
                    found.entry(step.path(path)).or_default().extend(managers);
                }
            }
            [Some(before), Some(applied), Some(desired)] => {
                let ours = ours.get(key).unwrap_or(&Value::Null);
                walk(&held, ours, [before, applied, desired], &step.path(path), found);
            }
            _ => {}
        }
    }
}

/// Tells by an item or entry as it was before an apply, and as it is after it.
type Tells<'v> = Box<dyn Fn(&Value, &Value) -> bool + 'v>;

/// Whether what others hold, and nobody wants, may be in the place of something of ours that was missing: any item of a
/// list, and an entry of a map that has the value of ours.
fn beside<'v>(ours: &Value, [before, applied, desired]: [&'v Value; 3]) -> Tells<'v> {
    let no = Map::new();
    let ours = ours.as_object().unwrap_or(&no);
    match (before, applied, desired) {
        (Value::Array(_), Value::Array(_), Value::Array(_)) => {
            let (there, wanted) = (children(ours, before), children(ours, desired));
            let was_missing = wanted.keys().any(|key| !there.contains_key(key));
            Box::new(move |_, _| was_missing)
        }
        (Value::Object(before), Value::Object(_), Value::Object(desired)) => {
            let missing = desired.iter().filter(|(name, _)| !before.contains_key(*name));
            let missing: std::collections::BTreeSet<String> = missing.map(|(_, value)| canonical(value)).collect();
            Box::new(move |before, applied| before == applied && missing.contains(&canonical(before)))
        }
        _ => Box::new(|_, _| false),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "fieldsV1": fields})
    }

    fn ours(fields: &Value) -> Value {
        let mut fields = fields.clone();
        fields["f:metadata"] = json!({"f:annotations": {"f:driftless.dev/owner": {}}});
        entry("driftless", "Apply", &fields)
    }

    /// B24+: what stays after a heal is named with whoever added it; what was there beside ours all the time is not.
    #[test]
    fn what_stays_beside_ours_is_named() {
        let held = |name: &str| {
            let item = json!({".": {}, "f:name": {}, "f:image": {}});
            json!({"f:spec": {"f:containers": {format!("k:{{\"name\":\"{name}\"}}"): item}}})
        };
        let of = |containers: Value| {
            json!({"metadata": {"managedFields": [entry("kubectl-edit", "Update", &held("cc")), ours(&held("c"))]},
                "spec": {"containers": containers}})
        };
        let item = |name: &str, image: &str| json!({"name": name, "image": image});
        let before = of(json!([item("cc", "b:1")]));
        let applied = of(json!([item("c", "a:1"), item("cc", "b:1")]));
        let desired = json!({"spec": {"containers": [item("c", "a:1")]}});
        assert_eq!(
            stays_beside(&before, &applied, &desired),
            ["spec.containers[cc] stays: it was added by kubectl-edit"]
        );
        assert!(stays_beside(&applied, &applied, &desired).is_empty(), "nothing of ours was missing");
        let map = |data: Value| {
            let edit = entry("kubectl-edit", "Update", &json!({"f:data": {"f:other": {}, "f:more": {}}}));
            json!({"metadata": {"managedFields": [edit, ours(&json!({"f:data": {"f:key": {}}}))]}, "data": data})
        };
        let before = map(json!({"other": "1", "more": "2"}));
        let applied = map(json!({"key": "1", "other": "1", "more": "2"}));
        assert_eq!(
            stays_beside(&before, &applied, &json!({"data": {"key": "1"}})),
            ["data.other stays: it was added by kubectl-edit"]
        );
    }
}
