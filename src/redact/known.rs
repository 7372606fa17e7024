//! The values of the Secrets of a plan, and where they appear in other texts.

use std::collections::HashSet;

use serde_json::Value;

use super::HIDDEN;
use super::forms;
use super::nested;
use super::pieces;
use super::search::{How, Search, Texts};
use super::shown::Shown;
use super::squeezed;
use crate::manifest::ObjectKey;

/// Values that must not be shown. Comparing and searching is all that can be done with them.
#[derive(Default)]
pub struct Known(Values);

#[derive(Default)]
enum Values {
    #[default]
    Nothing,
    These(Box<Searches>),
    /// There is more than can be searched for, so that no text is known to be free of it.
    TooMany,
}

struct Searches {
    /// In a text as it is.
    plain: Search,
    /// In its letters and digits alone.
    squeezed: Search,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let forms = match &self.0 {
            Values::These(all) => all.plain.len() + all.squeezed.len(),
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
            nested::values(key, object, &mut values);
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
            _ => {
                let squeezed = squeezed::of(&values, &|text| names.contains(&text.to_lowercase()));
                let searches = Searches { plain: Search::new(all), squeezed: Search::new(squeezed) };
                Self(Values::These(Box::new(searches)))
            }
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
        let searches = match &self.0 {
            Values::Nothing => return Shown::new(text.to_owned()),
            Values::TooMany => {
                return if text.trim().is_empty() { Shown::new(text.to_owned()) } else { Shown::from(HIDDEN) };
            }
            Values::These(searches) => searches,
        };
        let (mut out, mut at) = (String::with_capacity(text.len()), 0);
        for (start, end) in merged(hidden(searches, text)) {
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
fn hidden(searches: &Searches, text: &str) -> Vec<(usize, usize)> {
    let mut hidden = as_written(&searches.plain, text);
    hidden.extend(squeezed(&searches.squeezed, text));
    hidden.sort_unstable();
    hidden
}

fn as_written(search: &Search, text: &str) -> Vec<(usize, usize)> {
    // Encodings differ in the case of their letters, and templates change it.
    let folded = text.to_ascii_lowercase();
    let [mut before, mut after] = [Runs::new(text, ENCODED), Runs::new(text, ENCODED)];
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
    hidden
}

/// What is found where a text says nothing but letters and digits, whatever a template has put between them.
fn squeezed(search: &Search, text: &str) -> Vec<(usize, usize)> {
    if search.len() == 0 {
        return Vec::new();
    }
    let letters = squeezed::squeeze(text);
    let folded = letters.bytes.to_ascii_lowercase();
    let [mut before, mut after] = [Runs::new(text, ESCAPED), Runs::new(text, ESCAPED)];
    let mut hidden = Vec::new();
    for at in 0..folded.len() {
        let Some((length, how)) = search.begins(&folded[at..]).found.first().copied() else { continue };
        let (start, end) = (letters.places[at].0, letters.places[at + length - 1].1);
        let is_run = how == How::Run;
        hidden.push(if is_run { (before.around(start).0, after.around(end).1) } else { (start, end) });
    }
    hidden
}

fn is_alone(text: &str, start: usize, end: usize) -> bool {
    let beside = [text[..start].chars().next_back(), text[end..].chars().next()];
    !beside.into_iter().flatten().any(char::is_alphanumeric)
}

/// What an encoded value consists of besides letters and digits, and one that a template has escaped.
const ENCODED: &str = "+/_=-%";
const ESCAPED: &str = "+/_=-%&#;$\\!~^*.@?";

/// Runs of the characters that an encoded or cut value consists of, each looked for once.
struct Runs<'a> {
    text: &'a str,
    signs: &'static str,
    last: (usize, usize),
}

impl<'a> Runs<'a> {
    fn new(text: &'a str, signs: &'static str) -> Self {
        Self { text, signs, last: (0, 0) }
    }

    /// The run that a place is in, at the beginning or at the end of.
    fn around(&mut self, place: usize) -> (usize, usize) {
        if place < self.last.0 || place > self.last.1 || self.last == (0, 0) {
            let is_part = |char: char| char.is_ascii_alphanumeric() || self.signs.contains(char);
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

#[cfg(test)]
#[path = "known_tests.rs"]
pub(crate) mod tests;
