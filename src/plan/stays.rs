//! Fields that a change removes from Git and an apply leaves in the cluster, because another manager has set them too.
//! Only paths. Pure.

use serde_json::Value;

use super::drifted::is_ours;
use super::dropped::step;
use super::keyed::children;
use super::managed::entries;
use super::overlay::overlay;
use super::prepare::PreparedObject;

/// The most that is named of one object.
const MOST: usize = 10;
/// It writes its own notes on what it controls.
const CONTROLLERS: &str = "kube-controller-manager";

/// A sentence for each field that we held in `before`, that is no longer wanted, and that is there `after` an apply.
pub(super) fn stays(before: &Value, after: &Value, wanted: &PreparedObject) -> Vec<String> {
    // What is left to others on purpose is in Git.
    let wanted = overlay(&wanted.manifest, &wanted.desired.object);
    let ours = entries(before).iter().filter(|entry| is_ours(entry));
    let others: Vec<Held<'_>> = others(after).map(|(manager, fields)| Held { manager, fields }).collect();
    let mut found = Vec::new();
    for entry in ours {
        walk(&entry["fieldsV1"], &others, after, Some(&wanted), "", &mut found);
    }
    found.truncate(MOST);
    found
}

/// Whether `after` has anything that others hold and is not wanted: only then has it to be known what was ours before.
pub fn may_stay(after: &Value, wanted: &PreparedObject) -> bool {
    let wanted = overlay(&wanted.manifest, &wanted.desired.object);
    others(after).filter(|(manager, _)| *manager != CONTROLLERS).any(|(manager, fields)| {
        let mut found = Vec::new();
        walk(fields, &[Held { manager, fields }], after, Some(&wanted), "", &mut found);
        !found.is_empty()
    })
}

#[derive(Clone, Copy)]
struct Held<'a> {
    manager: &'a str,
    fields: &'a Value,
}

fn others(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let others = entries(object).iter().filter(|entry| !is_ours(entry) && entry["subresource"] != "status");
    others.map(|entry| (entry["manager"].as_str().unwrap_or("another manager"), &entry["fieldsV1"]))
}

fn walk(
    fields: &Value,
    others: &[Held<'_>],
    after: &Value,
    wanted: Option<&Value>,
    path: &str,
    found: &mut Vec<String>,
) {
    let Some(fields) = fields.as_object() else { return };
    let there = children(fields, after);
    let of_wanted = wanted.map(|wanted| children(fields, wanted)).unwrap_or_default();
    for (key, below) in fields {
        let Some(step) = key.split_once(':').and_then(|(kind, name)| step(kind, name)) else { continue };
        let Some(after) = there.get(key.as_str()).copied() else { continue };
        let theirs: Vec<Held<'_>> =
            others.iter().filter_map(|other| Some(Held { fields: other.fields.get(key)?, ..*other })).collect();
        if theirs.is_empty() {
            continue;
        }
        let path = step.path(path);
        let wanted = of_wanted.get(key.as_str()).copied();
        let is_whole =
            |fields: &Value| fields.get(".").is_some() || fields.as_object().is_none_or(serde_json::Map::is_empty);
        if wanted.is_none() && is_whole(below) && theirs.iter().any(|other| is_whole(other.fields)) {
            let managers: Vec<&str> = theirs.iter().map(|other| other.manager).collect();
            found.push(format!(
                "{path} is no longer in Git, but stays in the cluster: it is also set by {}",
                managers.join(", ")
            ));
        } else {
            walk(below, &theirs, after, wanted, &path, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::ObjectKey;
    use crate::plan::Desired;

    fn object(ours: &Value) -> Value {
        let env = |fields: &Value| json!({"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {"f:env": fields}}}});
        let item = json!({".": {}, "f:name": {}, "f:value": {}});
        let mut own = env(ours);
        own["f:metadata"] = json!({"f:annotations": {"f:driftless.dev/owner": {}}});
        json!({"metadata": {"managedFields": [
                {"manager": "driftless", "operation": "Apply", "fieldsV1": own},
                {"manager": "team-b", "operation": "Apply", "fieldsV1": env(&json!({"k:{\"name\":\"A\"}": item}))}]},
            "spec": {"containers": [{"name": "web", "env": [{"name": "A", "value": "1"}, {"name": "B",
            "value": "2"}]}]}})
    }

    /// P4+: a field that another manager has set too is named, and one that goes is not.
    #[test]
    fn what_others_hold_as_well_is_named() {
        let item = json!({".": {}, "f:name": {}, "f:value": {}});
        let before = object(&json!({"k:{\"name\":\"A\"}": item, "k:{\"name\":\"B\"}": item}));
        let manifest = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
            "spec": {"containers": [{"name": "web", "env": []}]}});
        let wanted = PreparedObject {
            key: ObjectKey::of(&manifest).expect("a name"),
            desired: Desired { object: manifest.clone(), hash: String::new() },
            manifest,
            origin: None,
            notes: Vec::new(),
            replace: false,
        };
        let after = object(&json!({}));
        let said =
            "spec.containers[web].env[A] is no longer in Git, but stays in the cluster: it is also set by team-b";
        assert_eq!(stays(&before, &after, &wanted), [said]);
        assert!(may_stay(&after, &wanted));
        assert!(stays(&after, &after, &wanted).is_empty(), "it never was in Git");
    }
}
