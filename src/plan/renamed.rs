//! Items of keyed lists that belonged to the app and that somebody renamed: a container, a variable, a volume. The API
//! server sees the old item disappear and a new one of another manager, so an apply would create the old one again and
//! leave both. The renamed item is taken over, as a leftover is, and the next apply drops it; items that others added
//! stay and are reported.
//!
//! Only the manifest that was applied last shows which items belonged to the app: those that it has and the cluster has
//! not. New items of Git are ignored, and so are items whose content is too common to identify them. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::change::Conflict;
use super::keyed::{Key, canonical, children};
use super::managed::{entries, merge, writers};
use super::paths::{at, drop_value, has};
use super::taken::{Taken, handed, is_ours, is_theirs};

/// Nobody gives more items of one object other names by hand.
const MOST: usize = 50;
/// A text that is at least so long, and not of letters alone, is hardly there twice by chance.
const TELLING: usize = 16;

/// Items that came of ours.
pub struct Renamed {
    /// Whose they are now.
    pub held: Vec<Conflict>,
    pub taken: Taken,
}

impl Renamed {
    /// The JSON patch from what an apply would leave to the same without them, to be asked about by a dry-run.
    pub fn heals(&self, answer: &Value) -> Option<Value> {
        let mut without = answer.clone();
        self.taken.items.iter().for_each(|(path, _)| drop_value(&mut without, path));
        let version = answer.pointer("/metadata/resourceVersion")?;
        let mut operations = vec![json!({"op": "test", "path": "/metadata/resourceVersion", "value": version})];
        for (name, value) in without.as_object()? {
            if !matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
                operations.push(json!({"op": "add", "path": format!("/{name}"), "value": value}));
            }
        }
        for field in ["labels", "annotations"] {
            if let Some(value) = without.pointer(&format!("/metadata/{field}")) {
                operations.push(json!({"op": "add", "path": format!("/metadata/{field}"), "value": value}));
            }
        }
        Some(Value::Array(operations))
    }
}

/// Looks for items of others in `live` that are what `desired` has under another name, and `live` has not. `answer` is
/// what an apply of `desired` would leave: with the server's defaults two items are compared in all that they say.
/// `desired` has to be what was applied last. None where there are none.
pub fn renamed(live: &Value, answer: &Value, desired: &Value, manager: &str) -> Option<Renamed> {
    let uid = live.pointer("/metadata/uid")?.clone();
    let version = |object: &Value| object.pointer("/metadata/resourceVersion").cloned();
    if version(live) != version(answer) {
        return None;
    }
    let look = found([live, answer, desired], manager, false);
    if look.found.len().max(look.missing.len()) > MOST {
        return None;
    }
    let paths: Vec<&Vec<String>> = look.found.iter().collect();
    let (held, _) = handed(live, &paths, manager)?;
    let held = held.into_iter().map(|(field, manager)| Conflict { field, manager }).collect();
    let items = look.found.iter().filter_map(|path| Some((path.clone(), at(live, path)?.clone()))).collect();
    Some(Renamed { held, taken: Taken { uid, items, missing: look.missing } })
}

/// Whether what an apply leaves has an item twice, once under a name of somebody else's: only then has it to be known
/// what was there before.
pub fn may_be_renamed(answer: &Value, desired: &Value, manager: &str) -> bool {
    !found([answer, answer, desired], manager, true).found.is_empty()
}

#[derive(Default)]
struct Look {
    presumes_missing: bool,
    found: Vec<Vec<String>>,
    missing: Vec<Vec<String>>,
}

fn found(objects: [&Value; 3], manager: &str, presumes_missing: bool) -> Look {
    let [live, answer, _] = objects;
    let mut theirs = Value::Object(Map::new());
    for entry in writers(live).filter(|entry| is_theirs(entry)) {
        merge(&mut theirs, &entry["fieldsV1"]);
    }
    let mut look = Look { presumes_missing, ..Look::default() };
    if let Some(ours) = entries(answer).iter().find(|entry| is_ours(entry, manager)) {
        look.walk([&theirs, &ours["fieldsV1"]], objects, &mut Vec::new());
    }
    // Who applies an item means it to be there.
    let applies = |entry: &&Value| entry["operation"] == "Apply" && entry["manager"] != manager;
    look.found.retain(|path| !entries(live).iter().filter(applies).any(|entry| has(&entry["fieldsV1"], path)));
    look
}

