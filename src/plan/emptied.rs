//! Maps that Git empties to `{}`. The first apply removes their fields and leaves `null` if nobody else owns one of
//! them, which a schema may reject; the desired value is `{}`. Pure.

use serde_json::{Map, Value, json};

use super::change::Cause;
use super::leftover::heals;

/// A map that is to be empty and becomes null.
pub struct Emptied {
    /// The JSON patch that empties it, so that the apply after it has nothing to take away. It holds for the version of
    /// the object that was read.
    pub empties: Value,
    /// The JSON patch to the object as it is after both, to be asked about by a dry-run.
    pub heals: Value,
}

/// Whether the server has made null of a `{}`: the same apply once more makes it what it is to be.
pub fn has_null_for_empty(desired: &Value, result: &Value) -> bool {
    fill_empty(desired, &mut result.clone())
}

/// Makes of an answer to a dry-run what a second apply of the same leaves. Whether there was anything to do.
pub fn fill_empty(desired: &Value, result: &mut Value) -> bool {
    match (desired, result) {
        (Value::Object(fields), result @ Value::Null) if fields.is_empty() => {
            *result = Value::Object(Map::new());
            true
        }
        (Value::Object(fields), Value::Object(of)) => {
            let mut any = false;
            for (name, value) in fields {
                any |= of.get_mut(name).is_some_and(|of| fill_empty(value, of));
            }
            any
        }
        (Value::Array(items), Value::Array(of)) if items.len() == of.len() => {
            let mut any = false;
            for (item, of) in items.iter().zip(of) {
                any |= fill_empty(item, of);
            }
            any
        }
        _ => false,
    }
}

/// Looks for it by what the server refused. None where nothing of the kind is there.
pub fn emptied(live: &Value, desired: &Value, causes: &[Cause]) -> Option<Emptied> {
    let version = live.pointer("/metadata/resourceVersion")?.clone();
    let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": version});
    let is_map = |value: Option<&Value>, empty: bool| {
        value.and_then(Value::as_object).is_some_and(|fields| fields.is_empty() == empty)
    };
    let (mut without, mut operations) = (live.clone(), vec![test.clone()]);
    for cause in causes.iter().filter(|cause| cause.message.contains("null")) {
        let Some(field) = &cause.field else { continue };
        let path = format!("/{}", field.replace(['.', '['], "/").replace(']', ""));
        if is_map(desired.pointer(&path), true)
            && is_map(without.pointer(&path), false)
            && let Some(map) = without.pointer_mut(&path)
        {
            *map = json!({});
            operations.push(json!({"op": "replace", "path": path, "value": {}}));
        }
    }
    let empties = Value::Array(operations);
    (empties.as_array().is_some_and(|all| all.len() > 1))
        .then(|| Emptied { empties, heals: heals(&without, desired, test) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X1+: only what is `{}` in Git is filled, wherever it stands.
    #[test]
    fn null_becomes_what_git_says() {
        let desired = json!({"a": {"b": {}}, "list": [{"c": {}}], "null": null, "d": {"e": 1}, "gone": {}});
        let mut result = json!({"a": {"b": null}, "list": [{"c": null}], "null": null, "d": null, "more": null});
        assert!(has_null_for_empty(&desired, &result) && fill_empty(&desired, &mut result));
        let filled = json!({"a": {"b": {}}, "list": [{"c": {}}], "null": null, "d": null, "more": null});
        assert_eq!(result, filled);
        assert!(!fill_empty(&desired, &mut result));
    }

    /// X1+: a schema that refuses the null names the map that is to be emptied first.
    #[test]
    fn what_a_schema_refuses_is_emptied_first() {
        let live = json!({"metadata": {"resourceVersion": "7"}, "spec": {"sel": {"a": "b"}, "other": {"c": "d"}}});
        let desired = json!({"spec": {"sel": {}, "other": {"c": "e"}}});
        let cause = |field: &str, message: &str| Cause { field: Some(field.into()), message: message.into() };
        let refused = [cause("spec.sel", "Invalid value: \"null\": spec.sel in body must be of type object: \"null\"")];
        let found = emptied(&live, &desired, &refused).expect("found");
        let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"});
        assert_eq!(found.empties, json!([test, {"op": "replace", "path": "/spec/sel", "value": {}}]));
        assert_eq!(found.heals, json!([test, {"op": "add", "path": "/spec", "value": desired["spec"]}]));
        for other in [cause("spec.other", "Invalid value: \"null\": no"), cause("spec.sel", "Required value")] {
            assert!(emptied(&live, &desired, &[other]).is_none());
        }
    }
}
