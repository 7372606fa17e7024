//! Writes an object as lines for people to read and compare: YAML in a fixed order, one line per value, so that a
//! changed value is a changed line. It is never parsed again.

use serde_json::{Map, Value};

/// Fields that come before the others, as people write them.
const FIRST: [&str; 6] = ["apiVersion", "kind", "metadata", "name", "namespace", "type"];

pub fn lines(value: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    match value {
        Value::Object(fields) => object(fields, 0, &mut lines),
        other => lines.push(scalar(other)),
    }
    lines
}

fn object(fields: &Map<String, Value>, depth: usize, lines: &mut Vec<String>) {
    for (name, value) in in_order(fields) {
        entry(&format!("{}{}:", "  ".repeat(depth), key(name)), value, depth, lines);
    }
}

fn in_order(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = fields.iter().collect();
    let place = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    entries.sort_by(|(a, _), (b, _)| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
    entries
}

/// A value after what stands before it on its line.
fn entry(before: &str, value: &Value, depth: usize, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            lines.push(before.to_owned());
            object(fields, depth + 1, lines);
        }
        Value::Array(items) if !items.is_empty() => {
            lines.push(before.to_owned());
            for value in items {
                item(value, depth, lines);
            }
        }
        Value::String(text) if text.contains('\n') && is_plain_block(text) => block(before, text, depth, lines),
        other => lines.push(format!("{before} {}", scalar(other))),
    }
}

fn item(value: &Value, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let start = lines.len();
            object(fields, depth + 1, lines);
            // The first field stands on the dash's line.
            lines[start].replace_range(..indent.len() + 2, &format!("{indent}- "));
        }
        Value::Array(_) | Value::Object(_) => lines.push(format!("{indent}- {value}")),
        other => entry(&format!("{indent}-"), other, depth, lines),
    }
}

fn block(before: &str, text: &str, depth: usize, lines: &mut Vec<String>) {
    let (chomp, text) = match text.strip_suffix('\n') {
        Some(text) => ("|", text),
        None => ("|-", text),
    };
    lines.push(format!("{before} {chomp}"));
    let indent = "  ".repeat(depth + 1);
    lines.extend(text.split('\n').map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") }));
}

/// Control characters would be read as something else where the lines are shown.
fn is_plain_block(text: &str) -> bool {
    text.chars().all(|char| char == '\n' || char == '\t' || !char.is_control())
}

fn key(name: &str) -> String {
    if is_plain(name) { name.to_owned() } else { Value::from(name).to_string() }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a text reads as itself without quotes: neither as another type nor as a part of YAML's own marks.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 12] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~", ".nan", ".inf"];
    let start = text.chars().next().is_some_and(|char| char.is_alphabetic() || "/._(".contains(char));
    start
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.chars().any(char::is_control)
        && !WORDS.contains(&text.to_lowercase().as_str())
        && text.parse::<f64>().is_err()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_reads_as_people_write_it() {
        let object = json!({
            "spec": {"ports": [{"port": 80, "name": "http"}, {"port": 443}], "args": ["-v", "3", "a b"], "none": [],
            "deep": [[1, 2]]},
            "kind": "Service", "metadata": {"name": "web", "annotations": {"a.b/c": "true", "1": ""}},
            "apiVersion": "v1",
            "data": {"file": "one\n\n  two\n", "last": "a\nb", "odd": "a\u{7}\nb", "time": "12:30"},
        });
        insta::assert_snapshot!(lines(&object).join("\n"));
    }
}
