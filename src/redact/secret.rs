//! What may be shown of a Secret: a list of what may, and not of what may not, as a field with a wrong name holds a
//! value as well.
//!
//! Values are compared before they are masked, so that a change shows as a change; the masks tell nothing about the
//! values, not even a hash of them, which could be guessed at.

use serde_json::{Map, Value};

use super::documents;
use super::kind::is_secret;
use super::known::Known;
use super::nested::{holds_secrets, is_secret_map};
use super::{HIDDEN, NEW, OLD};
use crate::manifest::ObjectKey;

/// The longest name of a field that is shown although nobody knows the field.
const LONGEST_FIELD: usize = 40;
/// A value that is looked for in the names of fields.
const SHORTEST_VALUE: usize = 8;
/// Texts within texts are looked into so often.
const DEEPEST: usize = 3;

/// Masks two states of one object. Of other objects than Secrets only the Secrets within are masked here.
///
/// `known` are the values of the plan that the object is of. They are gathered once for all of its objects; where there
/// are none, those of this one are.
pub fn states(
    key: &ObjectKey,
    before: Option<&Value>,
    after: Option<&Value>,
    known: &Known,
) -> (Option<Value>, Option<Value>) {
    let both = [before, after];
    if !both.into_iter().flatten().any(|object| holds_secrets(key, object)) {
        return (before.cloned(), after.cloned());
    }
    let own = known.is_empty().then(|| Known::of(both.into_iter().flatten().map(|object| (key, object))));
    let known = own.as_ref().unwrap_or(known);
    let is_whole = both.into_iter().flatten().any(|object| is_secret(key, object));
    let mask = |this: Option<&Value>, other: Option<&Value>, changed| {
        let mask = Mask { changed, known };
        this.map(|this| if is_whole { mask.object(this, other) } else { mask.within(this, other, "", 0) })
    };
    (mask(before, after, OLD), mask(after, before, NEW))
}

struct Mask<'a> {
    changed: &'static str,
    known: &'a Known,
}

impl Mask<'_> {
    /// Masks the Secrets within another object. `field` is what the value stands in.
    fn within(&self, this: &Value, other: Option<&Value>, field: &str, depth: usize) -> Value {
        let is_secret = |value: &Value| value.as_object().is_some_and(|fields| is_secret_map(fields, field));
        match this {
            Value::Object(_) if is_secret(this) || other.is_some_and(is_secret) => self.object(this, other),
            Value::Object(fields) => {
                let mask = |(name, value): (&String, &Value)| {
                    (name.clone(), self.within(value, other.and_then(|other| other.get(name)), name, depth))
                };
                Value::Object(fields.iter().map(mask).collect())
            }
            Value::Array(items) => {
                let mask = |(place, item): (usize, &Value)| {
                    self.within(item, other.and_then(|other| other.get(place)), "[]", depth)
                };
                Value::Array(items.iter().enumerate().map(mask).collect())
            }
            Value::String(text) => Value::from(self.text(text, other.and_then(Value::as_str), depth)),
            Value::Null | Value::Bool(_) | Value::Number(_) => this.clone(),
        }
    }

    /// Masks the Secrets that stand in a text.
    fn text(&self, this: &str, other: Option<&str>, depth: usize) -> String {
        let mut masked = self.documents(this, other, depth);
        let hides_change = masked != this
            && other.is_some_and(|other| other != this && self.documents(other, Some(this), depth) == masked);
        if hides_change {
            masked.push_str(if masked.ends_with('\n') { "" } else { "\n" });
            masked.push_str(self.changed);
        }
        masked
    }

    fn documents(&self, this: &str, other: Option<&str>, depth: usize) -> String {
        let found = documents::of(this);
        if found.is_empty() || depth > DEEPEST {
            return this.to_owned();
        }
        let mask = |found: &documents::Found<'_>| match &found.parsed {
            _ if !found.holds(depth) => found.text.to_owned(),
            Some(value) if found.text.trim_start().starts_with(['{', '[']) => {
                let other = other.and_then(|other| serde_json::from_str(other).ok());
                let masked = self.within(value, other.as_ref(), "[]", depth + 1);
                serde_json::to_string_pretty(&masked).unwrap_or_else(|_| HIDDEN.to_owned())
            }
            parsed => documents::masked(found.text, parsed.is_some()),
        };
        found.iter().map(mask).collect()
    }

    fn object(&self, this: &Value, other: Option<&Value>) -> Value {
        let Value::Object(fields) = this else { return self.value(this, other) };
        self.fields(fields, other, |name, value, other| match name {
            "apiVersion" | "kind" | "type" => self.plain(value, other),
            "immutable" if value.is_boolean() => value.clone(),
            "metadata" => self.metadata(value, other),
            "data" | "stringData" => self.keys(value, other),
            _ => self.value(value, other),
        })
    }

    fn metadata(&self, this: &Value, other: Option<&Value>) -> Value {
        let Value::Object(fields) = this else { return self.value(this, other) };
        self.fields(fields, other, |name, value, other| match name {
            "name" | "namespace" => self.plain(value, other),
            "labels" | "annotations" => self.keys(value, other),
            _ => self.value(value, other),
        })
    }

    /// A map whose keys are shown.
    fn keys(&self, this: &Value, other: Option<&Value>) -> Value {
        match this {
            Value::Object(entries) => self.fields(entries, other, |_, value, other| self.value(value, other)),
            // Not a form that a server takes, and so not to be relied on.
            odd => self.value(odd, other),
        }
    }

    fn fields(
        &self,
        fields: &Map<String, Value>,
        other: Option<&Value>,
        mask: impl Fn(&str, &Value, Option<&Value>) -> Value,
    ) -> Value {
        let mut masked = Map::new();
        for (name, value) in fields {
            let other = other.and_then(|other| other.get(name));
            masked.insert(self.name(name, masked.len()), mask(name, value, other));
        }
        Value::Object(masked)
    }

    /// The name of a field or a key, unless it is a value in a wrong place.
    fn name(&self, name: &str, place: usize) -> String {
        // A short name is found in values by chance.
        let is_value = name.len() >= SHORTEST_VALUE && self.known.hide(name).as_str() != name;
        let is_name = name.len() <= LONGEST_FIELD || name.contains(['.', '/', '-', '_']);
        if is_value || !is_name || name.contains(char::is_whitespace) {
            format!("{HIDDEN} {place}")
        } else {
            name.to_owned()
        }
    }

    /// What is shown as it is, if it is a text and holds no value.
    fn plain(&self, this: &Value, other: Option<&Value>) -> Value {
        match this {
            Value::String(text) => Value::from(self.known.hide(text).as_str()),
            odd => self.value(odd, other),
        }
    }

    fn value(&self, this: &Value, other: Option<&Value>) -> Value {
        match this {
            Value::Null => Value::Null,
            Value::Object(fields) if fields.is_empty() => this.clone(),
            // What is on one side only is not a change from anything.
            _ => Value::from(if other.is_some_and(|other| other != this) { self.changed } else { HIDDEN }),
        }
    }
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
