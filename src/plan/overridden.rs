//! Fields of a manifest that the cluster changes: a mutating policy or webhook may set another value, although the
//! apply succeeds. Pure.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::diff::field;
use super::quantity::Quantity;
use crate::manifest::ObjectKey;
use crate::redact::holds_secrets;

/// The most that is named of one object.
const MOST: usize = 10;
/// How much of a value is shown.
const LONGEST: usize = 60;
/// So many items are looked for among those of a list that have no names.
const MOST_COMPARED: usize = 10_000;
/// Fields in which a webhook may put what is secret, where Git has a reference to it.
const FILLED: [&str; 5] = ["data", "stringData", "env", "args", "annotations"];
/// Whose items run.
const RUNS: [&str; 2] = ["containers", "initContainers"];

/// A sentence for each field of `desired` that is another one in `result`, which is what the server has made of it.
/// What the server only writes otherwise, such as `1000m`, is the same.
pub(super) fn overridden(key: &ObjectKey, desired: &Value, result: &Value) -> Vec<String> {
    sentences(desired, result, holds_secrets(key, desired))
}

/// The same without any value.
pub fn overridden_fields(desired: &Value, result: &Value) -> Vec<String> {
    sentences(desired, result, true)
}

fn sentences(desired: &Value, result: &Value, hides: bool) -> Vec<String> {
    let mut look = Look { hides, left: MOST_COMPARED, found: Vec::new() };
    for (name, value) in desired.as_object().into_iter().flatten() {
        // A server makes `data` of `stringData`.
        if !matches!(name.as_str(), "apiVersion" | "kind" | "status" | "stringData") {
            look.walk(value, result.get(name), name, look.hides);
        }
    }
    look.found.truncate(MOST);
    look.found
}

/// Whether an object has all that a manifest asks for. Of `stringData` nothing is known.
pub fn has_all(desired: &Value, live: &Value) -> bool {
    desired.get("stringData").is_none() && overridden_fields(desired, live).is_empty()
}

/// A sentence for each container in `result`, which is what a server would make of `desired`, that Git does not know.
pub(super) fn injected(desired: &Value, result: &Value) -> Vec<String> {
    let mut found = Vec::new();
    containers(desired, result, "", &mut found);
    let sentence = |path: &String| format!("{path} is added by the cluster (a mutating policy or webhook)");
    found.iter().take(MOST).map(sentence).collect()
}

fn containers(desired: &Value, result: &Value, path: &str, found: &mut Vec<String>) {
    let (Value::Object(fields), Some(result)) = (desired, result.as_object()) else { return };
    for name in RUNS.iter().filter(|_| fields.contains_key("containers")) {
        let known: HashSet<&str> = names(fields.get(*name)).collect();
        let added = names(result.get(*name)).filter(|container| !known.contains(container));
        found.extend(added.map(|container| format!("{}[{container}]", field(path, name))));
    }
    for (name, value) in fields {
        if let Some(result) = result.get(name) {
            containers(value, result, &field(path, name), found);
        }
    }
}

fn names(items: Option<&Value>) -> impl Iterator<Item = &str> {
    items.and_then(Value::as_array).into_iter().flatten().filter_map(|item| item.get("name")?.as_str())
}

struct Look {
    hides: bool,
    left: usize,
    found: Vec<String>,
}

impl Look {
    fn walk(&mut self, desired: &Value, result: Option<&Value>, path: &str, hides: bool) {
        if self.found.len() > MOST || is_same(desired, result) {
            return;
        }
        match (desired, result) {
            (Value::Object(fields), Some(Value::Object(of))) => {
                for (name, value) in fields {
                    let hides = hides || FILLED.contains(&name.as_str());
                    self.walk(value, of.get(name), &field(path, name), hides);
                }
            }
            (Value::Array(items), Some(Value::Array(of))) => self.items(items, of, path, hides),
            _ => self.found.push(sentence(path, desired, result, hides)),
        }
    }

    fn items(&mut self, items: &[Value], of: &[Value], path: &str, hides: bool) {
        let name = |item: &Value| item.get("name").and_then(Value::as_str).map(str::to_owned);
        let by_name: HashMap<String, &Value> = of.iter().filter_map(|item| Some((name(item)?, item))).collect();
        let whole: HashSet<String> = of.iter().map(Value::to_string).collect();
        for (place, item) in items.iter().enumerate() {
            let named = name(item);
            let path = format!("{path}[{}]", named.clone().unwrap_or_else(|| place.to_string()));
            match named {
                _ if whole.contains(&item.to_string()) => {}
                // Of two ports of one name, which is which is not known.
                Some(named) if by_name.contains_key(&named) && is_once(items, &named) => {
                    self.walk(item, by_name.get(&named).copied(), &path, hides);
                }
                _ if items.len() == of.len() && of[place].is_object() == item.is_object() => {
                    self.walk(item, of.get(place), &path, hides);
                }
                _ if self.is_among(item, of) => {}
                _ => self.found.push(sentence(&path, item, None, hides)),
            }
        }
    }

    /// Whether any of the items has all that this one says. Where nobody has looked at them all it may be.
    fn is_among(&mut self, item: &Value, of: &[Value]) -> bool {
        for other in of {
            let Some(left) = self.left.checked_sub(1) else { return true };
            let mut look = Self { hides: self.hides, left, found: Vec::new() };
            look.walk(item, Some(other), "", true);
            self.left = look.left;
            if look.found.is_empty() {
                return true;
            }
        }
        false
    }
}

fn is_once(items: &[Value], name: &str) -> bool {
    items.len() > 200 || items.iter().filter(|item| item.get("name").is_some_and(|other| other == name)).count() == 1
}

