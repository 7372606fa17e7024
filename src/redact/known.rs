//! The values of the Secrets of a plan, and where they stand in other texts.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::HIDDEN;
use super::forms;
use super::kind::holds_secrets;
use super::pieces;
use super::search::{How, Search, Texts};
use super::shown::Shown;
use crate::manifest::ObjectKey;

/// A value in base64 of this length is known by its bytes: its text is one of the forms of these.
const PACKED: usize = 16;

/// Values that must not be shown. Comparing and searching is all that can be done with them.
#[derive(Default)]
pub struct Known(Values);

#[derive(Default)]
enum Values {
    #[default]
    Nothing,
    These(Box<Search>),
    /// There is more than can be searched for, so that no text is known to be free of it.
    TooMany,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let forms = match &self.0 {
            Values::These(search) => search.len(),
            Values::Nothing | Values::TooMany => 0,
        };
        f.debug_struct("Known").field("forms", &forms).finish_non_exhaustive()
    }
}

impl Known {
    /// The values of those of these objects that are Secrets. Names that are shown anyway, such as a namespace, are no
    /// secrets.
    ///
    /// This and [`Known::hide`] compute for as long as there are values and text: callers on a runtime use
    /// `lifecycle::beside`.
    pub fn of<'a>(objects: impl IntoIterator<Item = (&'a ObjectKey, &'a Value)>) -> Self {
        let (mut values, mut names) = (Vec::new(), HashSet::new());
        for (key, object) in objects {
            names.extend([key.name.to_lowercase(), key.namespace.as_deref().unwrap_or_default().to_lowercase()]);
            if holds_secrets(key, object) {
                collect(object, &mut values);
            }
        }
        values.sort_unstable();
        values.dedup();
        let mut all = Texts::default();
        for value in &values {
            if !all.is_full() {
                forms::of(value, &|text| names.contains(&text.to_lowercase()), &mut all);
            }
        }
        parts(&values, &names, &mut all);
        match all.len() {
            _ if all.is_full() => Self(Values::TooMany),
            0 => Self::default(),
            _ => Self(Values::These(Box::new(Search::new(all)))),
        }
    }

    pub fn is_empty(&self) -> bool {
        matches!(self.0, Values::Nothing)
    }

    /// Whether there is more than can be searched for: then every text is withheld as a whole.
    pub fn withholds_all(&self) -> bool {
        matches!(self.0, Values::TooMany)
    }

    /// The text with every value taken out.
    pub fn hide(&self, text: &str) -> Shown {
        let search = match &self.0 {
            Values::Nothing => return Shown::new(text.to_owned()),
            Values::TooMany => {
                return if text.trim().is_empty() { Shown::new(text.to_owned()) } else { Shown::from(HIDDEN) };
            }
            Values::These(search) => search,
        };
        let (mut out, mut at) = (String::with_capacity(text.len()), 0);
        for (start, end) in merged(hidden(search, text)) {
            out.push_str(&text[at..start]);
            out.push_str(HIDDEN);
            at = end;
        }
        out.push_str(&text[at..]);
        Shown::new(out)
    }
}

/// Takes up what may be cut out of the values, as long as there is room beside the values themselves: first as it is,
/// then encoded.
fn parts(values: &[Vec<u8>], names: &HashSet<String>, all: &mut Texts) {
    let in_names: HashSet<&str> = names.iter().flat_map(|name| name.split(['-', '.'])).collect();
    let is_shown = |part: &str| {
        let part = part.to_lowercase();
        names.contains(&part) || in_names.contains(part.as_str())
    };
    for is_encoded in [false, true] {
        for text in values.iter().filter_map(|value| std::str::from_utf8(value).ok()) {
            if !all.has_room() {
                return;
            }
            for part in pieces::of(text, &is_shown) {
                if all.has_room() {
                    forms::of_part(&part, is_encoded, all);
                }
            }
        }
    }
}

/// What is to be hidden of a text, in order.
fn hidden(search: &Search, text: &str) -> Vec<(usize, usize)> {
    // Encodings differ in the case of their letters, and templates change it.
    let folded = text.to_ascii_lowercase();
    let [mut before, mut after] = [Runs { text, last: (0, 0) }, Runs { text, last: (0, 0) }];
    let mut hidden = Vec::new();
    for (at, _) in text.char_indices() {
        let begins = search.begins(&folded.as_bytes()[at..]);
        for (length, how) in &begins.found {
            let end = at + length;
            if *how != How::Alone || is_alone(text, at, end) {
                hidden.push((at, end));
            }
            if begins.runs {
                hidden.push((before.around(at).0, after.around(end).1));
            }
        }
    }
    hidden.sort_unstable();
    hidden
}

fn is_alone(text: &str, start: usize, end: usize) -> bool {
    let beside = [text[..start].chars().next_back(), text[end..].chars().next()];
    !beside.into_iter().flatten().any(char::is_alphanumeric)
}

/// Runs of the characters that an encoded or cut value consists of, each looked for once.
struct Runs<'a> {
    text: &'a str,
    last: (usize, usize),
}

impl Runs<'_> {
    /// The run that a place is in, at the beginning or at the end of.
    fn around(&mut self, place: usize) -> (usize, usize) {
        if place < self.last.0 || place > self.last.1 || self.last == (0, 0) {
            let is_part = |char: char| char.is_ascii_alphanumeric() || "+/_=-%".contains(char);
            let (before, after) = self.text.split_at(place);
            self.last =
                (before.trim_end_matches(is_part).len(), self.text.len() - after.trim_start_matches(is_part).len());
        }
        self.last
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
#[path = "known_tests.rs"]
pub(crate) mod tests;
