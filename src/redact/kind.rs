//! The kinds of objects that contain secrets.

use serde_json::{Map, Value};

use crate::manifest::ObjectKey;

/// Whether the values of such an object are never shown. A kind with a slip in its name, or of a group that none is, is
/// meant as a Secret too; a custom resource that is called so has a group with a dot, and says what it wants in clear.
pub fn is_secret_kind(group: &str, kind: &str) -> bool {
    !group.contains('.') && kind.to_lowercase().contains("secret")
}

/// Whether an object is a Secret itself: its fields may tell more than its kind.
pub(super) fn is_secret(key: &ObjectKey, object: &Value) -> bool {
    is_secret_kind(&key.group, &key.kind) || object.as_object().is_some_and(has_string_data)
}

pub(super) fn has_string_data(fields: &Map<String, Value>) -> bool {
    let holds = |value: &Value| !value.is_null() && !value.is_boolean();
    fields.iter().any(|(name, value)| name.eq_ignore_ascii_case("stringData") && holds(value))
}
