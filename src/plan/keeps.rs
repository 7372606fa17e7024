//! Fields that an object keeps although neither Git nor a new object would set them: defaults derived from removed
//! fields, and deprecated twins of such fields. Pure.

use std::collections::HashMap;

use serde_json::Value;

use super::drifted::is_ours;
use super::keyed::{by_key, canonical};
use super::managed::entries;
use super::overlay::without_allocated;
use crate::manifest::ObjectKey;
use crate::redact::holds_secrets;

/// The most that is named of one object.
const MOST: usize = 10;
/// The longest value that is quoted, in characters.
const LONG: usize = 80;

/// An object before and after an update, and as it would be if it were new.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    pub before: &'a Value,
    pub after: &'a Value,
    pub fresh: &'a Value,
    /// What Git says of it.
    pub manifest: &'a Value,
}

/// Whether a change of the manifest may leave something behind: a field goes, or an image is another one. A Secret's
/// values are nobody's to compare, and what a Pod has besides is the scheduler's.
pub fn may_keep(key: &ObjectKey, before: &Value, after: &Value) -> bool {
    let is_pod = key.group.is_empty() && key.kind == "Pod";
    let is_told = !is_pod && !holds_secrets(key, before) && !holds_secrets(key, after);
    is_told && loses(&body(before), &body(after))
}

/// A sentence for each field that stays as it was, is set by nobody, and would be another one in a new object.
pub fn keeps(kept: &Kept<'_>) -> Vec<String> {
    let [after, fresh] = [kept.after, kept.fresh].map(|object| without_allocated(object.clone(), kept.manifest));
    let others: Vec<&Value> = entries(kept.after)
        .iter()
        .filter(|entry| !is_ours(entry) && entry["subresource"] != "status")
        .map(|entry| &entry["fieldsV1"])
        .collect();
    let all = Place { before: Some(kept.before), fresh: Some(&fresh), manifest: Some(kept.manifest), others };
    let mut found = Vec::new();
    for (name, value) in after.as_object().into_iter().flatten().filter(|(name, _)| is_body(name)) {
        walk(value, &all.field(name), &format!("/{name}"), &mut found);
    }
    found.truncate(MOST);
    found
}

fn is_body(name: &str) -> bool {
    !matches!(name, "apiVersion" | "kind" | "metadata" | "status")
}

fn body(object: &Value) -> Value {
    let fields = object.as_object().into_iter().flatten().filter(|(name, _)| is_body(name));
    Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn loses(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => before.iter().any(|(name, value)| match after.get(name) {
            None => true,
            Some(now) => loses(value, now) || (name == "image" && value != now),
        }),
        (Value::Array(before), Value::Array(after)) => {
            let twins = Twins::of(after);
            let is_lost = |(at, value): (usize, &Value)| twins.of_item(value, at).is_none_or(|now| loses(value, now));
            after.len() < before.len() || before.iter().enumerate().any(is_lost)
        }
        _ => false,
    }
}

/// One place in the other forms of an object, and what other managers hold of it.
struct Place<'a> {
    before: Option<&'a Value>,
    fresh: Option<&'a Value>,
    manifest: Option<&'a Value>,
    others: Vec<&'a Value>,
}

impl<'a> Place<'a> {
    fn field(&self, name: &str) -> Self {
        let of = |value: Option<&'a Value>| value.and_then(|value| value.get(name));
        let held = |fields: &&'a Value| fields.get(format!("f:{name}"));
        let others = self.others.iter().filter_map(held).collect();
        Self { before: of(self.before), fresh: of(self.fresh), manifest: of(self.manifest), others }
    }

    /// The places of all items of a list, so that each is looked through once.
    fn items(&self, items: &[Value]) -> Vec<Self> {
        let lists = [self.before, self.fresh, self.manifest].map(|list| list.and_then(Value::as_array));
        let [before, fresh, manifest] = lists.map(|list| list.map(|list| Twins::of(list)));
        let mut others: Vec<Vec<&'a Value>> = vec![Vec::new(); items.len()];
        for fields in self.others.iter().filter_map(|fields| fields.as_object()) {
            let places = by_key(fields.keys(), items);
            for (key, below) in fields {
                if let Some(place) = places.get(key.as_str()) {
                    others[*place].push(below);
                }
            }
        }
        let place = |(at, (item, others)): (usize, (&Value, _))| {
            let [before, fresh, manifest] =
                [&before, &fresh, &manifest].map(|list| list.as_ref().and_then(|list| list.of_item(item, at)));
            Self { before, fresh, manifest, others }
        };
        items.iter().zip(others).enumerate().map(place).collect()
    }
}

/// The items of a list by what they are compared by: their names, or their places where they have none.
struct Twins<'a> {
    list: &'a [Value],
    by_name: HashMap<String, &'a Value>,
}

impl<'a> Twins<'a> {
    fn of(list: &'a [Value]) -> Self {
        let mut by_name = HashMap::new();
        for (name, item) in list.iter().filter_map(|item| Some((canonical(item.get("name")?), item))) {
            by_name.entry(name).or_insert(item);
        }
        Self { list, by_name }
    }

    /// What stands for the same item of another list.
    fn of_item(&self, item: &Value, at: usize) -> Option<&'a Value> {
        match item.get("name") {
            Some(name) => self.by_name.get(&canonical(name)).copied(),
            None => self.list.get(at),
        }
    }
}

