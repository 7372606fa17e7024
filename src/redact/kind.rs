//! Which objects hold secrets.

use serde_json::Value;

use crate::manifest::ObjectKey;

/// Whether the values of such an object are never shown. A kind with a slip in its name, or of a group that none is, is
/// meant as a Secret too; a custom resource that is called so has a group with a dot, and says what it wants in clear.
pub fn is_secret_kind(group: &str, kind: &str) -> bool {
    !group.contains('.') && kind.to_lowercase().contains("secret")
}

/// The same of an object, whose fields may tell more than its kind.
pub fn holds_secrets(key: &ObjectKey, object: &Value) -> bool {
    let has_string_data =
        || object.as_object().is_some_and(|fields| fields.keys().any(|name| name.eq_ignore_ascii_case("stringData")));
    is_secret_kind(&key.group, &key.kind) || (!key.group.contains('.') && has_string_data())
}
