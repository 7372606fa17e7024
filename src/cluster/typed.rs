//! Rewords the type errors of the API server for people.

use std::borrow::Cow;

/// How the server's library prints a value that it did not expect.
const OPENS: &str = "got &value.valueUnstructured{Value:";

/// `.spec.replica: field not declared in schema`: a path and what is wrong with it.
pub(super) fn cause(line: &str) -> Option<(&str, Cow<'_, str>)> {
    let (field, message) = line.trim().split_once(": ")?;
    field.starts_with('.').then(|| (field, said(message)))
}

fn said(message: &str) -> Cow<'_, str> {
    let found = message
        .split_once(OPENS)
        .and_then(|(expected, found)| Some((expected.trim_end_matches(", "), found.strip_suffix('}')?)));
    let Some((expected, found)) = found else { return Cow::Borrowed(message) };
    let found = match found {
        _ if found.starts_with("map[") => "a map",
        _ if found.starts_with("[]interface") => "a list",
        "interface {}(nil)" | "<nil>" => "null",
        other => other,
    };
    let is_bare = found.parse::<f64>().is_ok() || matches!(found, "true" | "false");
    let cure = if expected == "expected string" && is_bare { ": put it in quotes" } else { "" };
    Cow::Owned(format!("{expected}, got {found}{cure}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P10+: nobody reads the insides of the server's library.
    #[test]
    fn a_value_is_told_as_it_was_written() {
        let told =
            |found: &str| said(&format!("expected string, got &value.valueUnstructured{{Value:{found}}}")).into_owned();
        assert_eq!(told("8080"), "expected string, got 8080: put it in quotes");
        assert_eq!(told("true"), "expected string, got true: put it in quotes");
        assert_eq!(told("map[string]interface {}{\"a\":\"b\"}"), "expected string, got a map");
        assert_eq!(told("[]interface {}{1}"), "expected string, got a list");
        assert_eq!(
            said("expected numeric (int or float), got &value.valueUnstructured{Value:\"three\"}"),
            "expected numeric (int or float), got \"three\""
        );
        assert_eq!(said("field not declared in schema"), "field not declared in schema");
        assert_eq!(said("got &value.valueUnstructured{Value:1"), "got &value.valueUnstructured{Value:1");
        assert_eq!(cause("errors:"), None);
        assert_eq!(
            cause("  .data.port: expected string, got &value.valueUnstructured{Value:1}").map(|(field, _)| field),
            Some(".data.port")
        );
    }
}
