//! Texts inside of objects that have a form of their own: a dashboard of a megabyte in one line is compared as what it is, not as one line.

use serde_json::Value;

/// Writes out, on both sides, the texts that differ and are JSON, so that a change of one value in them is a change of one line. Where they
/// differ in their blanks alone they stay as they are, as that is the change then.
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
            let written = in_lines(old).zip(in_lines(new)).filter(|(old, new)| old != new);
            if let Some(written) = written {
                (*old, *new) = written;
            }
        }
        _ => {}
    }
}

/// JSON with a line for each value; other texts with line breaks that can be shown as such.
fn in_lines(text: &str) -> Option<String> {
    let start = text.trim_start();
    if start.starts_with(['{', '[']) {
        let value: Value = serde_json::from_str(text).ok()?;
        return serde_json::to_string_pretty(&value).ok();
    }
    text.contains("\r\n").then(|| text.replace("\r\n", "\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// P1: values that are JSON are compared as JSON.
    #[test]
    fn json_in_a_text_is_written_out_where_it_differs() {
        let panel = |threshold: u32| json!({"panels": [{"title": "a"}, {"threshold": threshold}]}).to_string();
        let (mut before, mut after) = (json!({"data": {"d.json": panel(90)}}), json!({"data": {"d.json": panel(9000)}}));
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
}
