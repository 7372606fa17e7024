//! Structured text inside objects: a dashboard of a megabyte in one line is compared by its content, not as one line.

use serde::de::IgnoredAny;
use serde_json::Value;

/// A text that is written out takes no more than this: blanks before each value of a deep one would take any memory.
const MOST_BYTES: usize = 8 * 1024 * 1024;
const MOST_LINES: usize = 200_000;

/// Writes out, on both sides, the texts that differ and are JSON, so that a change of one value in them is a change of
/// one line. Where they differ in their blanks alone they stay as they are, as that is the change then.
pub(super) fn write_out(before: &mut Value, after: &mut Value) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, old) in old.iter_mut() {
                if let Some(new) = new.get_mut(name) {
                    write_out(old, new);
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => old.iter_mut().zip(new).for_each(|(old, new)| write_out(old, new)),
        (Value::String(old), Value::String(new)) if old != new => {
            if let Some(written) = in_lines(old, new).filter(|(old, new)| old != new) {
                (*old, *new) = written;
            }
        }
        _ => {}
    }
}

/// Both texts with a line for each value, where they are JSON; other texts with line breaks that can be shown as such.
/// Nothing that differs is made to look the same.
fn in_lines(old: &str, new: &str) -> Option<(String, String)> {
    let is_json =
        |text: &str| text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_ok();
    if is_json(old) && is_json(new) {
        return Some((spread(old)?, spread(new)?));
    }
    if !old.contains('\r') && !new.contains('\r') {
        return None;
    }
    let count = |text: &str, of: &str| text.matches(of).count();
    let is_dos = |text: &str| count(text, "\r\n") == count(text, "\r") && count(text, "\r\n") == count(text, "\n");
    if is_dos(old) && is_dos(new) {
        return Some((old.replace("\r\n", "\n"), new.replace("\r\n", "\n")));
    }
    // They differ in their line breaks as well: each is shown, unless a text has the same two characters already.
    let visible = |text: &str| text.replace('\r', "\\r");
    let is_clear = !old.contains("\\r") && !new.contains("\\r");
    is_clear.then(|| (visible(old), visible(new)))
}

/// Valid JSON over several lines, token by token: keys that are there twice, the digits of a number and escapes stay as
/// they are. None where that is too much to read or to hold: it is compared as the text that it is.
fn spread(text: &str) -> Option<String> {
    let mut spread = String::with_capacity(text.len());
    let mut lines = 0;
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    let mut before = None;
    let mut line = |spread: &mut String, depth: usize| {
        lines += 1;
        spread.push('\n');
        spread.extend(std::iter::repeat_n("  ", depth));
    };
    for char in text.chars() {
        if spread.len() > MOST_BYTES {
            return None;
        }
        if is_quoted {
            spread.push(char);
            is_quoted = char != '"' || is_escaped;
            is_escaped = char == '\\' && !is_escaped;
            continue;
        }
        // Blanks between the tokens say nothing.
        if char.is_ascii_whitespace() {
            continue;
        }
        let is_first = matches!(before, Some('{' | '['));
        match char {
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !is_first {
                    line(&mut spread, depth);
                }
            }
            _ if is_first => line(&mut spread, depth),
            _ => {}
        }
        spread.push(char);
        match char {
            '{' | '[' => depth += 1,
            ',' => line(&mut spread, depth),
            ':' => spread.push(' '),
            '"' => is_quoted = true,
            _ => {}
        }
        before = Some(char);
    }
    (lines <= MOST_LINES).then_some(spread)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// P1: values that are JSON are compared as JSON.
    #[test]
    fn json_in_a_text_is_written_out_where_it_differs() {
        let panel = |threshold: u32| json!({"panels": [{"title": "a"}, {"threshold": threshold}]}).to_string();
        let (mut before, mut after) =
            (json!({"data": {"d.json": panel(90)}}), json!({"data": {"d.json": panel(9000)}}));
        write_out(&mut before, &mut after);
        let text = after["data"]["d.json"].as_str().expect("a text");
        assert!(text.contains("\n      \"threshold\": 9000\n"), "{text}");
        let (mut spaced, mut tight) = (json!("{\"a\": 1}"), json!("{\"a\":1}"));
        write_out(&mut spaced, &mut tight);
        assert_eq!((spaced, tight), (json!("{\"a\": 1}"), json!("{\"a\":1}")), "the blanks are the change");
        let (mut dos, mut other) = (json!("a\r\nb\r\n"), json!("a\r\nc\r\n"));
        write_out(&mut dos, &mut other);
        assert_eq!((dos, other), (json!("a\nb\n"), json!("a\nc\n")));
    }

    fn shown(old: &str, new: &str) -> (Value, Value) {
        let (mut old, mut new) = (json!(old), json!(new));
        write_out(&mut old, &mut new);
        (old, new)
    }

    /// X10+: a deep text takes no memory for the blanks before its values, and a long one none for its lines.
    #[test]
    fn what_is_too_much_to_write_out_stays_as_it_is() {
        let deep = |last: u32| format!("{}{}{last}{}", "[".repeat(100), "1,".repeat(100_000), "]".repeat(100));
        let (old, new) = shown(&deep(1), &deep(2));
        assert_eq!((old, new), (json!(deep(1)), json!(deep(2))));
        let long = |last: u32| format!("[{}{last}]", "1,".repeat(MOST_LINES));
        assert_eq!(shown(&long(1), &long(2)).1, json!(long(2)));
    }

    /// P1+: what is shown is what is applied: keys that are there twice, every digit of a number, escapes, line breaks.
    #[test]
    fn nothing_is_lost_in_writing_out() {
        let twice = r#"{"a":2,"role":"admin","role":"user","n":[ ], "o":{}}"#;
        let (_, new) = shown(r#"{"a":1,"role":"user"}"#, twice);
        assert_eq!(
            new,
            json!("{\n  \"a\": 2,\n  \"role\": \"admin\",\n  \"role\": \"user\",\n  \"n\": [],\n  \"o\": {}\n}")
        );
        let (old, new) = shown("[12345678901234567890123, 1e400]", "[12345678901234567890124, 1e400]");
        assert_eq!(
            (old, new),
            (json!("[\n  12345678901234567890123,\n  1e400\n]"), json!("[\n  12345678901234567890124,\n  1e400\n]"))
        );
        let (old, new) = shown(r#"{"a":"\u0061 \"{,:"}"#, r#"{"a":"a \"{,:"}"#);
        assert_eq!((old, new), (json!("{\n  \"a\": \"\\u0061 \\\"{,:\"\n}"), json!("{\n  \"a\": \"a \\\"{,:\"\n}")));
        // A carriage return that goes is a change that can be seen.
        assert_eq!(shown("a\r\nb\n", "a\nb\n"), (json!("a\\r\nb\n"), json!("a\nb\n")));
        assert_eq!(shown("a\r\nb\r\n", "a\r\nb\n"), (json!("a\\r\nb\\r\n"), json!("a\\r\nb\n")));
        assert_eq!(
            shown("a\r\nb\\r\n", "a\nb\\r\n"),
            (json!("a\r\nb\\r\n"), json!("a\nb\\r\n")),
            "which is which would not be seen"
        );
    }
}
