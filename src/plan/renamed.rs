//! Items of keyed lists that were ours and that somebody has given another name: a container, a variable, a volume. The
//! server sees the old item go and a new one of another manager come, so that an apply makes the old one again and
//! leaves both. What came of ours is taken over, as a leftover is, and the next apply drops it; what others have added
//! stays, and is named. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::adopt::entries;
use super::change::Conflict;
use super::drifted::is_ours;
use super::dropped::step;
use super::leftover::{drop_value, has, merge, put, shown, take};
use super::managed::{is_item, writers};

/// How many of what stays are named.
const MOST: usize = 10;

/// Items that came of ours.
pub struct Renamed {
    /// Whose they are now.
    pub held: Vec<Conflict>,
    /// The JSON patch that makes them ours. It holds for the version of the object that was read.
    pub takes: Value,
    paths: Vec<Vec<String>>,
}

impl Renamed {
    /// The JSON patch from what an apply would leave to the same without them, to be asked about by a dry-run.
    pub fn heals(&self, answer: &Value) -> Option<Value> {
        let mut without = answer.clone();
        self.paths.iter().for_each(|path| drop_value(&mut without, path));
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

/// Looks for items of others in `live` that are what `desired` has under another name, and `live` has not. None where
/// there are none.
pub fn renamed(live: &Value, desired: &Value, manager: &str) -> Option<Renamed> {
    let paths = found(live, desired, manager, false);
    let version = live.pointer("/metadata/resourceVersion")?.clone();
    let is_ours = |entry: &Value| {
        entry["manager"] == manager && entry["operation"] == "Apply" && entry.get("subresource").is_none()
    };
    let mut held = Vec::new();
    let mut taken = Value::Object(Map::new());
    let mut rest = entries(live).to_vec();
    for entry in rest.iter_mut().filter(|entry| is_theirs(live, entry)) {
        for path in &paths {
            let Some(below) = take(&mut entry["fieldsV1"], path) else { continue };
            let mut of_entry = Value::Object(Map::new());
            put(&mut of_entry, path, below);
            merge(&mut taken, &of_entry);
            let manager = entry["manager"].as_str().unwrap_or("unknown").to_owned();
            held.push(Conflict { field: shown(path), manager });
        }
    }
    if held.is_empty() {
        return None;
    }
    merge(&mut rest.iter_mut().find(|entry| is_ours(entry))?["fieldsV1"], &taken);
    let takes = json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/metadata/managedFields", "value": rest},
    ]);
    Some(Renamed { held, takes, paths })
}

/// Whether what an apply leaves has an item twice, once under a name of somebody else's: only then has it to be known
/// what was there before.
pub fn may_be_renamed(answer: &Value, desired: &Value, manager: &str) -> bool {
    !found(answer, desired, manager, true).is_empty()
}

fn is_theirs(live: &Value, entry: &Value) -> bool {
    entry["operation"] == "Update" && writers(live).any(|writer| writer == entry)
}

fn found(live: &Value, desired: &Value, manager: &str, presumes_missing: bool) -> Vec<Vec<String>> {
    let mut theirs = Value::Object(Map::new());
    for entry in entries(live).iter().filter(|entry| is_theirs(live, entry)) {
        merge(&mut theirs, &entry["fieldsV1"]);
    }
    let mut found = Vec::new();
    Look { presumes_missing }.walk(&theirs, live, desired, &mut Vec::new(), &mut found);
    // Who applies an item means it to be there.
    let applies = |entry: &&Value| entry["operation"] == "Apply" && entry["manager"] != manager;
    found.retain(|path| !entries(live).iter().filter(applies).any(|entry| has(&entry["fieldsV1"], path)));
    found
}

struct Look {
    presumes_missing: bool,
}

