//! Values that another manager left inside fields of the app, so that the API server rejects both together: a Service
//! port under another number, or the value of a variable that now comes from a Secret. A heal takes them over, as it
//! does with fields of client-side apply, and the next apply drops them. The same applies to defaults that nobody owns
//! and that exclude a new field, such as the numbers of a rolling update beside `Recreate`.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::change::{Cause, Conflict};
use super::keyed::children;
use super::managed::{merge, writers};
use super::overlay::overlay;
use super::paths::{drop_value, has, put, shown, take};

/// What is in the way, and how it goes.
pub struct Leftover {
    /// Whose it is.
    pub held: Vec<Conflict>,
    /// The JSON patch that makes it ours. It holds for the version of the object that was read.
    pub takes: Value,
    /// The JSON patch to the object as a heal leaves it, to be asked about by a dry-run.
    pub heals: Value,
}

/// Looks for it by what the server refused. None where nothing of the kind is there.
pub fn leftover(live: &Value, desired: &Value, causes: &[Cause], manager: &str) -> Option<Leftover> {
    let version = live.pointer("/metadata/resourceVersion")?.clone();
    let is_ours = |entry: &Value| entry["manager"] == manager && entry["operation"] == "Apply";
    let mut taken = Value::Object(Map::new());
    let mut entries = Vec::new();
    let mut held = Vec::new();
    let mut without = live.clone();
    let foreign = |entry: &Value| entry["operation"] == "Update" && writers(live).any(|writer| writer == entry);
    for entry in live.pointer("/metadata/managedFields")?.as_array()? {
        let mut entry = entry.clone();
        let mut paths = Vec::new();
        if foreign(&entry) {
            for cause in causes.iter().filter_map(Wanted::of) {
                find(&entry["fieldsV1"], Some(live), Some(desired), &cause, &mut Vec::new(), &mut paths);
            }
        }
        for path in paths {
            let Some(below) = take(&mut entry["fieldsV1"], &path) else { continue };
            put(&mut taken, &path, below);
            drop_value(&mut without, &path);
            let name = entry["manager"].as_str().unwrap_or("unknown").to_owned();
            held.push(Conflict { field: shown(&path), manager: name });
        }
        entries.push(entry);
    }
    let all: Vec<&Value> = entries.iter().map(|entry| &entry["fieldsV1"]).collect();
    let ours = entries
        .iter()
        .find(|entry| is_ours(entry) && entry.get("subresource").is_none())
        .map(|entry| &entry["fieldsV1"]);
    let mut defaults = Vec::new();
    for cause in causes.iter().filter_map(Wanted::of).filter(|cause| cause.twice.is_none()) {
        find_defaults(ours, live, desired, &cause, &mut Vec::new(), &mut defaults);
    }
    for path in defaults.into_iter().filter(|path| !all.iter().any(|fields| has(fields, path))) {
        put(&mut taken, &path, json!({}));
        drop_value(&mut without, &path);
    }
    if taken.as_object().is_none_or(Map::is_empty) {
        return None;
    }
    match entries.iter_mut().find(|entry| is_ours(entry) && entry.get("subresource").is_none()) {
        Some(ours) => merge(&mut ours["fieldsV1"], &taken),
        None => return None,
    }
    let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": version});
    let takes = json!([test, {"op": "replace", "path": "/metadata/managedFields", "value": entries}]);
    Some(Leftover { held, takes, heals: heals(&without, desired, test) })
}

/// The parts that a manifest may set, as they are once the leftover is gone.
pub(super) fn heals(without: &Value, desired: &Value, test: Value) -> Value {
    let healed = overlay(without, desired);
    let mut operations = vec![test];
    for (name, value) in healed.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
            operations.push(json!({"op": "add", "path": format!("/{name}"), "value": value}));
        }
    }
    for field in ["labels", "annotations"] {
        if let Some(value) = healed.pointer(&format!("/metadata/{field}")) {
            operations.push(json!({"op": "add", "path": format!("/metadata/{field}"), "value": value}));
        }
    }
    Value::Array(operations)
}