/// Whether a server has kept what was said, in its own writing. What says nothing is left to its defaults.
fn is_same(desired: &Value, result: Option<&Value>) -> bool {
    match (desired, result) {
        (Value::Null, _) | (Value::Bool(false), None) => true,
        (Value::Object(fields), None) => fields.is_empty(),
        (Value::Array(items), None | Some(Value::Null)) => items.is_empty(),
        (Value::String(text), _) if text.is_empty() => true,
        (Value::Number(number), None) => number.as_f64() == Some(0.0),
        (_, Some(result)) if desired == result => true,
        (Value::Number(one), Some(Value::Number(other))) => one.as_f64() == other.as_f64(),
        (Value::String(_) | Value::Number(_), Some(Value::String(_) | Value::Number(_))) => {
            let (one, other) = (text(desired), text(result.unwrap_or(&Value::Null)));
            let bare = |text: &str| text.split_whitespace().collect::<String>();
            let amounts = Quantity::parse(&one).zip(Quantity::parse(&other));
            bare(&one) == bare(&other) || amounts.is_some_and(|(one, other)| one == other)
        }
        _ => false,
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn sentence(path: &str, desired: &Value, result: Option<&Value>, hides: bool) -> String {
    let shown = |value: &Value| match value {
        Value::Object(fields) if fields.is_empty() => Some("{}".to_owned()),
        Value::Object(_) | Value::Array(_) => None,
        Value::String(text) if text.chars().count() > LONGEST || text.contains('\n') => None,
        other => Some(text(other)),
    };
    let git = shown(desired).filter(|_| !hides);
    match (result, git) {
        (None, None) => format!("{path} is in Git, but the cluster removes it"),
        (None, Some(git)) => format!("{path} is {git} in Git, but the cluster removes it"),
        (Some(result), git) => match (shown(result).filter(|_| !hides), git) {
            (Some(result), Some(git)) => format!("{path} is {git} in Git, but the cluster sets it to {result}"),
            _ => format!("the cluster sets {path} to another value than Git"),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(desired: &Value, result: &Value) -> Vec<String> {
        let key = ObjectKey {
            group: "apps".into(),
            version: "v1".into(),
            kind: desired["kind"].as_str().unwrap_or("Deployment").into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        };
        overridden(&key, desired, result)
    }

    /// X1+: a field that a policy sets otherwise is named with both values.
    #[test]
    fn what_the_cluster_sets_otherwise_is_named() {
        let web = |replicas: u32, image: &str, env: &str| {
            json!({"metadata": {"labels": {"driftless.dev/app": "x"}}, "spec": {"replicas": replicas, "template":
                {"spec": {"containers": [{"name": "web", "image": image, "env": [{"name": "A", "value": env}]}]}}}})
        };
        let mut result = web(2, "mirror/a:1", "vault");
        result["spec"]["template"]["spec"]["containers"].as_array_mut().expect("a list").push(json!({"name": "proxy"}));
        result["metadata"]["labels"] = json!({});
        let said = [
            "metadata.labels[driftless.dev/app] is x in Git, but the cluster removes it",
            "spec.replicas is 5 in Git, but the cluster sets it to 2",
            "spec.template.spec.containers[web].image is a:1 in Git, but the cluster sets it to mirror/a:1",
            "the cluster sets spec.template.spec.containers[web].env[A].value to another value than Git",
        ];
        assert_eq!(of(&web(5, "a:1", "ref"), &result), said);
        let bare = overridden_fields(&web(5, "a:1", "ref"), &result).join("");
        assert!(
            bare.contains("the cluster sets spec.replicas to another value") && !bare.contains("mirror/a:1"),
            "{bare}"
        );
        assert_eq!(
            injected(&web(5, "a:1", "ref"), &result),
            ["spec.template.spec.containers[proxy] is added by the cluster (a mutating policy or webhook)"]
        );
        let secret = |value: &str| json!({"kind": "Secret", "data": {"k": value}});
        assert_eq!(of(&secret("YQ=="), &secret("Yg==")), ["the cluster sets data.k to another value than Git"]);
        assert_eq!(
            of(&json!({"spec": {"sel": {}}}), &json!({"spec": {"sel": null}})),
            ["spec.sel is {} in Git, but the cluster sets it to null"]
        );
    }

    /// X1+: what a server writes otherwise, fills in or adds is no other value.
    #[test]
    fn what_a_server_writes_in_its_own_way_is_the_same() {
        let desired = json!({"spec": {
            "limits": {"cpu": "1000m", "memory": "1024Mi", "more": 2}, "none": null, "empty": {}, "list": [], "off": false,
            "zero": 0, "blank": "", "apiGroup": "", "ca": "YWJj\nZGVm\n", "ratio": 1.0,
            "ports": [{"port": 80}], "tolerations": [{"key": "a"}], "finalizers": ["b", "a"],
            "twice": [{"name": "x", "protocol": "TCP"}, {"name": "x", "protocol": "UDP"}]},
            "stringData": {"a": "b"}});
        let result = json!({"spec": {
            "limits": {"cpu": "1", "memory": "1Gi", "more": "2"}, "apiGroup": "x.io", "blank": "Always", "ca": "YWJjZGVm",
            "ratio": 1, "ports": [{"port": 80, "protocol": "TCP"}], "tolerations": [{"key": "b"}, {"key": "a", "op": "x"}],
            "finalizers": ["a", "b", "c"],
            "twice": [{"name": "x", "protocol": "TCP", "more": 1}, {"name": "x", "protocol": "UDP", "more": 1}]},
            "data": {"a": "Yg=="}});
        assert_eq!(of(&desired, &result), Vec::<String>::new());
    }
}
