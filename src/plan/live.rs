//! Fields of a change whose live value differs from Git: a reader of `3 → 4` should know that the cluster has 7.

use serde_json::Value;

use super::managed::{self, Step};
use crate::manifest::ObjectKey;
use crate::redact::holds_secrets;

/// How much of a value is shown.
const LONGEST: usize = 60;
/// How many fields are named.
const MOST: usize = 10;

/// One sentence for each such field of an object of ours. `before` is what Git makes of it now, `after` what the change
/// would.
pub(super) fn differences(key: &ObjectKey, live: &Value, before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let look = Look { live, hides_values: holds_secrets(key, live) || holds_secrets(key, after) };
    for part in ["spec", "data", "binaryData", "rules", "webhooks", "roleRef", "subjects"] {
        let sides = Lenses { live: live.get(part), before: before.get(part), after: after.get(part) };
        look.walk(sides, part, &mut vec![Step::Field(part)], &mut found);
    }
    found.truncate(MOST);
    found
}

#[derive(Clone, Copy)]
struct Lenses<'a> {
    live: Option<&'a Value>,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
}

impl<'a> Lenses<'a> {
    fn map(self, get: impl Fn(&'a Value) -> Option<&'a Value>) -> Self {
        Self { live: self.live.and_then(&get), before: self.before.and_then(&get), after: self.after.and_then(&get) }
    }
}

struct Look<'a> {
    live: &'a Value,
    hides_values: bool,
}

impl Look<'_> {
    fn walk<'a>(&self, sides: Lenses<'a>, path: &str, steps: &mut Vec<Step<'a>>, found: &mut Vec<String>) {
        if sides.before == sides.after || sides.live == sides.after || found.len() >= MOST {
            return;
        }
        if self.is_as_in_git(sides.live, sides.before, steps) {
            return;
        }
        match (sides.before, sides.after) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                for name in before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))) {
                    steps.push(Step::Field(name));
                    self.walk(sides.map(|side| side.get(name)), &format!("{path}.{name}"), steps, found);
                    steps.pop();
                }
            }
            (Some(Value::Array(before)), Some(Value::Array(_))) => {
                for item in before {
                    let Some(name) = item.get("name").filter(|name| name.is_string()) else { continue };
                    let same = |side: &'a Value| side.as_array()?.iter().find(|item| item.get("name") == Some(name));
                    steps.push(Step::Item(item));
                    self.walk(sides.map(same), &format!("{path}[{}]", name.as_str().unwrap_or_default()), steps, found);
                    steps.pop();
                }
            }
            _ if self.is_default(sides, steps) => {}
            _ => found.push(self.sentence(sides, path, steps)),
        }
    }

    /// What the server has set by itself: nobody else has, and Git leaves it to the server.
    fn is_default(&self, sides: Lenses<'_>, steps: &[Step<'_>]) -> bool {
        sides.before.is_none() && sides.live.is_some() && !managed::is_set(self.live, steps)
    }

    /// Whether a value is what Git has, apart from what the server has added within it.
    fn is_as_in_git<'a>(&self, live: Option<&'a Value>, before: Option<&'a Value>, steps: &mut Vec<Step<'a>>) -> bool {
        match (live, before) {
            (Some(Value::Object(live)), Some(Value::Object(before))) => {
                let has_all = before.keys().all(|name| live.contains_key(name));
                has_all
                    && live.iter().all(|(name, value)| {
                        steps.push(Step::Field(name));
                        let is_same = match before.get(name) {
                            Some(before) => self.is_as_in_git(Some(value), Some(before), steps),
                            None => !managed::is_set(self.live, steps),
                        };
                        steps.pop();
                        is_same
                    })
            }
            (Some(Value::Array(live)), Some(Value::Array(before))) => {
                live.len() == before.len()
                    && live.iter().zip(before).all(|(live, before)| {
                        steps.push(Step::Item(live));
                        let is_same = self.is_as_in_git(Some(live), Some(before), steps);
                        steps.pop();
                        is_same
                    })
            }
            (live, before) => live == before,
        }
    }

    fn sentence(&self, sides: Lenses<'_>, path: &str, steps: &[Step<'_>]) -> String {
        let by = managed::holders(self.live, steps)
            .into_iter()
            .next()
            .map(|(manager, _)| format!(" (set by {manager})"))
            .unwrap_or_default();
        if self.hides_values {
            return format!("{path} has another value in the cluster{by} than in Git");
        }
        let [live, before, after] = [sides.live, sides.before, sides.after].map(show);
        let effect = effect(path, sides).map(|effect| format!(": {effect}")).unwrap_or_default();
        format!("{path} is {live} in the cluster{by}, {before} in Git, and {after} with this change{effect}")
    }
}

