//! The fields that differ between two states of an object. Pure.

use serde_json::Value;

/// What a server writes by itself at every change.
const BY_THE_SERVER: [&str; 6] =
    ["managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"];

/// The paths of the fields that differ, with dots and `[0]` for items, in order. Neither the status nor what only the
/// server writes counts.
pub fn changed_fields(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(before, after, &mut String::new(), &mut found);
    found.sort();
    found.dedup();
    found
}

fn walk(before: &Value, after: &Value, path: &mut String, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let gone = old.keys().filter(|name| !new.contains_key(*name));
            let names: Vec<_> = new.keys().chain(gone).filter(|name| counts(path, name)).collect();
            for name in names {
                let at = path.len();
                if at > 0 {
                    path.push('.');
                }
                path.push_str(name);
                walk(old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null), path, found);
                path.truncate(at);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                let at = path.len();
                path.push('[');
                path.push_str(&index.to_string());
                path.push(']');
                walk(old, new, path, found);
                path.truncate(at);
            }
        }
        (old, new) if old == new => {}
        _ => found.push(path.clone()),
    }
}

fn counts(path: &str, name: &str) -> bool {
    match path {
        "" => name != "status",
        "metadata" => !BY_THE_SERVER.contains(&name),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::changed_fields;

    #[test]
    fn paths_name_what_differs_and_nothing_else() {
        let before = json!({"metadata": {"generation": 1, "labels": {"a": "1"}}, "spec": {"replicas": 5,
            "c": [{"i": 1}, {"i": 2}], "old": true}, "status": {"x": 1}});
        let after = json!({"metadata": {"generation": 2, "labels": {"a": "2"}}, "spec": {"replicas": 3, "c": [{"i": 1},
            {"i": 3}], "new": {}}, "status": {"x": 2}});
        assert_eq!(
            changed_fields(&before, &after),
            ["metadata.labels.a", "spec.c[1].i", "spec.new", "spec.old", "spec.replicas"]
        );
        assert!(changed_fields(&before, &before).is_empty());
        assert_eq!(changed_fields(&json!({"l": [1]}), &json!({"l": [1, 2]})), ["l"]);
    }
}