fn walk(after: &Value, place: &Place<'_>, path: &str, found: &mut Vec<String>) {
    if place.fresh == Some(after) {
        return;
    }
    match (after, place.fresh) {
        (Value::Object(fields), Some(Value::Object(_))) => {
            for (name, value) in fields {
                walk(value, &place.field(name), &format!("{path}/{}", escaped(name)), found);
            }
        }
        (Value::Array(items), Some(Value::Array(fresh))) if is_of_objects(items) && is_of_objects(fresh) => {
            for (at, (item, place)) in items.iter().zip(place.items(items)).enumerate() {
                walk(item, &place, &format!("{path}/{at}"), found);
            }
        }
        _ => {
            let is_left = place.before == Some(after) && place.manifest.is_none() && place.others.is_empty();
            if is_left && !is_empty(after) {
                found.push(sentence(path, after, place.fresh));
            }
        }
    }
}

fn is_of_objects(items: &[Value]) -> bool {
    !items.is_empty() && items.iter().all(Value::is_object)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn sentence(path: &str, after: &Value, fresh: Option<&Value>) -> String {
    let kept = match (after, fresh) {
        (Value::Array(items), Some(Value::Array(new))) if items.iter().any(|item| !new.contains(item)) => {
            let more: Vec<String> = items.iter().filter(|item| !new.contains(item)).map(quoted).collect();
            more.join(", ")
        }
        _ => quoted(after),
    };
    let new = match fresh {
        Some(fresh) => format!("would have {}", quoted(fresh)),
        None => "would not have it".to_owned(),
    };
    format!("{path} keeps {kept}, which Git does not set; a new object {new}")
}

fn quoted(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    };
    if text.chars().count() <= LONG {
        return text;
    }
    text.chars().take(LONG).chain("…".chars()).collect()
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(before: &Value, after: &Value, fresh: &Value, manifest: &Value) -> Vec<String> {
        keeps(&Kept { before, after, fresh, manifest })
    }

    /// P4+: a default that was made of rules which have gone.
    #[test]
    fn a_default_of_what_has_gone_is_named() {
        let of = |types: Value| json!({"kind": "NetworkPolicy", "spec": {"podSelector": {}, "policyTypes": types}});
        let (both, one) = (of(json!(["Ingress", "Egress"])), of(json!(["Ingress"])));
        let manifest = json!({"kind": "NetworkPolicy", "spec": {"podSelector": {}}});
        let said = "/spec/policyTypes keeps Egress, which Git does not set; a new object would have [Ingress]";
        assert_eq!(told(&both, &both, &one, &manifest), [said]);
        assert!(told(&one, &both, &one, &manifest).is_empty(), "the diff shows what changes");
        assert!(told(&both, &both, &one, &both).is_empty(), "Git sets it");
        let mut held = both.clone();
        held["metadata"] = json!({"managedFields": [{"manager": "team-b", "operation": "Update",
            "fieldsV1": {"f:spec": {"f:policyTypes": {}}}}]});
        assert!(told(&both, &held, &one, &manifest).is_empty(), "somebody else sets it");
    }

    /// P4+: the twin of a field, and a default of an image, in the container that it is of.
    #[test]
    fn twins_and_defaults_in_containers_are_named() {
        let pod = |account: Value, policy: &str| {
            let containers = json!([{"name": "side", "image": "s", "imagePullPolicy": "Always"},
                {"name": "web", "image": "a:latest", "imagePullPolicy": policy}]);
            let mut spec = json!({"containers": containers});
            if !account.is_null() {
                spec["serviceAccount"] = account;
            }
            json!({"spec": {"template": {"spec": spec}}})
        };
        let kept = pod(json!("bob"), "IfNotPresent");
        let manifest = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "a:latest"},
            {"name": "side", "image": "s"}]}}}});
        let spec = "/spec/template/spec";
        assert_eq!(
            told(&kept, &kept, &pod(Value::Null, "Always"), &manifest),
            [
                format!(
                    "{spec}/containers/1/imagePullPolicy keeps IfNotPresent, which Git does not set; a new object \
                         would have Always"
                ),
                format!("{spec}/serviceAccount keeps bob, which Git does not set; a new object would not have it"),
            ]
        );
    }

    #[test]
    fn only_what_takes_something_away_is_asked_about() {
        let key = |kind: &str| ObjectKey::of(&json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}}));
        let of = |spec: Value| json!({"spec": spec});
        let asks =
            |kind: &str, before: Value, after: Value| may_keep(&key(kind).expect("a name"), &of(before), &of(after));
        assert!(asks("Service", json!({"a": 1, "b": 2}), json!({"a": 1})));
        assert!(asks(
            "Service",
            json!({"l": [{"name": "x"}, {"name": "y"}]}),
            json!({"l": [{"name": "y"}, {"name": "z"}]})
        ));
        assert!(asks(
            "Service",
            json!({"l": [{"name": "x", "image": "a"}]}),
            json!({"l": [{"name": "x", "image": "b"}]})
        ));
        assert!(!asks("Service", json!({"a": 1}), json!({"a": 2, "b": 3})));
        assert!(!asks("Secret", json!({"a": 1}), json!({})));
        assert!(!asks("Pod", json!({"a": 1}), json!({})));
    }
}
