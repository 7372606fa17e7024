//! Fields that `ignoreDifferences` leaves to others: Git sets them until another manager does, and that manager owns
//! them from then on.

use serde_json::Value;

use super::managed::{Step, holders};
use super::prepare::PreparedObject;
use crate::app::IgnoreDifferences;

/// The manifest without such fields where others have set the live object's, or None where they have set none. What
/// nobody holds, such as a default of the server, is Git's.
pub fn without_ignored(
    wanted: &PreparedObject,
    live: &Value,
    rules: &[IgnoreDifferences],
    manager: &str,
) -> Option<PreparedObject> {
    let id = wanted.key.id();
    let mut sent = wanted.clone();
    let mut left = Vec::new();
    for pointer in rules.iter().filter(|rule| rule.matches(&id)).flat_map(|rule| &rule.json_pointers) {
        let names: Vec<String> =
            pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
        let mut steps = Vec::new();
        let Some(own) = value(&wanted.desired.object, &names) else { continue };
        let theirs = counterpart(&wanted.desired.object, Some(live), &names, &mut steps);
        let is_theirs = || {
            let holders = holders(live, &steps);
            !holders.is_empty() && holders.iter().all(|(name, _)| name != manager)
        };
        if theirs != Some(own) && is_theirs() && remove(&mut sent.desired.object, &names) {
            left.push(pointer.as_str());
        }
    }
    if left.is_empty() {
        return None;
    }
    sent.notes.push(format!("Ignored because of `ignoreDifferences`: {}.", left.join(", ")));
    Some(sent)
}

fn value<'a>(object: &'a Value, names: &[String]) -> Option<&'a Value> {
    names.iter().try_fold(object, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        value => value.get(name),
    })
}

/// The same place in the live object: an item of a list is found by its name where it has one.
fn counterpart<'a>(
    own: &'a Value,
    live: Option<&'a Value>,
    names: &[String],
    steps: &mut Vec<Step<'a>>,
) -> Option<&'a Value> {
    let Some((name, rest)) = names.split_first() else { return live };
    let (below, theirs) = match own {
        Value::Array(items) => {
            let at: usize = name.parse().ok()?;
            let item = items.get(at)?;
            steps.push(Step::Item(item));
            let same = |other: &&Value| item.get("name").is_some() && other.get("name") == item.get("name");
            let others = live.and_then(Value::as_array);
            (
                item,
                others.and_then(|others| {
                    others.iter().find(same).or_else(|| others.get(at).filter(|_| item.get("name").is_none()))
                }),
            )
        }
        own => {
            // The names live as long as the object that has them.
            let (key, below) = own.as_object()?.get_key_value(name)?;
            steps.push(Step::Field(key));
            (below, live.and_then(|live| live.get(name)))
        }
    };
    counterpart(below, theirs, rest, steps)
}

fn remove(object: &mut Value, names: &[String]) -> bool {
    let Some((last, way)) = names.split_last() else { return false };
    let parent = way.iter().try_fold(object, |value, name| match value {
        Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?),
        value => value.get_mut(name),
    });
    parent.and_then(Value::as_object_mut).is_some_and(|fields| fields.shift_remove(last).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::ObjectKey;
    use crate::plan::Desired;

    fn wanted(object: &Value) -> PreparedObject {
        let key = ObjectKey::of(object).expect("a name");
        let desired = Desired { object: object.clone(), hash: "h".to_owned() };
        PreparedObject { key, manifest: object.clone(), desired, origin: None, notes: Vec::new(), replace: false }
    }

    fn web(replicas: u32, holder: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop",
            "managedFields": [
            {"manager": holder, "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
            "spec": {"replicas": replicas, "containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}})
    }

    fn rule(kind: &str, pointers: &[&str]) -> IgnoreDifferences {
        serde_json::from_value(json!({"kind": kind, "jsonPointers": pointers})).expect("a rule")
    }

    /// B7: the word for one field.
    #[test]
    fn a_field_is_left_to_whoever_has_set_it() {
        let ours = wanted(&web(3, "nobody"));
        let rules = [rule("Deployment", &["/spec/replicas", "/spec/containers/1/image"])];
        let sent = without_ignored(&ours, &web(7, "hpa"), &rules, "driftless").expect("something is left");
        assert!(sent.desired.object["spec"].get("replicas").is_none());
        assert_eq!(sent.desired.object["spec"]["containers"][1]["image"], "2", "it is as Git has it");
        assert_eq!(sent.desired.hash, "h", "the manifest is Git's all the same");
        assert_eq!(sent.notes, ["Ignored because of `ignoreDifferences`: /spec/replicas."]);
        assert!(without_ignored(&ours, &web(3, "hpa"), &rules, "driftless").is_none(), "nothing differs");
        assert!(without_ignored(&ours, &web(7, "driftless"), &rules, "driftless").is_none(), "Git has changed it");
        assert!(
            without_ignored(&ours, &web(7, "hpa"), &[rule("StatefulSet", &["/spec/replicas"])], "driftless").is_none()
        );
        let mut turned = web(3, "x");
        turned["spec"]["containers"] = json!([{"name": "b", "image": "9"}, {"name": "a", "image": "1"}]);
        turned["metadata"]["managedFields"][0]["fieldsV1"] =
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"b\"}": {"f:image": {}}}}});
        let sent = without_ignored(&ours, &turned, &rules, "driftless").expect("found by its name");
        assert!(sent.desired.object["spec"]["containers"][1].get("image").is_none());
    }

    /// B7+: what nobody has set is Git's, whether it is a default of the server or not there at all, also where an item
    /// of a list comes in front of the one that the pointer meant.
    #[test]
    fn what_nobody_holds_is_gits() {
        let ours = wanted(&web(4, "nobody"));
        let rules = [rule("Deployment", &["/spec/replicas", "/spec/containers/0/image"])];
        let mut live = web(1, "hpa");
        live["metadata"]["managedFields"] = json!([]);
        live["spec"]["containers"] = json!([{"name": "b", "image": "2"}]);
        assert!(without_ignored(&ours, &live, &rules, "driftless").is_none());
    }
}
