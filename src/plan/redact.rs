//! Takes out of objects what must never be shown.
//!
//! A Secret's values are compared before they are masked, so that a change shows as a change; the masks tell nothing about the values, not
//! even a hash of them, which could be guessed at.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::normalise::is_secret;
use crate::manifest::ObjectKey;

const SAME: &str = "(hidden)";
const OLD: &str = "(hidden, old value)";
const NEW: &str = "(hidden, new value)";
/// Annotations in which tools keep the whole object as it was applied.
const COPIES: [&str; 4] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kapp.k14s.io/original",
    "objectset.rio.cattle.io/applied",
    "banzaicloud.com/last-applied",
];
/// A shorter value would be found in many texts by chance.
const SHORTEST_VALUE: usize = 4;

/// Masks two states of one object.
pub fn redact(key: &ObjectKey, before: Option<&Value>, after: Option<&Value>) -> (Option<Value>, Option<Value>) {
    if !is_secret(&key.group, &key.kind) {
        return (before.cloned(), after.cloned());
    }
    let values: Vec<String> = [before, after].into_iter().flatten().flat_map(values).collect();
    let mask = |this: Option<&Value>, other: Option<&Value>, changed| this.map(|this| masked(this, other, changed, &values));
    (mask(before, after, OLD), mask(after, before, NEW))
}

fn masked(this: &Value, other: Option<&Value>, changed: &str, values: &[String]) -> Value {
    let mut this = this.clone();
    for field in ["data", "stringData"] {
        let theirs = other.and_then(|other| other.get(field));
        match this.get_mut(field) {
            Some(Value::Object(entries)) => {
                for (name, value) in entries {
                    *value = mask(value, theirs.and_then(|theirs| theirs.get(name)), changed);
                }
            }
            // Not a form that a server takes, and so not to be relied on.
            Some(odd) if !odd.is_null() => *odd = mask(odd, theirs, changed),
            _ => {}
        }
    }
    if let Some(Value::Object(annotations)) = this.pointer_mut("/metadata/annotations") {
        let theirs = other.and_then(|other| other.pointer("/metadata/annotations"));
        mask_annotations(annotations, theirs, changed, values);
    }
    this
}

fn mask_annotations(annotations: &mut Map<String, Value>, theirs: Option<&Value>, changed: &str, values: &[String]) {
    for (name, value) in annotations {
        let text = value.as_str().unwrap_or_default();
        if COPIES.contains(&name.as_str()) || values.iter().any(|secret| text.contains(secret.as_str())) {
            *value = mask(value, theirs.and_then(|theirs| theirs.get(name)), changed);
        }
    }
}

fn mask(this: &Value, other: Option<&Value>, changed: &str) -> Value {
    // What is on one side only is not a change from anything.
    Value::from(if other.is_some_and(|other| other != this) { changed } else { SAME })
}

/// The values of a Secret in the forms in which they may stand elsewhere.
fn values(object: &Value) -> Vec<String> {
    let entries = ["data", "stringData"].into_iter().filter_map(|field| object.get(field)?.as_object()).flatten();
    let texts = entries.filter_map(|(_, value)| value.as_str());
    let both = texts.flat_map(|text| {
        let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        [Some(text.to_owned()), decoded].into_iter().flatten()
    });
    both.filter(|text| text.len() >= SHORTEST_VALUE).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn key() -> ObjectKey {
        ObjectKey::of(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"}})).expect("a name")
    }

    #[test]
    fn a_change_shows_as_changed_and_as_nothing_else() {
        let before = json!({"data": {"same": "c2FtZQ==", "changed": "b2xk", "gone": "Z29uZQ=="}, "type": "Opaque"});
        let after = json!({"data": {"same": "c2FtZQ==", "changed": "bmV3", "added": "YWRk"}, "type": "Opaque"});
        let (before, after) = redact(&key(), Some(&before), Some(&after));
        assert_eq!(before, Some(json!({"data": {"same": SAME, "changed": OLD, "gone": SAME}, "type": "Opaque"})));
        assert_eq!(after, Some(json!({"data": {"same": SAME, "changed": NEW, "added": SAME}, "type": "Opaque"})));
    }

    #[test]
    fn copies_of_the_object_in_annotations_are_masked() {
        let object = json!({
            "metadata": {"annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"p\":\"aHVudGVyMg==\"}}",
                "some-tool/state": "password is hunter2",
                "team": "shop",
            }},
            "data": {"p": "aHVudGVyMg=="},
        });
        let (_, after) = redact(&key(), None, Some(&object));
        let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": SAME, "some-tool/state": SAME, "team": "shop"});
        assert_eq!(after.expect("an object")["metadata"]["annotations"], annotations);
    }

    #[test]
    fn odd_forms_are_masked_whole() {
        for data in [json!("hunter2hunter2"), json!(["hunter2hunter2"]), json!({"a": {"b": "hunter2hunter2"}}), json!(12_345_678)] {
            let (_, after) = redact(&key(), None, Some(&json!({"data": data})));
            let text = after.expect("an object").to_string();
            assert!(!text.contains("hunter2") && !text.contains("12345678"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_value_survives(
            before in proptest::collection::btree_map("[a-z]{1,3}", "secret-[0-9]{8}", 0..5),
            after in proptest::collection::btree_map("[a-z]{1,3}", "secret-[0-9]{8}", 0..5),
        ) {
            let encode = |entries: &std::collections::BTreeMap<String, String>| {
                let data: Map<String, Value> = entries.iter().map(|(k, v)| (k.clone(), Value::from(STANDARD.encode(v)))).collect();
                json!({"data": data, "stringData": entries, "metadata": {"annotations": {COPIES[0]: json!(entries).to_string()}}})
            };
            let (masked_before, masked_after) = redact(&key(), Some(&encode(&before)), Some(&encode(&after)));
            let shown = format!("{masked_before:?}{masked_after:?}");
            for value in before.values().chain(after.values()) {
                prop_assert!(!shown.contains(value.as_str()));
                prop_assert!(!shown.contains(&STANDARD.encode(value)));
            }
            let (masked_before, masked_after) = (masked_before.expect("some"), masked_after.expect("some"));
            for (name, value) in &before {
                let differs = after.get(name).is_some_and(|other| other != value);
                prop_assert_eq!(masked_before["data"][name] != masked_after["data"][name], differs || !after.contains_key(name));
            }
        }
    }
}
