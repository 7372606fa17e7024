//! Fields that a take-over deletes: client-side apply has set them, and the manifest does not contain them. Only the
//! paths are shown, because the values belong to somebody else.

use serde_json::Value;

use super::adopt::{applied_fields, is_client_side};
use super::diff::field;
use super::keyed::children;
use super::managed::entries;
use super::normalise::LAST_APPLIED;

/// The most paths that are named.
const MOST: usize = 20;

/// The paths that go when `live` becomes ours and `manifest` is applied, as far as somebody has set them: what the
/// server has set by itself it sets again. What another manager owns as well stays, and is not among them; nor is what
/// the manifest sets, as that would tell whether a guess at a value is right.
pub(super) fn dropped(live: &Value, manifest: &Value) -> Vec<String> {
    let others: Vec<&Value> =
        entries(live).iter().filter(|entry| !is_client_side(entry)).map(|entry| &entry["fieldsV1"]).collect();
    let mut found = Vec::new();
    walk(&applied_fields(live), &others, live, Some(manifest), "", &mut found);
    let more = found.len().saturating_sub(MOST);
    found.truncate(MOST);
    if more > 0 {
        found.push(format!("{more} more"));
    }
    found
}

fn walk(
    fields: &Value,
    others: &[&Value],
    live: &Value,
    manifest: Option<&Value>,
    path: &str,
    found: &mut Vec<String>,
) {
    let Some(fields) = fields.as_object() else { return };
    let there = children(fields, live);
    let of_manifest = manifest.map(|manifest| children(fields, manifest)).unwrap_or_default();
    for (key, below) in fields {
        let Some((kind, name)) = key.split_once(':') else { continue };
        let Some(step) = step(kind, name) else { continue };
        let Some(live) = there.get(key.as_str()).copied() else { continue };
        let path = step.path(path);
        if path.contains(LAST_APPLIED) {
            continue;
        }
        let theirs: Vec<&Value> = others.iter().filter_map(|other| other.get(key)).collect();
        match of_manifest.get(key.as_str()).copied() {
            Some(manifest) => walk(below, &theirs, live, Some(manifest), &path, found),
            None if theirs.is_empty() => found.push(path),
            // A part of it may be another manager's.
            None => walk(below, &theirs, live, None, &path, found),
        }
    }
}

/// One step of a path in managedFields.
pub(super) enum Step {
    Field(String),
    /// An item of a list, by its keys.
    Item(Value),
    /// An item of a set, whose value is not ours to show.
    Member,
}

pub(super) fn step(kind: &str, name: &str) -> Option<Step> {
    match kind {
        "f" => Some(Step::Field(name.to_owned())),
        "k" => serde_json::from_str(name).ok().map(Step::Item),
        "v" => Some(Step::Member),
        _ => None,
    }
}

impl Step {
    pub(super) fn path(&self, path: &str) -> String {
        match self {
            Self::Field(name) => field(path, name),
            Self::Item(keys) => {
                let named = keys.get("name").or_else(|| keys.as_object()?.values().next());
                let name =
                    named.map(|name| name.as_str().map_or_else(|| name.to_string(), str::to_owned)).unwrap_or_default();
                format!("{path}[{name}]")
            }
            Self::Member => format!("{path}[one item]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What was applied: all but a default and a sidecar.
    fn applied() -> String {
        let mut applied = live_with("");
        applied["metadata"] = json!({"name": "web", "annotations": {"team": "x"}});
        let container = &mut applied["spec"]["template"]["spec"]["containers"];
        container.as_array_mut().expect("containers").truncate(1);
        container[0].as_object_mut().expect("a container").shift_remove("imagePullPolicy");
        applied["spec"].as_object_mut().expect("a spec").shift_remove("strategy");
        applied.to_string()
    }

    fn live() -> Value {
        live_with(&applied())
    }

    fn live_with(annotation: &str) -> Value {
        json!({
            "metadata": {"name": "web", "annotations": {LAST_APPLIED: annotation, "team": "x"}, "managedFields": [
                {"manager": "kubectl-client-side-apply", "operation": "Update", "fieldsV1": {
                    "f:metadata": {"f:annotations": {".": {}, format!("f:{LAST_APPLIED}"): {}, "f:team": {}}},
                    "f:spec": {"f:replicas": {}, "f:paused": {}, "f:strategy": {"f:rollingUpdate": {".": {},
                    "f:maxSurge": {}}, "f:type": {}},
                        "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"proxy\"}": {".": {}, "f:name": {},
                        "f:image": {}},
                        "k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}, "f:imagePullPolicy": {},
                        "f:env": {".": {}, "k:{\"name\":\"KEEP\"}": {".": {}, "f:name": {}, "f:value": {}},
                        "k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}},
                        "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {},
                        "f:containerPort": {}}}}}}}},
                }},
                {"manager": "hpa", "operation": "Update", "fieldsV1": {"f:spec": {"f:paused": {}}}},
            ]},
            "spec": {"replicas": 5, "paused": false, "strategy": {"type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1}},
                "template": {"spec": {"containers": [{"name": "web", "image": "secret-image",
                "imagePullPolicy": "Always",
                "env": [{"name": "KEEP", "value": "hunter2"}, {"name": "A", "value": "1"}],
                "ports": [{"containerPort": 80, "protocol": "TCP"}]},
                {"name": "proxy", "image": "p"}]}}},
        })
    }

    /// B3: what an adoption drops is named, and nothing of it shown. B3+: no default of the server is named, and what a
    /// webhook has put beside it is.
    #[test]
    fn what_the_manifest_leaves_out_is_named_by_its_path() {
        let manifest = json!({"metadata": {"name": "web"}, "spec": {"template": {"spec": {"containers": [
            {"name": "web", "image": "other", "env": [{"name": "A", "value": "2"}],
                "ports": [{"containerPort": 80}]}]}}}});
        let found = dropped(&live(), &manifest);
        let containers = "spec.template.spec.containers";
        assert_eq!(
            found,
            [
                "metadata.annotations",
                "spec.replicas",
                &format!("{containers}[proxy]"),
                &format!("{containers}[web].env[KEEP]")
            ]
        );
        let mut as_applied = manifest.clone();
        as_applied["metadata"]["annotations"] = json!({"team": "x"});
        as_applied["spec"]["replicas"] = json!(5);
        as_applied["spec"]["template"]["spec"]["containers"][0]["env"] =
            live()["spec"]["template"]["spec"]["containers"][0]["env"].clone();
        assert_eq!(dropped(&live(), &as_applied), [format!("{containers}[proxy]")]);
    }

    #[test]
    fn nothing_is_dropped_that_client_side_apply_did_not_set() {
        let mut live = live();
        live["metadata"]["managedFields"][0]["manager"] = json!("kubectl-create");
        assert!(dropped(&live, &json!({})).is_empty());
    }
}
