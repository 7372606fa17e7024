//! Normalises a manifest so that it can be applied and compared: fields that only the API server sets are removed, and
//! `stringData` becomes `data`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::change::Cause;
use super::injected;
use crate::manifest::ObjectKey;

/// Fields of the metadata that only a server sets. Applied, they are refused (`managedFields`) or make every later
/// apply conflict.
const SERVER_METADATA: [&str; 8] = [
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "generation",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Whether an object is a Secret, whose values are never shown.
pub fn is_secret(group: &str, kind: &str) -> bool {
    group.is_empty() && kind == "Secret"
}

/// Normalises in place and says what was done, in whole sentences. An error is what no server could accept. `status`
/// tells whether the kind's status is a subresource: elsewhere it is a field like any other.
pub fn normalise(key: &ObjectKey, object: &mut Value, status: bool) -> Result<Vec<String>, Cause> {
    let mut stripped = strip_metadata(object);
    if status && strip_status(object) {
        stripped.push("status");
    }
    if strip_last_applied(object) {
        stripped.push(LAST_APPLIED);
    }
    let mut notes = injected::leave_out(key, object);
    if !stripped.is_empty() {
        notes.push(format!("Left out fields that only the server or kubectl sets: {}.", stripped.join(", ")));
    }
    // Without a word: it stands in nearly every Secret, and nobody has to do anything about it.
    if is_secret(&key.group, &key.kind) {
        encode_string_data(object)?;
    }
    Ok(notes)
}

/// `kubectl apply` keeps there what it applied: in a manifest that was exported it is a copy of what the object was,
/// and of no use to anybody.
fn strip_last_applied(object: &mut Value) -> bool {
    let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    annotations.is_some_and(|annotations| annotations.shift_remove(LAST_APPLIED).is_some())
}

pub(super) fn strip_metadata(object: &mut Value) -> Vec<&'static str> {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return Vec::new() };
    SERVER_METADATA
        .into_iter()
        .filter(|field| metadata.shift_remove(*field).is_some_and(|value| !value.is_null()))
        .collect()
}

/// Generators leave `status: {}` behind: that is taken away without a word.
fn strip_status(object: &mut Value) -> bool {
    let removed = object.as_object_mut().and_then(|object| object.shift_remove("status"));
    removed.is_some_and(|status| !status.is_null() && status.as_object().is_none_or(|status| !status.is_empty()))
}

/// As the server does it: a key of `stringData` wins over the same key of `data`.
fn encode_string_data(object: &mut Value) -> Result<(), Cause> {
    let Some(string_data) = object.as_object_mut().and_then(|object| object.shift_remove("stringData")) else {
        return Ok(());
    };
    let entries = match string_data {
        Value::Null => return Ok(()),
        Value::Object(entries) => entries,
        _ => return Err(not_text("stringData")),
    };
    let data = object["data"].take();
    let mut data = match data {
        Value::Null => Map::new(),
        Value::Object(data) => data,
        _ => return Err(not_text("data")),
    };
    for (name, value) in entries {
        match value {
            Value::String(text) => data.insert(name, Value::from(STANDARD.encode(text))),
            // An empty value in YAML.
            Value::Null => data.insert(name, Value::from("")),
            _ => return Err(not_text(&format!("stringData.{name}"))),
        };
    }
    object["data"] = Value::Object(data);
    Ok(())
}

fn not_text(field: &str) -> Cause {
    let message = if field.contains('.') { "must be a string: quote the value" } else { "must be a map of strings" };
    Cause { field: Some(field.to_owned()), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn secret(extra: &Value) -> (ObjectKey, Value) {
        let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"}});
        for (name, value) in extra.as_object().into_iter().flatten() {
            object[name] = value.clone();
        }
        (ObjectKey::of(&object).expect("a name"), object)
    }

    #[test]
    fn what_a_server_sets_is_stripped_and_said() {
        let mut object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "uid": "1", "creationTimestamp": null, "managedFields": [],
            "resourceVersion": "7", "labels": {},
                "annotations": {"team": "a", "kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            "status": {"x": 1},
        });
        let key = ObjectKey::of(&object).expect("a name");
        let notes = normalise(&key, &mut object, true).expect("normal");
        insta::assert_snapshot!(notes.join("\n"),
            @"Left out fields that only the server or kubectl sets: resourceVersion, uid, managedFields, status, kubectl.kubernetes.io/last-applied-configuration.");
        assert_eq!(
            object,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {},
                "annotations": {"team": "a"}}})
        );
        assert_eq!(normalise(&key, &mut object, true), Ok(Vec::new()), "twice is once");
    }

    #[test]
    fn string_data_wins_over_data() {
        let (key, mut object) =
            secret(&json!({"data": {"a": "eA==", "b": "eQ=="}, "stringData": {"a": "z", "c": null}}));
        // P11: what is done to every Secret is no news.
        assert_eq!(normalise(&key, &mut object, true), Ok(Vec::new()));
        assert_eq!(object["data"], json!({"a": "eg==", "b": "eQ==", "c": ""}));
        assert!(object.get("stringData").is_none());
    }

    #[test]
    fn a_number_in_string_data_is_named_but_not_shown() {
        let (key, mut object) = secret(&json!({"stringData": {"pin": 98_765}}));
        let cause = normalise(&key, &mut object, true).expect_err("a number");
        assert_eq!(cause.field.as_deref(), Some("stringData.pin"));
        assert!(!format!("{cause:?}").contains("98765"));
    }

    #[test]
    fn another_kinds_string_data_is_its_own() {
        let mut object =
            json!({"apiVersion": "x.io/v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"a": "b"}});
        let before = object.clone();
        let key = ObjectKey::of(&object).expect("a name");
        assert_eq!(normalise(&key, &mut object, true), Ok(Vec::new()));
        assert_eq!(object, before);
    }

    proptest! {
        #[test]
        fn string_data_and_data_are_the_same_secret(entries in proptest::collection::btree_map("[a-z]{1,4}", ".{0,12}",
            0..5)) {
            let encoded: Map<String, Value> = entries.iter().map(|(k, v)| (k.clone(),
                Value::from(STANDARD.encode(v)))).collect();
            let (key, mut text) = secret(&json!({"stringData": entries}));
            let (_, mut data) = secret(&json!({"data": encoded}));
            normalise(&key, &mut text, true).expect("normal");
            normalise(&key, &mut data, true).expect("normal");
            prop_assert_eq!(text, data);
        }
    }
}
