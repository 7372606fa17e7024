//! A known value of a Secret never comes out, in whatever form it stands in a text.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::mutate;
use crate::manifest::ObjectKey;
use crate::redact::{Known, states};

pub(super) fn case(random: &mut StdRng) {
    let (value, key) = (value(random), key());
    let object = object(random, &value);
    let forms = forms(&value);
    let said = forms.choose(random).expect("forms");
    let text = format!("{}{said}{}", mutate::text(random, 6), mutate::text(random, 6));
    let known = Known::of([(&key, &object)]);
    let shown = known.hide(&text);
    let (before, after) = states(&key, Some(&object), None, &known);
    let of_it = format!("{before:?}{after:?}");
    for form in &forms {
        assert!(!shown.contains(form.as_str()), "{form:?} of {value:?} is in {:?}", shown.as_str());
        assert!(!of_it.contains(form.as_str()), "{form:?} of {value:?} is in {of_it}");
    }
}

fn key() -> ObjectKey {
    ObjectKey {
        group: String::new(),
        version: "v1".into(),
        kind: "Secret".into(),
        namespace: Some("shop".into()),
        name: "web".into(),
    }
}

/// Long enough that it stands nowhere by chance.
fn value(random: &mut StdRng) -> String {
    let letters: &[char] = &['a', 'b', 'k', 'X', '7', '0', '+', '/', '=', '"', '\\', '\n', ' ', 'é', '-', '&', '%'];
    let middle: String = (0..random.random_range(8..40)).map(|_| *letters.choose(random).expect("letters")).collect();
    format!("Zq{middle}Qz")
}

/// In which it might be shown.
fn forms(value: &str) -> Vec<String> {
    let quoted = json!(value).to_string();
    vec![
        value.to_owned(),
        quoted.trim_matches('"').to_owned(),
        STANDARD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
        url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
    ]
}

fn object(random: &mut StdRng, value: &str) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web", "namespace": "shop"},
        "type": "Opaque"});
    match random.random_range(0..3) {
        0 => object["data"] = json!({"password": STANDARD.encode(value)}),
        1 => object["stringData"] = json!({"password": value}),
        _ => object["stringdata"] = json!({"password": value}),
    }
    object
}
