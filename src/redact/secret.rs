//! What may be shown of a Secret: a list of what may, and not of what may not, as a field with a wrong name holds a
//! value as well.
//!
//! Values are compared before they are masked, so that a change shows as a change; the masks tell nothing about the
//! values, not even a hash of them, which could be guessed at.

use serde_json::{Map, Value};

use super::kind::holds_secrets;
use super::known::Known;
use super::{HIDDEN, NEW, OLD};
use crate::manifest::ObjectKey;

/// The longest name of a field that is shown although nobody knows the field.
const LONGEST_FIELD: usize = 40;
/// A value that is looked for in the names of fields.
const SHORTEST_VALUE: usize = 8;

/// Masks two states of one object. Of other objects than Secrets nothing is masked here.
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
    let mask = |this: Option<&Value>, other: Option<&Value>, changed| {
        this.map(|this| Mask { changed, known }.object(this, other))
    };
    (mask(before, after, OLD), mask(after, before, NEW))
}

struct Mask<'a> {
    changed: &'static str,
    known: &'a Known,
}

impl Mask<'_> {
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
