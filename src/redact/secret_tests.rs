use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;

use super::super::kind::is_secret_kind;
use super::super::known::tests::encodings;
use super::*;

fn key() -> ObjectKey {
    ObjectKey::of(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"}}))
        .expect("a name")
}

#[test]
fn a_change_shows_as_changed_and_as_nothing_else() {
    let before = json!({"data": {"same": "c2FtZQ==", "changed": "b2xk", "gone": "Z29uZQ=="}, "type": "Opaque"});
    let after = json!({"data": {"same": "c2FtZQ==", "changed": "bmV3", "added": "YWRk"}, "type": "Opaque"});
    let (before, after) = states(&key(), Some(&before), Some(&after), &Known::default());
    assert_eq!(before, Some(json!({"data": {"same": HIDDEN, "changed": OLD, "gone": HIDDEN}, "type": "Opaque"})));
    assert_eq!(after, Some(json!({"data": {"same": HIDDEN, "changed": NEW, "added": HIDDEN}, "type": "Opaque"})));
}

/// S1: what is not on the list is masked, whatever its name.
#[test]
fn only_what_is_listed_is_shown() {
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true,
        "metadata": {"name": "db", "namespace": "shop", "labels": {"team": "hunter2hunter2"},
        "annotations": {"a/b": "aHVudGVyMmh1bnRlcjI="},
            "generateName": "hunter2hunter2", "finalizers": ["hunter2hunter2"]},
        "data": {"k": "aHVudGVyMmh1bnRlcjI="}, "binaryData": {"k": "aHVudGVyMmh1bnRlcjI="},
        "stringdata": {"password": "hunter2hunter2"},
        "password": "hunter2hunter2", "hunter2hunter2": true, "spec": ["hunter2hunter2"],
    });
    let (_, after) = states(&key(), None, Some(&object), &Known::default());
    insta::assert_json_snapshot!(after.expect("an object"), @r#"
    {
      "apiVersion": "v1",
      "kind": "Secret",
      "type": "Opaque",
      "immutable": true,
      "metadata": {
        "name": "db",
        "namespace": "shop",
        "labels": {
          "team": "(hidden)"
        },
        "annotations": {
          "a/b": "(hidden)"
        },
        "generateName": "(hidden)",
        "finalizers": "(hidden)"
      },
      "data": {
        "k": "(hidden)"
      },
      "binaryData": "(hidden)",
      "stringdata": "(hidden)",
      "password": "(hidden)",
      "(hidden) 9": "(hidden)",
      "spec": "(hidden)"
    }
    "#);
}

/// S1: neither a kind in lower case nor a slip in it makes a Secret something else.
#[test]
fn a_kind_that_is_meant_as_a_secret_is_one() {
    for (group, kind) in
        [("", "Secret"), ("", "secret"), ("", "SECRET"), ("", "Secrets"), ("core", "Secret"), ("v1", "SecretList")]
    {
        assert!(is_secret_kind(group, kind), "{group}/{kind}");
    }
    for (group, kind) in [
        ("", "ConfigMap"),
        ("x.io", "Secret"),
        ("external-secrets.io", "ExternalSecret"),
        ("bitnami.com", "SealedSecret"),
    ] {
        assert!(!is_secret_kind(group, kind), "{group}/{kind}");
    }
    let object = json!({"apiVersion": "v1", "kind": "Secert", "metadata": {"name": "db"},
        "stringData": {"p": "hunter2hunter2"}});
    let (_, after) = states(&ObjectKey::of(&object).expect("a name"), None, Some(&object), &Known::default());
    assert!(!after.expect("an object").to_string().contains("hunter2"));
}

#[test]
fn odd_forms_are_masked_whole() {
    for data in
        [json!("hunter2hunter2"), json!(["hunter2hunter2"]), json!({"a": {"b": "hunter2hunter2"}}), json!(12_345_678)]
    {
        let (_, after) = states(&key(), None, Some(&json!({"data": data})), &Known::default());
        let text = after.expect("an object").to_string();
        assert!(!text.contains("hunter2") && !text.contains("12345678"), "{text}");
    }
}

/// Places in a Secret where people, tools and slips put a value.
fn with_value_at(place: usize, text: &str) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"},
        "type": "Opaque"});
    match place {
        0 => object["stringdata"] = json!({"password": text}),
        1 => object["password"] = json!(text),
        2 => object["binaryData"] = json!({"k": text}),
        3 => object["metadata"]["annotations"] = json!({"tool/state": text}),
        4 => object["metadata"]["labels"] = json!({"l": text}),
        5 => object["kind"] = json!("secret"),
        6 => object["metadata"]["annotation"] = json!({"k": text}),
        7 => object["spec"] = json!({"deep": [{"er": text}]}),
        8 => object["data"] = json!([text]),
        _ => object["Data"] = json!(text),
    }
    object
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// S1: a known value comes out of a Secret in no place and no encoding.
    #[test]
    fn no_value_comes_out(value in "[!-~]{8,40}", place in 0_usize..10, how in 0_usize..18) {
        let written = encodings(&value)[how].clone();
        let mut object = with_value_at(place, &written);
        if place != 8 {
            object["data"] = json!({"k": STANDARD.encode(&value)});
        }
        let key = ObjectKey::of(&object).expect("a name");
        let (before, after) = states(&key, Some(&object), Some(&object), &Known::default());
        let shown = format!("{}{}", before.expect("some"), after.expect("some"));
        for form in encodings(&value) {
            let form = json!(form.trim()).to_string();
            prop_assert!(!shown.contains(&form[1..form.len() - 1]), "{} in {}", form, shown);
        }
    }

    #[test]
    fn a_change_of_a_value_shows(
        before in proptest::collection::btree_map("[a-z]{1,3}", "secret-[0-9]{8}", 0..5),
        after in proptest::collection::btree_map("[a-z]{1,3}", "secret-[0-9]{8}", 0..5),
    ) {
        let object = |entries: &std::collections::BTreeMap<String, String>| json!({"stringData": entries});
        let (masked_before, masked_after) = states(&key(), Some(&object(&before)), Some(&object(&after)),
            &Known::default());
        let (masked_before, masked_after) = (masked_before.expect("some"), masked_after.expect("some"));
        for (name, value) in &before {
            let differs = after.get(name).is_some_and(|other| other != value);
            let shows = masked_before["stringData"][name] != masked_after["stringData"][name];
            prop_assert_eq!(shows, differs || !after.contains_key(name));
        }
    }
}
