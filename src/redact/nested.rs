//! Secrets within other objects: as an item of a custom resource, which hands it on to other clusters or namespaces, or
//! as a text in a `ConfigMap`. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::documents;
use super::kind::{has_string_data, is_secret, is_secret_kind};
use crate::manifest::ObjectKey;

/// A value in base64 of this length is known by its bytes: its text is one of the forms of these.
const PACKED: usize = 16;
/// Texts within texts are looked into so often.
const DEEPEST: usize = 3;
/// What a Secret holds its values in, in lower case.
const HOLDERS: [&str; 3] = ["data", "stringdata", "binarydata"];
/// What shows that something of the kind Secret is one, and not a reference to one.
const CONTENT: [&str; 6] = ["data", "stringdata", "binarydata", "metadata", "value", "values"];

/// Whether a map within an object is a Secret. `field` is the name of the field that it stands in: within a schema,
/// names are those of fields.
pub(super) fn is_secret_map(fields: &Map<String, Value>, field: &str) -> bool {
    field != "properties" && (has_string_data(fields) || is_of_kind(fields) && has_content(fields))
}

fn is_of_kind(fields: &Map<String, Value>) -> bool {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let group = text("apiVersion").and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    text("kind").is_some_and(|kind| is_secret_kind(group, kind))
}

/// `{kind: Secret, name: x, key: y}` is a reference, which is no secret.
fn has_content(fields: &Map<String, Value>) -> bool {
    let is_one_of = |names: &[&str], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let holds = |value: &Value| {
        let fields = value.as_object();
        fields.is_some_and(|fields| fields.keys().any(|name| is_one_of(&HOLDERS, name)))
    };
    fields.iter().any(|(name, value)| {
        is_one_of(&CONTENT, name) || holds(value) || value.as_array().is_some_and(|items| items.iter().any(holds))
    })
}

/// Whether an object is a Secret, or has one anywhere within.
pub fn holds_secrets(key: &ObjectKey, object: &Value) -> bool {
    is_secret(key, object) || holds_at(object, "", 0)
}

fn holds_at(value: &Value, field: &str, depth: usize) -> bool {
    match value {
        Value::Object(fields) => {
            is_secret_map(fields, field) || fields.iter().any(|(name, value)| holds_at(value, name, depth))
        }
        Value::Array(items) => items.iter().any(|item| holds_at(item, "", depth)),
        Value::String(text) => depth < DEEPEST && documents::of(text).iter().any(|found| found.holds(depth + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

impl documents::Found<'_> {
    /// Whether a document within a text is a Secret, or has one.
    pub(super) fn holds(&self, depth: usize) -> bool {
        match &self.parsed {
            Some(value) => holds_at(value, "", depth),
            None => documents::looks_like_secret(self.text),
        }
    }
}

/// The values of an object that is a Secret, and of all Secrets within another one.
pub(super) fn values(key: &ObjectKey, object: &Value, values: &mut Vec<Vec<u8>>) {
    if is_secret(key, object) {
        collect(object, values);
    }
    within(object, "", 0, values);
}

fn within(value: &Value, field: &str, depth: usize, values: &mut Vec<Vec<u8>>) {
    match value {
        Value::Object(fields) => {
            if is_secret_map(fields, field) {
                nested(fields, values);
            }
            fields.iter().for_each(|(name, value)| within(value, name, depth, values));
        }
        Value::Array(items) => items.iter().for_each(|item| within(item, "[]", depth, values)),
        Value::String(text) if depth < DEEPEST => {
            for found in documents::of(text) {
                match &found.parsed {
                    Some(parsed) => within(parsed, "", depth + 1, values),
                    None if documents::looks_like_secret(found.text) => lines(found.text, values),
                    None => {}
                }
            }
        }
        _ => {}
    }
}

/// What a Secret within another object says. Only what is one by its kind may have its values anywhere: what else has
/// `stringData` may have names and sentences beside it.
fn nested(fields: &Map<String, Value>, values: &mut Vec<Vec<u8>>) {
    let is_by_kind = is_of_kind(fields);
    for (name, value) in fields {
        let is_holder = HOLDERS.iter().any(|holder| holder.eq_ignore_ascii_case(name));
        let is_told = matches!(
            name.as_str(),
            "apiVersion" | "kind" | "metadata" | "type" | "immutable" | "status" | "name" | "namespace" | "clone"
        );
        if is_holder || is_by_kind && !is_told {
            scalars(value, name == "data", values);
        }
    }
}

/// The values of a text that no parser reads, such as a template.
fn lines(text: &str, values: &mut Vec<Vec<u8>>) {
    for value in documents::hidden_values(text) {
        scalars(&Value::from(value), true, values);
        values.push(value.as_bytes().to_vec());
    }
}

/// Everything that a Secret says besides what it is and what describes it.
fn collect(object: &Value, values: &mut Vec<Vec<u8>>) {
    for (name, value) in object.as_object().into_iter().flatten() {
        match name.as_str() {
            "apiVersion" | "kind" | "metadata" | "type" | "immutable" | "status" => {}
            _ => scalars(value, name == "data", values),
        }
    }
}

fn scalars(value: &Value, is_data: bool, values: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text) => {
            let packed: String = text.split_whitespace().collect();
            let unpacked = STANDARD.decode(&packed).ok();
            if !is_data || packed.len() < PACKED || unpacked.is_none() {
                values.push(text.clone().into_bytes());
            }
            values.extend(unpacked);
        }
        Value::Number(number) => values.push(number.to_string().into_bytes()),
        Value::Array(items) => items.iter().for_each(|item| scalars(item, is_data, values)),
        Value::Object(fields) => fields.values().for_each(|value| scalars(value, is_data, values)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
#[path = "nested_tests.rs"]
mod tests;