impl Look {
    fn walk(&mut self, [theirs, ours]: [&Value; 2], objects: [&Value; 3], path: &mut Vec<String>) {
        let (Value::Object(theirs), Value::Object(ours)) = (theirs, ours) else { return };
        if objects.iter().all(|object| object.is_array()) {
            self.pairs([theirs, ours], objects, path);
        }
        let [live, answer, desired] = objects.map(|object| children(theirs, object));
        for (key, below) in theirs {
            let key_of = |children: &std::collections::HashMap<&str, _>| children.get(key.as_str()).copied();
            let (Some(live), Some(answer), Some(desired)) = (key_of(&live), key_of(&answer), key_of(&desired)) else {
                continue;
            };
            let Some(ours) = ours.get(key) else { continue };
            path.push(key.clone());
            self.walk([below, ours], [live, answer, desired], path);
            path.pop();
        }
    }

    /// The keys of items that nobody wants, and that say what is wanted under a name that is not there. Where it is not
    /// clear which one came of ours, none did.
    fn pairs(
        &mut self,
        [theirs, ours]: [&Map<String, Value>; 2],
        [live, answer, desired]: [&Value; 3],
        path: &[String],
    ) {
        let (there, wanted) = (children(theirs, live), children(theirs, desired));
        let added = theirs.iter().filter(|(key, below)| key.starts_with("k:") && below.get(".").is_some());
        let mut by_content: BTreeMap<String, Vec<&String>> = BTreeMap::new();
        for (key, _) in added.filter(|(key, _)| !wanted.contains_key(key.as_str())) {
            let content = there.get(key.as_str()).and_then(|item| content(key, item));
            if let Some(content) = content {
                by_content.entry(content).or_default().push(key);
            }
        }
        if by_content.is_empty() {
            return;
        }
        let [there, made, manifest] = [live, answer, desired].map(|object| children(ours, object));
        let mut missing: BTreeMap<String, Vec<&String>> = BTreeMap::new();
        for key in ours.keys().filter(|key| self.presumes_missing || !there.contains_key(key.as_str())) {
            let (Some(made), Some(manifest)) = (made.get(key.as_str()), manifest.get(key.as_str())) else { continue };
            if tells("", &without_key(key, manifest))
                && let Some(content) = content(key, made)
            {
                missing.entry(content).or_default().push(key);
            }
        }
        let below = |key: &String| [path, std::slice::from_ref(key)].concat();
        for (content, own) in missing {
            let theirs = by_content.get(&content).filter(|keys| self.presumes_missing || keys.len() <= own.len());
            if let Some(keys) = theirs {
                self.found.extend(keys.iter().map(|key| below(key)));
                self.missing.extend(own.iter().map(|key| below(key)));
            }
        }
    }
}

/// All that an item says beside its key. None of one that says nothing more.
fn content(key: &str, item: &Value) -> Option<String> {
    let rest = without_key(key, item);
    rest.as_object().is_some_and(|rest| !rest.is_empty()).then(|| canonical(&rest))
}

fn without_key(key: &str, item: &Value) -> Value {
    let mut item = item.clone();
    if let (Some(key), Some(fields)) = (Key::parse(key), item.as_object_mut()) {
        key.names().for_each(|name| drop(fields.shift_remove(name)));
    }
    item
}

/// Whether a value says what two items hardly say by chance: it names another object or an image, or is a longer text.
/// `emptyDir: {}` and `value: "true"` are what many items say.
fn tells(name: &str, value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(field, value)| match field.as_str() {
            // Where a pod's own fields come from is the same in each.
            "fieldRef" | "resourceFieldRef" => false,
            "name" => !name.is_empty() && value.is_string(),
            _ => tells(field, value),
        }),
        Value::Array(items) => items.iter().any(|item| tells(name, item)),
        Value::String(text) => {
            matches!(name, "image" | "claimName" | "secretName")
                || (text.len() >= TELLING && !text.chars().all(char::is_alphabetic))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
#[path = "renamed_tests.rs"]
mod tests;