/// What a refusal is about.
struct Wanted {
    /// The names on the way to the field, without the places in lists: those are of the object that was refused, which
    /// nobody has seen.
    names: Vec<String>,
    /// The value that is there twice.
    twice: Option<Value>,
    /// Whether the field may not be there beside another one.
    forbids: bool,
    message: String,
}

impl Wanted {
    fn of(cause: &Cause) -> Option<Self> {
        const TWICE: &str = "Duplicate value: ";
        let field = cause.field.as_deref()?;
        let names =
            field.trim_start_matches('.').split('.').map(|name| name.split('[').next().unwrap_or_default().to_owned());
        let twice = cause.message.split_once(TWICE).map(|(_, value)| {
            let value = value.trim();
            serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))
        });
        Some(Self {
            names: names.collect(),
            twice,
            forbids: cause.message.starts_with("Forbidden: "),
            message: cause.message.clone(),
        })
    }

    /// Whether a field beside the refused one, or that field, is what it is refused for: it is named, or one of several
    /// of which there may be one, such as a probe's handlers or a volume's sources. Those are objects. What else
    /// somebody has set beside it is in nobody's way.
    fn is_about(&self, field: &str, value: &Value) -> bool {
        if self.twice.is_some() {
            return false;
        }
        let is_named = || {
            let is_of_a_name = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
            self.message.split(|letter| !is_of_a_name(letter)).any(|word| word == field)
        };
        let is_one_of = || self.message.contains("more than 1 ") && value.is_object();
        self.names.last().is_some_and(|name| name == field) || is_one_of() || is_named()
    }
}

/// Collects the paths, in a manager's set of fields, of what is in the way of `desired`.
fn find(
    fields: &Value,
    live: Option<&Value>,
    desired: Option<&Value>,
    wanted: &Wanted,
    path: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) {
    let depth = path.iter().filter(|step| step.starts_with("f:")).count();
    let (Some(name), Some(fields)) = (wanted.names.get(depth), fields.as_object()) else { return };
    let [their_items, own_items] =
        [live, desired].map(|list| list.filter(|list| list.is_array()).map(|list| children(fields, list)));
    for (key, below) in fields {
        path.push(key.clone());
        if let Some(field) = key.strip_prefix("f:") {
            let is_last = depth + 1 == wanted.names.len();
            let (own, theirs) = (desired.and_then(|value| value.get(field)), live.and_then(|value| value.get(field)));
            let is_beside = is_last && own.is_none() && desired.is_some_and(Value::is_object);
            if is_beside && theirs.is_some_and(|theirs| wanted.is_about(field, theirs)) {
                found.push(path.clone());
            } else if field == name {
                find(below, theirs, own, wanted, path, found);
            }
        } else if key.starts_with("k:") {
            let [theirs, own] = [&their_items, &own_items]
                .map(|items| items.as_ref().and_then(|items| items.get(key.as_str()).copied()));
            match (theirs, own) {
                (Some(theirs), None) => {
                    let rest = &wanted.names[depth..];
                    let same = rest.iter().try_fold(theirs, |value, name| value.get(name));
                    if wanted.twice.is_some() && same == wanted.twice.as_ref() {
                        found.push(path.clone());
                    }
                }
                (theirs, own) => find(below, theirs, own, wanted, path, found),
            }
        }
        path.pop();
    }
}

