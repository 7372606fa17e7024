//! The difference of one object, as lines and as fields. Everything that people see of an object is made here, and is
//! redacted.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::change::Change;
use super::normalise::LAST_APPLIED;
use super::{embedded, marks, yaml};
use crate::manifest::ObjectKey;
use crate::redact::{self, Known, Shown};

/// Unchanged lines around a change.
const CONTEXT: usize = 3;
/// A diff that takes longer is less exact, not later.
const DEADLINE: Duration = Duration::from_millis(200);
/// The most fields that are named.
const MOST_FIELDS: usize = 50;
/// Metadata that says nothing about what somebody asked for.
const NOISE: [&str; 6] = ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"];

/// The difference of an object's two states, safe to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectDiff {
    pub key: ObjectKey,
    pub lines: Vec<Line>,
    /// The fields that changed, such as `spec.replicas` or `spec.containers[web].image`.
    pub fields: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub sign: Sign,
    pub text: Shown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    Context,
    Removed,
    Added,
    /// Unchanged lines are left out here.
    Gap,
}

impl ObjectDiff {
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub fn text(&self) -> Shown {
        text(&self.lines)
    }

    /// How many lines were added and removed.
    pub fn counts(&self) -> (usize, usize) {
        let count = |sign| self.lines.iter().filter(|line| line.sign == sign).count();
        (count(Sign::Added), count(Sign::Removed))
    }
}

/// As `diff` writes it: `+`, `-` or a space before each line, and `...` for a gap.
fn text(lines: &[Line]) -> Shown {
    let sign = |sign| match sign {
        Sign::Context => " ",
        Sign::Removed => "-",
        Sign::Added => "+",
        Sign::Gap => "...",
    };
    Shown::lines(lines.iter().map(|line| (sign(line.sign), &line.text)))
}

impl std::fmt::Display for ObjectDiff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

/// The difference that a change makes, without our marks, what only the server sets, and what must not be shown:
/// nothing of a Secret but what it is, and nowhere a value of the Secrets that are known.
pub(super) fn diff(change: &Change, known: &Known) -> ObjectDiff {
    let (before, after) = redact::states(&change.key, change.before.as_ref(), change.after.as_ref(), known);
    let (mut before, mut after) = (before.map(shown), after.map(shown));
    let fields = match (&before, &after) {
        (Some(before), Some(after)) => fields(before, after).iter().map(|field| known.hide(field).into()).collect(),
        _ => Vec::new(),
    };
    let fields = match (&change.before, &change.after) {
        // Nothing else says what has become of the object.
        (Some(before), Some(after)) if fields.is_empty() && change.takes_over.is_none() => {
            marks::differing(before, after).iter().map(|field| known.hide(field).into()).collect()
        }
        _ => fields,
    };
    if let (Some(before), Some(after)) = (&mut before, &mut after) {
        embedded::write_out(before, after);
    }
    ObjectDiff { key: change.key.clone(), lines: lines(before.as_ref(), after.as_ref(), known), fields }
}

/// The difference of two values that are no objects of a cluster and hold no Secrets, as text.
pub fn diff_values(before: Option<&Value>, after: Option<&Value>) -> Shown {
    text(&lines(before, after, &Known::default()))
}

/// Whether two states of an object are the same but for what only the server sets. Our marks count: without them it is
/// not ours.
pub fn same(before: &Value, after: &Value) -> bool {
    without_noise(before.clone()) == without_noise(after.clone())
}

/// Whether an object's status is a field like any other: then a manifest has kept it, or a manager holds it who wrote
/// the object itself.
fn has_plain_status(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let is_manifest = metadata.get("resourceVersion").is_none()
        && metadata.get("uid").is_none()
        && metadata.get("managedFields").is_none();
    let own = |entry: &Value| entry.get("subresource").is_none() && entry.pointer("/fieldsV1/f:status").is_some();
    is_manifest || metadata["managedFields"].as_array().is_some_and(|entries| entries.iter().any(own))
}

