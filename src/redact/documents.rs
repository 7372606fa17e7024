//! Manifests that are a text in another object, and what may be shown of a Secret in them. Pure.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use serde_json::Value;

use super::HIDDEN;
use super::forms::assigned;
use crate::yaml::{self, Document};

/// Without one of these a text is no Secret.
const MARKS: [&str; 2] = ["secret", "stringdata"];
static MARKED: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().ascii_case_insensitive(true).build(MARKS).ok());
/// A longer text is not parsed, but looked at line by line.
const LONGEST: usize = 2 << 20;

/// Whose values say what a Secret is and not what it holds.
const SHOWN: [&str; 6] = ["apiVersion", "kind", "name", "namespace", "type", "immutable"];

/// One document of a text that may be a Secret, with the line that ends it.
pub(super) struct Found<'a> {
    pub text: &'a str,
    pub parsed: Option<Value>,
}

/// The documents of a text, if any of them may be a Secret.
pub(super) fn of(text: &str) -> Vec<Found<'_>> {
    if !may_be_secret(text) {
        return Vec::new();
    }
    let found = |text| Found { text, parsed: parsed(text) };
    if is_json(text) { vec![found(text)] } else { split(text).into_iter().map(found).collect() }
}

fn may_be_secret(text: &str) -> bool {
    text.contains(':') && MARKED.as_ref().is_none_or(|marks| marks.is_match(text))
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// Cut after the lines that end a document.
fn split(text: &str) -> Vec<&str> {
    let (mut found, mut start, mut end) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        end += line.len();
        if is_end(line) {
            found.push(&text[start..end]);
            start = end;
        }
    }
    found.push(&text[start..]);
    found
}

fn is_end(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.trim().is_empty() || rest.trim_start().starts_with('#'))
}

/// Maps and lists alone: a sentence is YAML, too.
fn parsed(text: &str) -> Option<Value> {
    if !may_be_secret(text) || text.len() > LONGEST {
        return None;
    }
    let json = || serde_json::from_str(text).ok();
    let yaml = || {
        let text = text.rfind("---").filter(|at| text[..*at].ends_with('\n')).map_or(text, |at| &text[..at]);
        yaml::parse(Document { text, first_line: 0 }).ok()
    };
    let value: Option<Value> = if is_json(text) { json().or_else(yaml) } else { yaml() };
    value.filter(|value| value.is_object() || value.is_array())
}

/// Whether a document that cannot be parsed, such as a template, has the lines of a Secret.
pub(super) fn looks_like_secret(text: &str) -> bool {
    let lines = || text.lines().filter_map(key_of);
    let is_kind = |(key, value): (&str, &str)| key == "kind" && value.to_lowercase().contains("secret");
    may_be_secret(text)
        && (lines().any(|(key, _)| key.eq_ignore_ascii_case("stringData"))
            || lines().any(is_kind) && lines().any(|(key, _)| is_holder(key)))
}

fn is_holder(key: &str) -> bool {
    ["data", "stringData", "binaryData"].iter().any(|holder| holder.eq_ignore_ascii_case(key))
}

/// `key: value` of a line, without the dash of an item, quotes and a comma.
fn key_of(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start_matches(|char: char| char.is_whitespace() || char == '-');
    let (key, value) = line.split_once(':')?;
    let key = key.trim().trim_matches(['"', '\'']);
    let is_name = !key.is_empty() && key.chars().all(|char| char.is_ascii_alphanumeric() || "-_./".contains(char));
    let value_begins = value.is_empty() || value.starts_with([' ', '\t', '\r']);
    (is_name && value_begins).then(|| (key, value.trim().trim_end_matches(',').trim_matches(['"', '\''])))
}

/// What [`masked`] leaves out of a text that cannot be parsed and may be a value of its own.
pub(super) fn hidden_values(text: &str) -> Vec<&str> {
    let mut values = Vec::new();
    walk(text, false, &mut |line| {
        if let Line::Value { value, .. } | Line::Text { value, .. } = line
            && !value.starts_with(['|', '>'])
        {
            values.push(value);
            values.extend(assigned(value).map(|(_, value)| value));
        }
    });
    values
}