/// Collects the paths of fields that are live and not in `desired`, in the objects that a refusal names: the field
/// itself, or those beside one that is wanted. `ours` is our own set of fields, which knows what tells the items of a
/// list apart.
fn find_defaults(
    ours: Option<&Value>,
    live: &Value,
    desired: &Value,
    wanted: &Wanted,
    path: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) {
    let depth = path.iter().filter(|step| step.starts_with("f:")).count();
    let (Some(name), Some(theirs), Some(own)) = (wanted.names.get(depth), live.as_object(), desired.as_object()) else {
        return;
    };
    if depth + 1 < wanted.names.len() {
        let (Some(live), Some(desired)) = (theirs.get(name), own.get(name)) else { return };
        let field = format!("f:{name}");
        let ours = ours.and_then(|ours| ours.get(&field));
        path.push(field);
        if desired.is_object() {
            find_defaults(ours, live, desired, wanted, path, found);
        }
        let Some(ours) = ours.and_then(Value::as_object) else {
            path.pop();
            return;
        };
        let [live, desired] =
            [live, desired].map(|list| if list.is_array() { children(ours, list) } else { HashMap::new() });
        for (key, below) in ours {
            let (Some(live), Some(desired)) = (live.get(key.as_str()), desired.get(key.as_str())) else { continue };
            path.push(key.clone());
            find_defaults(Some(below), live, desired, wanted, path, found);
            path.pop();
        }
        path.pop();
        return;
    }
    let is_in_the_way = |field: &String| if own.contains_key(name) { wanted.forbids } else { field == name };
    for field in theirs.keys().filter(|field| !own.contains_key(*field) && is_in_the_way(field)) {
        found.push([path.as_slice(), &[format!("f:{field}")]].concat());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(field: &str, message: &str) -> Cause {
        Cause { field: Some(field.to_owned()), message: message.to_owned() }
    }

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": fields})
    }

    /// B6, case 03: the number of a named port was changed by hand.
    #[test]
    fn a_port_under_another_number_is_taken_over() {
        let live = json!({"metadata": {"name": "web", "resourceVersion": "7", "managedFields": [
                entry("driftless", "Apply", &json!({"f:spec": {"f:selector": {}}})),
                entry("kubectl-edit", "Update", &json!({"f:spec": {"f:ports": {
                    "k:{\"port\":8099,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}},
                    "k:{\"port\":9,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}}}}})),
            ]},
            "spec": {"selector": {"app": "web"}, "clusterIP": "10.0.0.1", "ports": [
                {"name": "http", "port": 8099, "protocol": "TCP"}, {"name": "more", "port": 9, "protocol": "TCP"}]}});
        let desired = json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80}]}});
        let found = leftover(&live, &desired, &[cause("spec.ports[1].name", "Duplicate value: \"http\"")], "driftless")
            .expect("found");
        assert_eq!(
            found.held,
            [Conflict { field: ".spec.ports[port=8099,protocol=\"TCP\"]".into(), manager: "kubectl-edit".into() }]
        );
        let entries = &found.takes[1]["value"];
        assert!(entries[0].pointer("/fieldsV1/f:spec/f:ports").is_some(), "{entries}");
        assert_eq!(
            entries[1].pointer("/fieldsV1/f:spec/f:ports").and_then(Value::as_object).map(Map::len),
            Some(1),
            "what else is theirs stays"
        );
        let spec = found
            .heals
            .as_array()
            .expect("operations")
            .iter()
            .find(|operation| operation["path"] == "/spec")
            .expect("the spec");
        assert_eq!(spec["value"]["clusterIP"], "10.0.0.1");
        assert!(
            leftover(&live, &desired, &[cause("spec.ports[1].name", "Duplicate value: \"other\"")], "driftless")
                .is_none()
        );
    }

    /// B6+: a default that nobody owns is in the way of what excludes it.
    #[test]
    fn the_default_of_the_other_choice_is_taken_over() {
        let live = json!({"metadata": {"resourceVersion": "7", "managedFields": [
                entry("driftless", "Apply", &json!({"f:spec": {"f:replicas": {},
                    "f:volumes": {"k:{\"name\":\"v\"}": {".": {}, "f:name": {}}}}})),
            ]},
            "spec": {"replicas": 1, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
            "volumes": [{"name": "v", "emptyDir": {}}]}});
        let desired = json!({"spec": {"replicas": 1, "strategy": {"type": "Recreate"}, "volumes": [{"name": "v",
            "configMap": {"name": "c"}}]}});
        let causes = [
            cause("spec.strategy.rollingUpdate", "Forbidden: may not be specified when strategy `type` is 'Recreate'"),
            cause("spec.volumes[0].configMap", "Forbidden: may not specify more than 1 volume type"),
        ];
        let found = leftover(&live, &desired, &causes, "driftless").expect("found");
        assert!(found.held.is_empty(), "it is nobody's");
        assert_eq!(found.heals[1]["value"], desired["spec"]);
        let ours = &found.takes[1]["value"][0]["fieldsV1"]["f:spec"];
        assert_eq!(ours["f:strategy"], json!({"f:rollingUpdate": {}}));
        assert_eq!(ours["f:volumes"]["k:{\"name\":\"v\"}"], json!({".": {}, "f:name": {}, "f:emptyDir": {}}));
        // What somebody owns is no default, and what may be beside it is not in the way.
        let mut others = live.clone();
        let apply = entry("x", "Apply", &json!({"f:spec": {"f:strategy": {"f:rollingUpdate": {"f:maxSurge": {}}}}}));
        others["metadata"]["managedFields"].as_array_mut().expect("entries").push(apply);
        assert!(leftover(&others, &desired, &causes[..1], "driftless").is_none());
        let range = [cause("spec.volumes[0].configMap", "Invalid value: \"\": no")];
        assert!(leftover(&live, &desired, &range, "driftless").is_none());
    }

    /// B6+: a probe has one handler, and the numbers that others have set on it are in nobody's way.
    #[test]
    fn what_is_only_beside_the_refused_field_stays() {
        let item = |probe: Value| json!({"spec": {"containers": [{"name": "main", "livenessProbe": probe}]}});
        let mut live =
            item(json!({"httpGet": {"port": 8080}, "initialDelaySeconds": 60, "terminationGracePeriodSeconds": 77}));
        let fields = json!({"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {"f:livenessProbe": {
            "f:httpGet": {"f:port": {}}, "f:initialDelaySeconds": {}, "f:terminationGracePeriodSeconds": {}}}}}});
        live["metadata"] = json!({"resourceVersion": "7", "managedFields": [entry("team-b", "Update", &fields),
            entry("driftless", "Apply", &json!({}))]});
        let desired = item(json!({"tcpSocket": {"port": 8080}}));
        let causes = [cause(
            "spec.containers[0].livenessProbe.tcpSocket",
            "Forbidden: may not specify more than 1 handler type",
        )];
        let found = leftover(&live, &desired, &causes, "driftless").expect("found");
        let held: Vec<_> = found.held.iter().map(|held| held.field.as_str()).collect();
        assert_eq!(held, [".spec.containers[name=\"main\"].livenessProbe.httpGet"]);
        let healed = &found.heals[1]["value"]["containers"][0]["livenessProbe"];
        assert_eq!((&healed["initialDelaySeconds"], &healed["httpGet"]), (&json!(60), &Value::Null));
    }

    /// B6, case 05: a variable that comes from a Secret by now, and has a value that somebody else set.
    #[test]
    fn a_value_beside_a_reference_is_taken_over() {
        let item = |more: Value| json!({"spec": {"containers": [{"name": "main", "env": [more]}]}});
        let mut live = item(json!({"name": "PASSWORD", "value": "by hand"}));
        let fields = json!({"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {"f:env": {"k:{\"name\":\"PASSWORD\"}": {"f:value": {}}}}}}});
        live["metadata"] = json!({"resourceVersion": "7", "managedFields": [entry("kubectl", "Update", &fields),
            entry("driftless", "Apply", &json!({}))]});
        let desired =
            item(json!({"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}));
        let causes = [cause(
            "spec.containers[0].env[0].valueFrom",
            "Invalid value: \"\": may not be specified when `value` is not empty",
        )];
        let found = leftover(&live, &desired, &causes, "driftless").expect("found");
        assert_eq!(found.held[0].manager, "kubectl");
        assert_eq!(found.heals[1]["value"], desired["spec"]);
        let mut ours = live.clone();
        ours["metadata"]["managedFields"][0]["operation"] = json!("Apply");
        assert!(leftover(&ours, &desired, &causes, "driftless").is_none(), "another tool's apply is no leftover");
    }
}
