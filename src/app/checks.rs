//! The rules for names and paths in a definition. Pure.

/// A label's value holds 63 characters, and names derived from an app's need some of them.
const LONGEST_NAME: usize = 53;

pub(super) fn check_name(name: &str) -> Result<(), String> {
    if name.len() > LONGEST_NAME {
        return Err(format!("metadata.name has {} characters; the limit is {LONGEST_NAME}", name.len()));
    }
    check_label(name).map_err(|rule| format!("metadata.name {name:?} is not a DNS label: {rule}"))
}

pub(super) fn check_namespace(name: &str) -> Result<(), String> {
    if name.len() > 63 {
        return Err("spec.destination.namespace has more than 63 characters".into());
    }
    check_label(name).map_err(|rule| format!("spec.destination.namespace {name:?} is not a DNS label: {rule}"))
}

/// RFC 1123, as Kubernetes uses it for names.
fn check_label(name: &str) -> Result<(), &'static str> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(inner) || name.starts_with('-') || name.ends_with('-') {
        return Err("use lower-case letters, digits and `-`, beginning and ending with a letter or digit");
    }
    Ok(())
}

pub(super) fn check_path(path: &str) -> Result<(), String> {
    let refuse = |rule| Err(format!("spec.source.path {path:?} {rule}; it is relative to the root of the repo"));
    if path.starts_with('/') {
        return refuse("is absolute");
    }
    if path.split('/').any(|part| part == "..") {
        return refuse("contains `..`");
    }
    if path.contains('\0') || path.len() > 1000 {
        return refuse("is not a path");
    }
    Ok(())
}
