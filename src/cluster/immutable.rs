//! The API server's messages about fields that cannot be changed in place.

/// Only these texts say that an object would have to be replaced. Any other refusal is a mistake in the manifest.
pub(super) fn is_immutable(reason: &str, message: &str) -> bool {
    if !matches!(reason, "FieldValueInvalid" | "FieldValueForbidden") {
        return false;
    }
    let text = message.trim_end();
    if reason == "FieldValueForbidden" && forbids_all_but_some(text) {
        return true;
    }
    // What stands after the value, which may be anything. A text that ends with the value says nothing about it.
    let why = text.rsplit_once(": ").map_or(text, |(_, why)| why).to_lowercase();
    !why.ends_with('"') && (why.contains("immutable") || SAID_OTHERWISE.iter().any(|known| why.contains(known)))
}

/// How the kinds say it that do not speak of immutable fields: a Service's address, the role of a binding, a
/// `PriorityClass`, a `StorageClass`.
const SAID_OTHERWISE: [&str; 6] = [
    "may not change once set",
    "cannot change roleref",
    "may not be changed in an update",
    "updates to parameters are forbidden",
    "updates to provisioner are forbidden",
    "updates to reclaimpolicy are forbidden",
];

/// The texts for a `StatefulSet`, a `PersistentVolumeClaim` and a `Pod` name the few fields that may change. Such a
/// text quotes no value.
fn forbids_all_but_some(text: &str) -> bool {
    let texts = [
        "updates to statefulset spec for fields other than",
        "spec is immutable after creation except",
        "is immutable after creation",
        "field is immutable when `immutable` is set",
        "pod updates may not change fields other than",
    ];
    texts.iter().any(|known| text.contains(known))
}