impl Look {
    fn walk(
        &self,
        fields: &Value,
        live: &Value,
        desired: &Value,
        path: &mut Vec<String>,
        found: &mut Vec<Vec<String>>,
    ) {
        let Some(fields) = fields.as_object() else { return };
        if let (Some(items), Some(wanted)) = (live.as_array(), desired.as_array()) {
            found.extend(self.pairs(fields, items, wanted).into_iter().map(|key| [path.clone(), vec![key]].concat()));
        }
        for (key, below) in fields {
            let (Some(live), Some(desired)) = (part(key, live), part(key, desired)) else { continue };
            path.push(key.clone());
            self.walk(below, live, desired, path, found);
            path.pop();
        }
    }

    /// The keys of items that nobody wants, and that are what is wanted under a name that is not there. Where it is not
    /// clear which one came of ours, none did.
    fn pairs(&self, fields: &Map<String, Value>, items: &[Value], wanted: &[Value]) -> Vec<String> {
        let theirs: Vec<(&String, &Value)> = added(fields, wanted)
            .filter_map(|key| Some((key, items.iter().find(|item| is_item(key, item))?)))
            .collect();
        let candidates = |own: &Value| -> Vec<&String> {
            let came_of = |(key, item): &&(&String, &Value)| {
                (self.presumes_missing || is_missing(key, own, items)) && is_same_but_for_its_key(key, item, own)
            };
            theirs.iter().filter(came_of).map(|(key, _)| *key).collect()
        };
        let all: Vec<Vec<&String>> = wanted.iter().map(candidates).collect();
        let is_clear = |keys: &&Vec<&String>| {
            self.presumes_missing || keys.len() <= all.iter().filter(|other| other == keys).count()
        };
        let mut keys: Vec<String> = all.iter().filter(is_clear).flatten().map(|key| (*key).clone()).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

/// The keys of items of a list that a set of fields holds as a whole, and that are not wanted.
fn added<'a>(fields: &'a Map<String, Value>, wanted: &[Value]) -> impl Iterator<Item = &'a String> {
    let holds = fields.iter().filter(|(key, below)| key.starts_with("k:") && below.get(".").is_some());
    holds.map(|(key, _)| key).filter(|key| !wanted.iter().any(|own| is_item(key, own)))
}

fn part<'a>(key: &str, value: &'a Value) -> Option<&'a Value> {
    match key.strip_prefix("f:") {
        Some(name) => value.get(name),
        None => value.as_array()?.iter().find(|item| is_item(key, item)),
    }
}

/// The fields that tell the items of a list apart.
fn names(key: &str) -> Vec<String> {
    let key = key.strip_prefix("k:").and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    key.unwrap_or_default().into_iter().map(|(name, _)| name).collect()
}

/// Whether a list has no item of the name of `own`, in a list whose items are told apart as by `key`.
fn is_missing(key: &str, own: &Value, items: &[Value]) -> bool {
    let names = names(key);
    let same = |item: &Value| names.iter().all(|name| own.get(name).is_none_or(|own| item.get(name) == Some(own)));
    !items.iter().any(same)
}

/// Whether an item has all that another one says beside its key. One that says nothing more is no evidence.
fn is_same_but_for_its_key(key: &str, item: &Value, own: &Value) -> bool {
    let names = names(key);
    let Some(own) = own.as_object() else { return false };
    let mut rest = own.iter().filter(|(name, _)| !names.contains(name)).peekable();
    rest.peek().is_some() && rest.all(|(name, value)| item.get(name).is_some_and(|item| covers(item, value)))
}

fn covers(live: &Value, own: &Value) -> bool {
    match (live, own) {
        (Value::Object(live), Value::Object(own)) => {
            own.iter().all(|(name, own)| live.get(name).is_some_and(|live| covers(live, own)))
        }
        (Value::Array(live), Value::Array(own)) => {
            live.len() == own.len() && live.iter().zip(own).all(|(live, own)| covers(live, own))
        }
        (live, own) => live == own,
    }
}