/// What happens to the number of pods, which is not what Git's two values look like.
fn effect(path: &str, sides: Lenses<'_>) -> Option<&'static str> {
    let number = |value: Option<&Value>| value.and_then(Value::as_i64);
    let (live, after) = (number(sides.live)?, number(sides.after)?);
    path.ends_with("eplicas").then_some(if after < live { "scales down" } else { "scales up" })
}

fn show(value: Option<&Value>) -> String {
    match value {
        None => "not set".to_owned(),
        Some(Value::Object(_) | Value::Array(_)) => "another value".to_owned(),
        Some(Value::String(text)) if text.chars().count() > LONGEST || text.contains('\n') => "another text".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(kind: &str) -> ObjectKey {
        let group = if kind == "Deployment" { "apps" } else { "" };
        ObjectKey {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        }
    }

    fn web(replicas: u32, image: &str) -> Value {
        json!({"metadata": {"managedFields": [{"manager": "kubectl", "subresource": "scale",
            "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
            "spec": {"replicas": replicas, "containers": [{"name": "web", "image": image}]}})
    }

    /// P2: live 7, Git 3, change 4.
    #[test]
    fn all_three_values_are_said() {
        let said = differences(&key("Deployment"), &web(7, "a:1"), &web(3, "a:1"), &web(4, "a:2"));
        insta::assert_snapshot!(said.join("\n"), @"spec.replicas is 7 in the cluster (set by kubectl), 3 in Git, and 4 with this change: scales down");
        let edited = differences(&key("Deployment"), &web(3, "a:9"), &web(3, "a:1"), &web(3, "a:2"));
        insta::assert_snapshot!(edited.join("\n"),
            @"spec.containers[web].image is a:9 in the cluster, a:1 in Git, and a:2 with this change");
        assert!(
            differences(&key("Deployment"), &web(3, "a:1"), &web(3, "a:1"), &web(4, "a:2")).is_empty(),
            "nothing has drifted"
        );
        assert!(
            differences(&key("Deployment"), &web(4, "a:1"), &web(3, "a:1"), &web(4, "a:1")).is_empty(),
            "it is as wanted already"
        );
        assert!(
            differences(&key("Deployment"), &web(7, "a:1"), &web(3, "a:1"), &web(3, "a:2")).is_empty(),
            "the change does not touch it"
        );
    }

    /// P2+: what Git leaves to the server is no difference, whoever is shown a manifest instead of the server's answer.
    #[test]
    fn a_default_of_the_server_is_no_difference() {
        let live = |held: Value| {
            json!({"metadata": {"managedFields": [{"manager": "driftless", "fieldsV1": {"f:spec": held}}]},
                "spec": {"replicas": 1, "strategy": {"type": "RollingUpdate"}}})
        };
        let (before, after) =
            (json!({"spec": {"replicas": 1}}), json!({"spec": {"replicas": 1, "strategy": {"type": "Recreate"}}}));
        let said = |held: Value| differences(&key("Deployment"), &live(held), &before, &after);
        assert_eq!(said(json!({"f:replicas": {}})), [] as [&str; 0]);
        let set = said(json!({"f:strategy": {"f:type": {}}}));
        assert_eq!(set.len(), 1, "somebody has set it");
    }

    /// P2+: what the server adds within what Git sets is no difference either, whether that goes or was empty.
    #[test]
    fn a_default_within_what_git_sets_is_no_difference() {
        let live = |more: Value| {
            json!({"metadata": {"managedFields": [{"manager": "driftless", "operation": "Apply", "fieldsV1": {"f:spec":
                {"f:probe": {"f:httpGet": {"f:path": {}}}, "f:strategy": {}}}}, more]},
                "spec": {"probe": {"httpGet": {"path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1},
                "strategy": {"type": "RollingUpdate"}}})
        };
        let before = json!({"spec": {"probe": {"httpGet": {"path": "/"}}, "strategy": {}}});
        let after = json!({"spec": {"strategy": {"type": "Recreate"}}});
        let said = |more: Value| differences(&key("Deployment"), &live(more), &before, &after);
        assert_eq!(said(json!({})), [] as [&str; 0]);
        let by = |fields: Value| json!({"manager": "edit", "operation": "Update", "fieldsV1": {"f:spec": fields}});
        assert_eq!(said(by(json!({"f:probe": {"f:timeoutSeconds": {}}}))).len(), 1, "somebody has set it");
        assert_eq!(said(by(json!({"f:strategy": {"f:type": {}}}))).len(), 1);
    }

    #[test]
    fn a_secrets_values_are_not_said() {
        let secret = |pin: &str| json!({"data": {"pin": pin}});
        let said = differences(&key("Secret"), &secret("MTExMQ=="), &secret("MjIyMg=="), &secret("MzMzMw=="));
        assert_eq!(said, ["data.pin has another value in the cluster than in Git"]);
    }
}
