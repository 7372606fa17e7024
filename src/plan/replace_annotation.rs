//! The annotation with which a manifest allows its object to be deleted and created again if a field cannot be changed.
//! Pure.

use serde_json::Value;

/// Asks for it: `"true"`. Anything else but `"false"` is an error, as a wish that is misread deletes or keeps what it
/// should not.
pub const REPLACE_ANNOTATION: &str = "driftless.dev/replace";

/// Whether a manifest asks to be replaced; the error says what its annotation says instead of that.
pub(super) fn asks_for_it(manifest: &Value) -> Result<bool, String> {
    let annotations = manifest.pointer("/metadata/annotations");
    match annotations.and_then(|annotations| annotations.get(REPLACE_ANNOTATION)) {
        None => Ok(false),
        Some(Value::String(text)) if text == "true" => Ok(true),
        Some(Value::String(text)) if text == "false" => Ok(false),
        Some(other) => Err(format!("The annotation {REPLACE_ANNOTATION} is {other}: use \"true\" or \"false\".")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_clear_wish_counts() {
        let of = |value: Value| asks_for_it(&json!({"metadata": {"annotations": {REPLACE_ANNOTATION: value}}}));
        assert_eq!(asks_for_it(&json!({"metadata": {}})), Ok(false));
        assert_eq!((of(json!("true")), of(json!("false"))), (Ok(true), Ok(false)));
        for wrong in [json!("yes"), json!(true), json!("True"), json!("")] {
            assert!(of(wrong.clone()).is_err(), "{wrong}");
        }
        insta::assert_snapshot!(of(json!("Force=true")).expect_err("wrong"),
            @r#"The annotation driftless.dev/replace is "Force=true": use "true" or "false"."#);
    }
}
