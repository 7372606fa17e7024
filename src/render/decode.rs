//! Decodes a worker's objects into manifests, within a budget: a value takes many times the memory of its text.

use serde::Deserialize;
use serde_json::Value;

use super::error::Failure;
use crate::manifest::Manifest;

/// Values that one render may return. The worker refuses a little less, by object and file.
const MAX_VALUES: usize = 400_000;

/// An object as a worker returns it.
#[derive(Deserialize)]
struct Object {
    object: Value,
    origin: Option<String>,
}

/// Reads a JSON array of objects. Whatever is wrong with it is wrong with the input that was rendered: the same input
/// gives the same again.
pub(super) fn manifests(body: &[u8]) -> Result<Vec<Manifest>, Failure> {
    if values(body) > MAX_VALUES {
        let failure = Failure::new(format!("renders to more than {MAX_VALUES} values in all its objects"));
        return Err(failure.with_hint("split the app"));
    }
    let objects: Option<Vec<Object>> = serde_json::from_slice(body)
        .map_err(|error| Failure::new(format!("renders to objects that cannot be read: {error}")))?;
    let named = objects.unwrap_or_default().into_iter().map(|Object { mut object, origin }| {
        fit(&mut object);
        let file = origin.clone();
        Manifest::new(object, origin).map_err(|error| Failure { file, ..Failure::new(error.to_string()) })
    });
    named.collect()
}

/// Gives back what lists hold beyond their items, which is up to as much again: they grew as they were read.
fn fit(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.shrink_to_fit();
            items.iter_mut().for_each(fit);
        }
        Value::Object(fields) => fields.values_mut().for_each(fit),
        _ => {}
    }
}

/// The values in a JSON text, at most: each follows a comma or an opening bracket.
fn values(text: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (1, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X6: what the worker lets pass and we cannot read is the input's failure, not ours to retry.
    #[test]
    fn what_cannot_be_read_is_the_inputs_fault() {
        let deep = format!("{}{}", "[".repeat(150), "]".repeat(150));
        for (body, says) in [
            (
                format!(
                    r#"[{{"object": {{"apiVersion": "v1", "kind": "A", "metadata": {{"name": "a"}}, "x": {deep}}}}}]"#
                ),
                "recursion limit",
            ),
            (
                r#"[{"object": {"apiVersion": "v1", "kind": "A"}, "origin": "a.yaml"}]"#.to_owned(),
                "a.yaml: the object has no metadata.name",
            ),
            (format!("[{}]", vec!["0"; MAX_VALUES].join(",")), "more than 400000 values"),
        ] {
            let failure = manifests(body.as_bytes()).expect_err("it cannot be read");
            assert!(failure.to_string().contains(says), "{failure}");
        }
        assert_eq!(manifests(b"null"), Ok(Vec::new()));
    }

    #[test]
    fn values_are_counted_outside_of_text() {
        assert_eq!(values(br#"[1, "a,b[\",", {"c": [2, 3]}]"#), 7);
    }
}
