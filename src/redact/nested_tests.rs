use serde_json::{Value, json};

use super::super::{HIDDEN, Known, NEW, OLD, holds_secrets, states};
use crate::manifest::ObjectKey;

const VALUE: &str = "topsecretvalue123";

fn thing(spec: &Value) -> (ObjectKey, Value) {
    let object = json!({"apiVersion": "h.example/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": "shop"},
        "spec": spec});
    (ObjectKey::of(&object).expect("a name"), object)
}

fn after(spec: &Value) -> Value {
    let (key, object) = thing(spec);
    states(&key, None, Some(&object), &Known::default()).1.expect("an object")["spec"].clone()
}

/// S1+: a Secret is one wherever it stands: in the custom resources that hand it on, in a list, in a template.
#[test]
fn a_secret_within_another_object_is_masked() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "annotations": {"a": VALUE}},
        "type": "Opaque", "stringData": {"password": VALUE}, "password": VALUE});
    let shown = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "annotations": {"a": HIDDEN}},
        "type": "Opaque", "stringData": {"password": HIDDEN}, "password": HIDDEN});
    assert_eq!(after(&json!({"emb": secret})), json!({"emb": shown}));
    let list = json!({"workload": {"manifests": [{"kind": "ConfigMap", "data": {"a": "b"}}, secret]}});
    let shown = json!({"workload": {"manifests": [{"kind": "ConfigMap", "data": {"a": "b"}}, shown]}});
    assert_eq!(after(&list), shown);
    for spec in [
        json!({"x": {"stringData": {"p": VALUE}}}),
        json!({"x": {"stringdata": {"p": VALUE}}}),
        json!({"x": {"kind": "secret", "data": {"p": VALUE}}}),
        json!({"x": {"kind": "Secret", "template": {"data": {"p": VALUE}}}}),
        json!({"x": {"kind": "SecretList", "items": [{"data": {"p": VALUE}}]}}),
        json!({"x": {"kind": "Secret", "value": VALUE}}),
    ] {
        assert!(!after(&spec).to_string().contains(VALUE), "{spec}");
        let (key, object) = thing(&spec);
        assert!(holds_secrets(&key, &object), "{spec}");
        assert_eq!(Known::of([(&key, &object)]).hide(VALUE), HIDDEN, "{spec}");
    }
}

/// S1+: as a text in another object it loses its values, and nothing else is hidden.
#[test]
fn a_secret_in_a_text_is_masked() {
    let yaml =
        format!("kind: ConfigMap\ndata:\n  a: plain\n---\nkind: Secret\nstringData:\n  pin: ab1\n  p: {VALUE}\n");
    let shown = "kind: ConfigMap\ndata:\n  a: plain\n---\nkind: Secret\nstringData:\n  pin: (hidden)\n  p: (hidden)\n";
    assert_eq!(after(&json!({"text": yaml})), json!({"text": shown}));
    let within = json!({"apiVersion": "v1", "kind": "Secret", "data": {"p": "dG9wc2VjcmV0dmFsdWUxMjM="}}).to_string();
    let template = format!("kind: Secret\ndata:\n  {{{{- if .x }}}}\n  p: {VALUE}\n");
    let deep = json!({"kind": "ConfigMap", "data": {"x": yaml}}).to_string();
    for text in [yaml, within, template, deep] {
        let (key, object) = thing(&json!({"text": text}));
        let known = Known::of([(&key, &object)]);
        assert_eq!(known.hide(&format!("x {VALUE} y")), "x (hidden) y", "{text}");
        let shown = after(&json!({"text": text})).to_string();
        assert!(!shown.contains(VALUE) && !shown.contains("dG9wc2V") && shown.contains("kind"), "{shown}");
    }
}

/// S1+: a change of a value shows as one, also where it is part of a text.
#[test]
fn a_change_within_shows() {
    let emb = |value: &str| json!({"emb": {"kind": "Secret", "stringData": {"p": value}}});
    let text = |value: &str| json!({"text": format!("kind: Secret\nstringData:\n  p: {value}")});
    let both = |old: &Value, new: &Value| {
        let ((key, old), (_, new)) = (thing(old), thing(new));
        let (old, new) = states(&key, Some(&old), Some(&new), &Known::default());
        (old.expect("one")["spec"].clone(), new.expect("one")["spec"].clone())
    };
    let (old, new) = both(&emb("one-value-1"), &emb("other-value-2"));
    assert_eq!((&old["emb"]["stringData"]["p"], &new["emb"]["stringData"]["p"]), (&json!(OLD), &json!(NEW)));
    let (old, new) = both(&text("one-value-1"), &text("other-value-2"));
    let shown = |end: &str| json!({"text": format!("kind: Secret\nstringData:\n  p: (hidden)\n{end}")});
    assert_eq!((old, new), (shown(OLD), shown(NEW)));
}

/// S1+: what only tells of Secrets is shown as it is.
#[test]
fn references_and_schemas_are_shown() {
    let spec = json!({
        "certificateRefs": [{"kind": "Secret", "name": "tls", "group": ""}],
        "valuesFrom": [{"kind": "Secret", "name": "a", "valuesKey": "b", "optional": true}],
        "projected": [{"kind": "Secret", "name": "a", "items": [{"key": "a", "path": "b"}]}],
        "ignoreDifferences": [{"group": "", "kind": "Secret", "name": "a", "jsonPointers": ["/data/x"]}],
        "schema": {"properties": {"stringData": {"type": "object", "description": "plain"}, "data": {"a": "b"}}},
        "store": {"kind": "SecretStore", "name": "vault"},
        "other": {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "data": [{"secretKey": "a"}]},
        "readme": "Make a Secret first:\n\n    kubectl create secret generic db\n\nkind: Secret is what it is.\n",
        "log": "level: info\nsecret: from the vault\n",
    });
    assert_eq!(after(&spec), spec);
    let (key, object) = thing(&spec);
    assert!(!holds_secrets(&key, &object) && Known::of([(&key, &object)]).is_empty());
}