/// A document that is a Secret, or has one, without its values: names of fields stay, and what says what it is. Of one
/// that cannot be parsed, which may be a manual with an example, all stays but what `data` holds.
pub(super) fn masked(text: &str, is_parsed: bool) -> String {
    let mut out = String::with_capacity(text.len());
    walk(text, is_parsed, &mut |line| match line {
        Line::Shown(line) => out.push_str(line),
        Line::Value { before, end, .. } => out.push_str(&format!("{before} {HIDDEN}{end}")),
        Line::Text { indent, end, .. } => out.push_str(&format!("{indent}{HIDDEN}{end}")),
    });
    out
}

enum Line<'a> {
    Shown(&'a str),
    /// A field and its value.
    Value {
        before: &'a str,
        value: &'a str,
        end: &'a str,
    },
    /// A line of a longer value, a comment, or something else that is not known.
    Text {
        indent: &'a str,
        value: &'a str,
        end: &'a str,
    },
}

fn walk<'a>(text: &'a str, is_parsed: bool, take: &mut dyn FnMut(Line<'a>)) {
    // Within what holds values, and within a value of several lines, by how far what they are in is indented.
    let (mut holder, mut block): (Option<usize>, Option<usize>) = (None, None);
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_end_matches(['\n', '\r']);
        let end = &whole[line.len()..];
        if line.trim().is_empty() || is_end(line) {
            take(Line::Shown(whole));
            continue;
        }
        let depth = line.len() - line.trim_start_matches([' ', '\t', '-']).len();
        let indent = &line[..line.len() - line.trim_start().len()];
        holder = holder.filter(|holder| depth > *holder);
        block = block.filter(|block| depth > *block);
        let is_within = is_parsed || holder.is_some();
        let text = if is_within { Line::Text { indent, value: line.trim(), end } } else { Line::Shown(whole) };
        let Some((key, value)) = key_of(line).filter(|_| block.is_none()) else {
            take(text);
            continue;
        };
        if value.starts_with(['|', '>']) {
            block = Some(depth);
        } else if value.is_empty() && is_holder(key) {
            holder = holder.or(Some(depth));
        }
        let is_shown = SHOWN.contains(&key) && holder.is_none() && !value.contains(['{', '[']);
        let colon = line.find(':').unwrap_or(line.len() - 1);
        if value.is_empty() || is_shown || !is_within && !is_holder(key) {
            take(Line::Shown(whole));
        } else {
            take(Line::Value { before: &line[..=colon], value, end });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S1+: a Secret as a text keeps its names and loses its values, whatever they are called.
    #[test]
    fn the_lines_of_a_secret_are_masked() {
        let text = "# of shop\napiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  labels: {a: b}\nstringData:\n  \
                    name: hunter2\n  \"file\": |\n    kind: x\n    plain\n  a:\n    two\nother: [x]\n---\n";
        let shown = "(hidden)\napiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  labels: (hidden)\nstringData:\n  \
                     name: (hidden)\n  \"file\": (hidden)\n    (hidden)\n    (hidden)\n  a:\n    (hidden)\nother: \
                     (hidden)\n---\n";
        assert_eq!(masked(text, true), shown);
        assert!(looks_like_secret(text));
    }

    /// S1+: of a manual or a template only what the Secret in it holds is masked.
    #[test]
    fn what_is_beside_a_secret_in_a_manual_stays() {
        let text = "Make a Secret: like this\n\n    kind: Secret\n    metadata:\n      name: db\n    data:\n      p: \
                    hunter2\n    type: Opaque\n\nThen: wait.\n";
        let shown = text.replace("hunter2", "(hidden)");
        assert!(looks_like_secret(text));
        assert_eq!(masked(text, false), shown);
        assert_eq!(hidden_values(text), ["hunter2"]);
    }

    #[test]
    fn what_tells_of_secrets_is_none() {
        for text in [
            "kind: Secret\nname: db\n",
            "Each kind: Secret has data.",
            "kind: ConfigMap\ndata:\n  secret: x\n",
            "{\"kind\": \"Secret\", \"name\": \"db\"}",
        ] {
            assert!(!looks_like_secret(text), "{text}");
        }
    }
}