fn without_noise(mut object: Value) -> Value {
    let hides_status = !has_plain_status(&object);
    if let Some(object) = object.as_object_mut().filter(|_| hides_status) {
        object.shift_remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in NOISE {
            metadata.shift_remove(field);
        }
    }
    object
}

fn shown(object: Value) -> Value {
    let mut object = without_noise(object);
    marks::strip(&mut object);
    if let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") {
        annotations.shift_remove(LAST_APPLIED);
        if annotations.is_empty() {
            object["metadata"].as_object_mut().and_then(|metadata| metadata.shift_remove("annotations"));
        }
    }
    object
}

fn lines(before: Option<&Value>, after: Option<&Value>, known: &Known) -> Vec<Line> {
    let text = |value: Option<&Value>| value.map(yaml::lines).unwrap_or_default();
    let (before, after) = (text(before), text(after));
    let old: Vec<&str> = before.iter().map(String::as_str).collect();
    let new: Vec<&str> = after.iter().map(String::as_str).collect();
    let diff = TextDiff::configure().timeout(DEADLINE).diff_slices(&old, &new);
    let mut lines = Vec::new();
    let mut shown_to = 0;
    for group in diff.grouped_ops(CONTEXT) {
        if group.first().is_some_and(|op| op.old_range().start > shown_to) {
            lines.push(Line { sign: Sign::Gap, text: Shown::default() });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Equal => Sign::Context,
                ChangeTag::Delete => Sign::Removed,
                ChangeTag::Insert => Sign::Added,
            };
            lines.push(Line { sign, text: known.hide(change.value()) });
        }
        shown_to = group.last().map_or(shown_to, |op| op.old_range().end);
    }
    if !lines.is_empty() && shown_to < old.len() {
        lines.push(Line { sign: Sign::Gap, text: Shown::default() });
    }
    lines
}

fn fields(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(before, after, "", &mut found);
    found.truncate(MOST_FIELDS);
    found
}

fn compare(before: &Value, after: &Value, path: &str, found: &mut Vec<String>) {
    match (before, after) {
        _ if before == after || found.len() > MOST_FIELDS => {}
        (Value::Object(old), Value::Object(new)) => {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            for name in old.keys().chain(added) {
                let path = field(path, name);
                match (old.get(name), new.get(name)) {
                    (Some(old), Some(new)) => compare(old, new, &path, found),
                    _ => found.push(path),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => compare_items(old, new, path, found),
        _ => found.push(path.to_owned()),
    }
}

pub(super) fn field(path: &str, name: &str) -> String {
    match name.contains(['.', '/', '[']) {
        true => format!("{path}[{name}]"),
        false if path.is_empty() => name.to_owned(),
        false => format!("{path}.{name}"),
    }
}

/// Items are known by their names where they have some, else by their places.
fn compare_items(old: &[Value], new: &[Value], path: &str, found: &mut Vec<String>) {
    let name = |item: &Value| item.get("name").and_then(Value::as_str).map(str::to_owned);
    let names = |items: &[Value]| items.iter().map(name).collect::<Option<Vec<_>>>();
    let (Some(old_names), Some(new_names)) = (names(old), names(new)) else {
        return compare_places(old, new, path, found);
    };
    let places = |names: &'_ [String]| -> HashMap<String, usize> {
        names.iter().enumerate().rev().map(|(place, name)| (name.clone(), place)).collect()
    };
    let (old_places, new_places) = (places(&old_names), places(&new_names));
    let added = new_names.iter().filter(|name| !old_places.contains_key(*name));
    let before = found.len();
    for name in old_names.iter().chain(added) {
        let path = format!("{path}[{name}]");
        match (old_places.get(name), new_places.get(name)) {
            (Some(at), Some(to)) => compare(&old[*at], &new[*to], &path, found),
            _ => found.push(path),
        }
    }
    if found.len() == before {
        found.push(path.to_owned());
    }
}

fn compare_places(old: &[Value], new: &[Value], path: &str, found: &mut Vec<String>) {
    if old.len() != new.len() {
        found.push(path.to_owned());
        return;
    }
    for (place, (old, new)) in old.iter().zip(new).enumerate() {
        compare(old, new, &format!("{path}[{place}]"), found);
    }
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
