//! The values of the Secrets of a plan, and where they stand in other texts.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::HIDDEN;
use super::forms::{self, Form, How};
use super::secret::holds_secrets;
use super::shown::Shown;
use crate::manifest::ObjectKey;

/// Values that must not be shown. Comparing and searching is all that can be done with them.
#[derive(Default)]
pub struct Known {
    search: Search,
    reach: Vec<How>,
}

#[derive(Default)]
enum Search {
    #[default]
    Nothing,
    These(AhoCorasick),
    /// There is more than can be searched for, so that no text is known to be free of it.
    Everything,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("forms", &self.reach.len()).finish_non_exhaustive()
    }
}

impl Known {
    /// The values of those of these objects that are Secrets. Names that are shown anyway, such as a namespace, are no secrets.
    pub fn of<'a>(objects: impl IntoIterator<Item = (&'a ObjectKey, &'a Value)>) -> Self {
        let (mut values, mut names) = (Vec::new(), std::collections::HashSet::new());
        for (key, object) in objects {
            names.extend([key.name.to_lowercase(), key.namespace.as_deref().unwrap_or_default().to_lowercase()]);
            if holds_secrets(key, object) {
                collect(object, &mut values);
            }
        }
        values.sort_unstable();
        values.dedup();
        let mut all = Vec::new();
        for value in values {
            let is_name = std::str::from_utf8(&value).is_ok_and(|text| names.contains(&text.trim().to_lowercase()));
            if !is_name {
                forms::of(&value, &mut all);
            }
        }
        Self::search_for(all)
    }

    fn search_for(mut all: Vec<Form>) -> Self {
        all.sort_by(|a, b| a.text.cmp(&b.text));
        all.dedup_by(|a, b| a.text == b.text && a.how == b.how);
        if all.is_empty() {
            return Self::default();
        }
        // Encodings differ in the case of their letters, and templates change it.
        let mut builder = AhoCorasickBuilder::new();
        let search = builder.match_kind(MatchKind::Standard).ascii_case_insensitive(true).build(all.iter().map(|form| &form.text));
        Self { search: search.map_or(Search::Everything, Search::These), reach: all.into_iter().map(|form| form.how).collect() }
    }

    pub fn is_empty(&self) -> bool {
        matches!(self.search, Search::Nothing)
    }

    /// The text with every value taken out.
    pub fn hide(&self, text: &str) -> Shown {
        let search = match &self.search {
            Search::Nothing => return Shown::new(text.to_owned()),
            Search::Everything => return Shown::from(HIDDEN),
            Search::These(search) => search,
        };
        let found = search.find_overlapping_iter(text);
        let mut hidden: Vec<_> =
            found.filter_map(|found| reach(text, found.start(), found.end(), self.reach[found.pattern().as_usize()])).collect();
        hidden.sort_unstable();
        let (mut out, mut at) = (String::with_capacity(text.len()), 0);
        for (start, end) in merged(hidden) {
            out.push_str(&text[at..start]);
            out.push_str(HIDDEN);
            at = end;
        }
        out.push_str(&text[at..]);
        Shown::new(out)
    }
}

/// Ranges that touch, as one.
fn merged(sorted: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for (start, end) in sorted {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// How far a match reaches, or nothing where it does not count.
fn reach(text: &str, start: usize, end: usize, how: How) -> Option<(usize, usize)> {
    let (before, after) = (&text[..start], &text[end..]);
    match how {
        How::Anywhere => Some((start, end)),
        How::Alone => {
            let beside = [before.chars().next_back(), after.chars().next()];
            (!beside.into_iter().flatten().any(char::is_alphanumeric)).then_some((start, end))
        }
        How::Run => {
            let is_part = |char: char| char.is_ascii_alphanumeric() || "+/_=-%".contains(char);
            let from = before.trim_end_matches(is_part).len();
            let to = text.len() - after.trim_start_matches(is_part).len();
            Some((from, to))
        }
    }
}

/// Everything that a Secret says besides what it is and what describes it.
fn collect(object: &Value, values: &mut Vec<Vec<u8>>) {
    for (name, value) in object.as_object().into_iter().flatten() {
        match name.as_str() {
            "apiVersion" | "kind" | "metadata" | "type" | "immutable" | "status" => {}
            _ => scalars(value, values),
        }
    }
}

fn scalars(value: &Value, values: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text) => {
            values.push(text.clone().into_bytes());
            let packed: String = text.split_whitespace().collect();
            values.extend(STANDARD.decode(packed).ok());
        }
        Value::Number(number) => values.push(number.to_string().into_bytes()),
        Value::Array(items) => items.iter().for_each(|item| scalars(item, values)),
        Value::Object(fields) => fields.values().for_each(|value| scalars(value, values)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
#[path = "known_tests.rs"]
pub(crate) mod tests;
