//! Paths in the field sets of managers and in the values that they refer to. Pure.

use serde_json::{Map, Value, json};

use super::keyed::Key;

/// What is at a path of a set of fields.
pub(super) fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match step.strip_prefix("f:") {
        Some(name) => value.get(name),
        None => {
            let key = Key::parse(step)?;
            value.as_array()?.iter().find(|item| key.is(item))
        }
    })
}

/// Whether a set of fields has a path, something below it, or all of a value that it leads into.
pub(super) fn has(fields: &Value, path: &[String]) -> bool {
    let Some((step, rest)) = path.split_first() else { return true };
    match fields.as_object() {
        Some(fields) if !fields.is_empty() => fields.get(step).is_some_and(|below| rest.is_empty() || has(below, rest)),
        // A list or an object that is held as a whole.
        _ => true,
    }
}

/// Takes a path out of a set of fields, and gives back what was below it.
pub(super) fn take(fields: &mut Value, path: &[String]) -> Option<Value> {
    let (last, way) = path.split_last()?;
    let parent = way.iter().try_fold(fields, |fields, step| fields.get_mut(step))?;
    parent.as_object_mut()?.shift_remove(last)
}

pub(super) fn put(fields: &mut Value, path: &[String], below: Value) {
    let Some((last, way)) = path.split_last() else { return };
    let parent = way.iter().fold(fields, |fields, step| &mut fields[step.as_str()]);
    if parent.is_null() {
        *parent = json!({});
    }
    parent[last.as_str()] = below;
}

pub(super) fn drop_value(value: &mut Value, path: &[String]) {
    let Some((step, rest)) = path.split_first() else { return };
    if let Some(field) = step.strip_prefix("f:") {
        if rest.is_empty() {
            value.as_object_mut().map(|fields| fields.shift_remove(field));
        } else if let Some(below) = value.get_mut(field) {
            drop_value(below, rest);
        }
    } else if let Value::Array(items) = value {
        let Some(key) = Key::parse(step) else { return };
        match rest {
            [] => items.retain(|item| !key.is(item)),
            rest => items.iter_mut().filter(|item| key.is(item)).for_each(|item| drop_value(item, rest)),
        }
    }
}

/// `.spec.ports[port=8099,protocol=TCP]`, as the server writes it in conflicts.
pub(super) fn shown(path: &[String]) -> String {
    let step = |step: &String| match step.strip_prefix("f:") {
        Some(field) => format!(".{field}"),
        None => {
            let key: Map<String, Value> =
                step.strip_prefix("k:").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            format!("[{}]", key.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(","))
        }
    };
    path.iter().map(step).collect()
}
