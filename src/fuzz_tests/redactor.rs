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
    let (value, part) = cut(random);
    let object = object(random, &value);
    let shown =
        Known::of([(&key(), &object)]).hide(&format!("{} {part} {}", mutate::text(random, 6), mutate::text(random, 6)));
    assert!(!shown.contains(&part), "{part:?} of {value:?} is in {:?}", shown.as_str());
    nested(random);
    whole(random);
}

/// A Secret within another object.
fn nested(random: &mut StdRng) {
    let value = value(random);
    let secret = object(random, &value);
    let within = match random.random_range(0..4) {
        0 => json!([{"a": secret}]),
        1 => json!({"template": secret}),
        2 => json!(secret.to_string()),
        _ => json!(json!({"kind": "List", "items": [secret]}).to_string()),
    };
    let object = json!({"apiVersion": "x.example/v1", "kind": "Thing", "metadata": {"name": "web"}, "spec": within});
    let key = ObjectKey::of(&object).expect("a name");
    let (before, after) = states(&key, Some(&object), None, &Known::default());
    let of_it = format!("{before:?}{after:?}");
    for form in forms(&value) {
        assert!(!of_it.contains(form.as_str()), "{form:?} of {value:?} is in {of_it}");
    }
}

fn whole(random: &mut StdRng) {
    let (value, key) = (value(random), key());
    let object = object(random, &value);
    let forms = forms(&value);
    let place = random.random_range(0..forms.len());
    let said = &forms[place];
    // What a template writes stands by itself.
    let beside = if place < ENCODED { "" } else { " " };
    let text = format!("{}{beside}{said}{beside}{}", mutate::text(random, 6), mutate::text(random, 6));
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

/// Long enough that it stands nowhere by chance, with letters and figures.
fn value(random: &mut StdRng) -> String {
    let letters: &[char] = &['a', 'b', 'k', 'X', '7', '0', '+', '/', '=', '"', '\\', '\n', ' ', 'é', '-', '&', '%'];
    let middle: String = (0..random.random_range(8..40)).map(|_| *letters.choose(random).expect("letters")).collect();
    format!("Zq7{middle}a0Qz")
}

/// So many of the forms are what encoders make.
const ENCODED: usize = 5;

/// In which it might be shown.
fn forms(value: &str) -> Vec<String> {
    let quoted = json!(value).to_string();
    vec![
        value.to_owned(),
        quoted.trim_matches('"').to_owned(),
        STANDARD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
        url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        value.replace('&', "&amp;").replace('"', "&#34;"),
        value.replace('&', "&amp;amp;").replace('"', "&amp;quot;"),
        value.chars().map(|char| if char.is_alphanumeric() { char.to_string() } else { format!("\\{char}") }).collect(),
        base32(value.as_bytes()),
        bytes(value, "", " "),
        bytes(value, "", ":"),
        bytes(value, "0x", ", "),
        bytes(value, "\\x", ""),
    ]
}

fn bytes(value: &str, before: &str, between: &str) -> String {
    value.bytes().map(|byte| format!("{before}{byte:02x}")).collect::<Vec<_>>().join(between)
}

/// As templates have it, with padding.
fn base32(value: &[u8]) -> String {
    let write = |group: &[u8]| {
        let bits: Vec<u8> = group.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
        let letter = |five: &[u8]| {
            let number = (0..5).fold(0, |number, at| number * 2 + five.get(at).copied().unwrap_or(0));
            char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(number)])
        };
        let letters: String = bits.chunks(5).map(letter).collect();
        format!("{letters:=<8}")
    };
    value.chunks(5).map(write).collect()
}

/// A part of a value that no word looks like, cut off by a length or a delimiter.
fn cut(random: &mut StdRng) -> (String, String) {
    let pair = |random: &mut StdRng| {
        let letter = *[b'a', b'k', b'X', b'Q'].choose(random).expect("letters");
        format!("{}{}", char::from(letter), random.random_range(0..10))
    };
    let more: String = (0..random.random_range(4..20)).map(|_| pair(random)).collect();
    let part = format!("a7K3{more}");
    let sign = *["", "!", "~~", "$", "%%", "\u{e9}"].choose(random).expect("signs");
    (format!("horse{sign}{part}{sign}battery"), part)
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
