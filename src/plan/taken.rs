//! Items of other managers that a plan takes over, and how. Pure.

use serde_json::{Map, Value, json};

use super::managed::{entries, merge};
use super::paths::{at, put, shown, take};

/// What a plan takes over: a sync takes just that, and nothing where it is no longer so.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    pub(super) uid: Value,
    /// The items, with what they say.
    pub(super) items: Vec<(Vec<String>, Value)>,
    /// What they were, which is not there.
    pub(super) missing: Vec<Vec<String>>,
}

impl Taken {
    /// The JSON patch that makes the items ours. None where they are not as the plan saw them. It holds for the version
    /// of the object that was read.
    pub fn takes(&self, live: &Value, manager: &str) -> Option<Value> {
        let is_same = live.pointer("/metadata/uid") == Some(&self.uid)
            && self.items.iter().all(|(path, item)| at(live, path) == Some(item))
            && self.missing.iter().all(|path| at(live, path).is_none());
        let paths: Vec<&Vec<String>> = self.items.iter().map(|(path, _)| path).collect();
        if is_same { handed(live, &paths, manager).map(|(_, takes)| takes) } else { None }
    }
}

pub(super) fn is_ours(entry: &Value, manager: &str) -> bool {
    entry["manager"] == manager && entry["operation"] == "Apply" && entry.get("subresource").is_none()
}

pub(super) fn is_theirs(entry: &Value) -> bool {
    entry["operation"] == "Update" && entry.get("subresource").is_none()
}

/// The fields of some items as the server writes them, with whose they are, and the JSON patch that makes them ours.
/// None where they are nobody's.
pub(super) fn handed(live: &Value, paths: &[&Vec<String>], manager: &str) -> Option<(Vec<(String, String)>, Value)> {
    let version = live.pointer("/metadata/resourceVersion")?;
    let mut held = Vec::new();
    let mut taken = Value::Object(Map::new());
    let mut rest = entries(live).to_vec();
    for entry in rest.iter_mut().filter(|entry| is_theirs(entry)) {
        for path in paths {
            let Some(below) = take(&mut entry["fieldsV1"], path) else { continue };
            let mut of_entry = Value::Object(Map::new());
            put(&mut of_entry, path, below);
            merge(&mut taken, &of_entry);
            let manager = entry["manager"].as_str().unwrap_or("unknown").to_owned();
            held.push((shown(path), manager));
        }
    }
    if held.is_empty() {
        return None;
    }
    merge(&mut rest.iter_mut().find(|entry| is_ours(entry, manager))?["fieldsV1"], &taken);
    let takes = json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/metadata/managedFields", "value": rest},
    ]);
    Some((held, takes))
}