/// What others have put beside what is wanted where something of ours was missing `before`, and what is there after an
/// apply: a sentence each.
pub fn stays_beside(before: &Value, applied: &Value, desired: &Value) -> Vec<String> {
    let mut found = BTreeMap::new();
    for entry in entries(applied).iter().filter(|entry| !is_ours(entry) && entry["subresource"] != "status") {
        let manager = entry["manager"].as_str().unwrap_or("another manager");
        Beside { manager }.walk(&entry["fieldsV1"], [before, applied, desired], "", &mut found);
    }
    let sentence =
        |(path, managers): (String, Vec<String>)| format!("{path} stays: it was added by {}", managers.join(", "));
    found.into_iter().map(sentence).take(MOST).collect()
}

struct Beside<'a> {
    manager: &'a str,
}

impl Beside<'_> {
    fn walk(
        &self,
        fields: &Value,
        [before, applied, desired]: [&Value; 3],
        path: &str,
        found: &mut BTreeMap<String, Vec<String>>,
    ) {
        let Some(fields) = fields.as_object() else { return };
        for key in Self::beside(fields, [before, applied, desired]) {
            let step = key.split_once(':').and_then(|(kind, name)| step(kind, name));
            if let Some(step) = step {
                found.entry(step.path(path)).or_default().push(self.manager.to_owned());
            }
        }
        for (key, below) in fields {
            let Some(step) = key.split_once(':').and_then(|(kind, name)| step(kind, name)) else { continue };
            let parts = (part(key, before), part(key, applied), part(key, desired));
            let (Some(before), Some(applied), Some(desired)) = parts else { continue };
            self.walk(below, [before, applied, desired], &step.path(path), found);
        }
    }

    fn beside<'f>(fields: &'f Map<String, Value>, [before, applied, desired]: [&Value; 3]) -> Vec<&'f String> {
        match (before, applied, desired) {
            (Value::Array(before), Value::Array(applied), Value::Array(desired)) => {
                let is_there = |key: &&String| {
                    [before, applied].iter().all(|items| items.iter().any(|item| is_item(key, item)))
                        && desired.iter().any(|own| is_missing(key, own, before))
                };
                added(fields, desired).filter(is_there).collect()
            }
            // An entry of a map under another name has the value of ours.
            (Value::Object(before), Value::Object(applied), Value::Object(desired)) => {
                let is_there = |key: &&String| {
                    let Some(name) = key.strip_prefix("f:").filter(|name| !desired.contains_key(*name)) else {
                        return false;
                    };
                    let theirs = before.get(name).filter(|theirs| applied.get(name) == Some(theirs));
                    theirs.is_some()
                        && desired.iter().any(|(own, value)| !before.contains_key(own) && theirs == Some(value))
                };
                fields.keys().filter(is_there).collect()
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "fieldsV1": fields})
    }

    fn ours(fields: &Value) -> Value {
        let mut fields = fields.clone();
        fields["f:metadata"] = json!({"f:annotations": {"f:driftless.dev/owner": {}}});
        entry("driftless", "Apply", &fields)
    }

    fn live(others: &[(&str, &str, &[&str])], containers: &Value) -> Value {
        let of = |names: &[&str]| {
            let item =
                |name: &&str| (format!("k:{{\"name\":\"{name}\"}}"), json!({".": {}, "f:name": {}, "f:image": {}}));
            json!({"f:spec": {"f:containers": names.iter().map(item).collect::<Map<_, _>>()}})
        };
        let others = others.iter().map(|(manager, operation, names)| entry(manager, operation, &of(names)));
        let managers: Vec<Value> = others.chain([ours(&json!({}))]).collect();
        json!({"metadata": {"resourceVersion": "7", "managedFields": managers}, "spec": {"containers": containers}})
    }

    fn desired() -> Value {
        json!({"spec": {"containers": [{"name": "c", "image": "a:1"}]}})
    }

    const EDIT: (&str, &str, &[&str]) = ("kubectl-edit", "Update", &["cc"]);

    /// B24+: a container that was renamed by hand is taken over, and the dry-run has it no more.
    #[test]
    fn what_came_of_ours_is_taken_over() {
        let live = live(&[EDIT], &json!([{"name": "cc", "image": "a:1", "imagePullPolicy": "Always"}]));
        let found = renamed(&live, &desired(), "driftless").expect("found");
        let field = ".spec.containers[name=\"cc\"]".to_owned();
        assert_eq!(found.held, [Conflict { field, manager: "kubectl-edit".into() }]);
        let entries = &found.takes[1]["value"];
        let held = |place: usize| entries[place].pointer("/fieldsV1/f:spec/f:containers").cloned().unwrap_or_default();
        assert_eq!(held(0), json!({}));
        assert!(held(1).get("k:{\"name\":\"cc\"}").is_some(), "{entries}");
        let answer = json!({"metadata": {"resourceVersion": "7"}, "spec": {"x": 1, "containers": [
            {"name": "c", "image": "a:1"}, {"name": "cc", "image": "a:1"}]}});
        let heals = found.heals(&answer).expect("a patch");
        assert_eq!(heals[1]["value"], json!({"x": 1, "containers": [{"name": "c", "image": "a:1"}]}));
    }

    /// B24+: what is not clearly ours stays: another image, two that could be it, one that somebody applies, and one
    /// beside ours.
    #[test]
    fn what_others_have_added_is_not_taken() {
        let of = |others: &[(&str, &str, &[&str])], containers: Value| {
            renamed(&live(others, &containers), &desired(), "driftless").is_some()
        };
        let item = |name: &str, image: &str| json!({"name": name, "image": image});
        assert!(of(&[EDIT], json!([item("cc", "a:1")])));
        assert!(!of(&[EDIT], json!([item("cc", "b:1")])));
        assert!(!of(&[("x", "Update", &["cc", "cd"])], json!([item("cc", "a:1"), item("cd", "a:1")])));
        assert!(!of(&[EDIT, ("mesh", "Apply", &["cc"])], json!([item("cc", "a:1")])));
        assert!(!of(&[EDIT], json!([item("c", "a:1"), item("cc", "a:1")])), "ours is there");
        let only_a_name = json!({"spec": {"containers": [{"name": "c"}]}});
        assert!(renamed(&live(&[EDIT], &json!([item("cc", "a:1")])), &only_a_name, "driftless").is_none());
        assert!(may_be_renamed(&live(&[EDIT], &json!([item("c", "a:1"), item("cc", "a:1")])), &desired(), "driftless"));
    }

    /// B24+: what stays after a heal is named with whoever added it; what was there beside ours all the time is not.
    #[test]
    fn what_stays_beside_ours_is_named() {
        let item = |name: &str, image: &str| json!({"name": name, "image": image});
        let before = live(&[EDIT], &json!([item("cc", "b:1")]));
        let applied = live(&[EDIT], &json!([item("c", "a:1"), item("cc", "b:1")]));
        assert_eq!(
            stays_beside(&before, &applied, &desired()),
            ["spec.containers[cc] stays: it was added by kubectl-edit"]
        );
        assert!(stays_beside(&applied, &applied, &desired()).is_empty(), "nothing of ours was missing");
        let map = |data: Value| {
            let edit = entry("kubectl-edit", "Update", &json!({"f:data": {"f:other": {}, "f:more": {}}}));
            json!({"metadata": {"managedFields": [edit]}, "data": data})
        };
        let before = map(json!({"other": "1", "more": "2"}));
        let applied = map(json!({"key": "1", "other": "1", "more": "2"}));
        assert_eq!(
            stays_beside(&before, &applied, &json!({"data": {"key": "1"}})),
            ["data.other stays: it was added by kubectl-edit"]
        );
    }
}
