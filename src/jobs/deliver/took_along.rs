//! The objects that a deletion also deletes: everything in a Namespace, all objects of a CRD's kind. Pure.

use crate::manifest::ObjectKey;
use crate::plan::contents::has_contents;

/// How many objects a message names.
const NAMED: usize = 3;

fn is_in(key: &ObjectKey, holder: &ObjectKey) -> bool {
    match holder.kind.as_str() {
        "Namespace" => key.namespace.as_ref() == Some(&holder.name),
        // A CRD is named `PLURAL.GROUP`.
        _ => {
            !key.group.is_empty()
                && holder
                    .name
                    .split_once('.')
                    .is_some_and(|(plural, group)| group == key.group && is_plural(plural, &key.kind))
        }
    }
}

/// Plurals are regular as good as always; one that is not is found by the next look.
fn is_plural(plural: &str, kind: &str) -> bool {
    let kind = kind.to_lowercase();
    let stem = kind.strip_suffix('y').unwrap_or(&kind);
    plural == kind || plural == format!("{kind}s") || plural == format!("{kind}es") || plural == format!("{stem}ies")
}

/// Which of the wanted objects are gone with those that were deleted.
pub(in crate::jobs) fn lost<'k>(gone: &[ObjectKey], wanted: &'k [ObjectKey]) -> Vec<&'k ObjectKey> {
    let holders: Vec<&ObjectKey> = gone.iter().filter(|key| has_contents(key)).collect();
    wanted.iter().filter(|key| holders.iter().any(|holder| is_in(key, holder))).collect()
}

/// The same in words, and what to do about it.
pub(in crate::jobs) fn text(gone: &[ObjectKey], wanted: &[ObjectKey]) -> Option<String> {
    let holders: Vec<&ObjectKey> = gone.iter().filter(|key| has_contents(key)).collect();
    let lost: Vec<String> = lost(gone, wanted).iter().map(ToString::to_string).collect();
    if lost.is_empty() {
        return None;
    }
    let named = lost.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = lost.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let holders: Vec<String> = holders.iter().map(ToString::to_string).collect();
    let objects = if lost.len() == 1 { "1 object".to_owned() } else { format!("{} objects", lost.len()) };
    Some(format!(
        "deleting {} also deleted {objects} that Git still has: {named}{more}. Remove them from Git, or restore {}",
        holders.join(", "),
        holders.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectKey {
        ObjectKey {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            namespace: namespace.map(Into::into),
            name: name.into(),
        }
    }

    /// T13: what goes with a Namespace or a CRD is named, and nothing else.
    #[test]
    fn what_goes_with_a_namespace_or_a_crd() {
        let namespace = key("", "Namespace", None, "shop");
        let wanted = [key("", "ConfigMap", Some("shop"), "a"), key("", "ConfigMap", Some("other"), "a")];
        insta::assert_snapshot!(
            text(std::slice::from_ref(&namespace), &wanted).expect("lost"),
            @"deleting Namespace shop also deleted 1 object that Git still has: ConfigMap shop/a. Remove them from Git, or restore Namespace shop"
        );
        assert_eq!(text(&[namespace], &wanted[1..]), None);
        let crd = key("apiextensions.k8s.io", "CustomResourceDefinition", None, "policies.example.test");
        assert!(text(std::slice::from_ref(&crd), &[key("example.test", "Policy", Some("x"), "a")]).is_some());
        assert_eq!(text(&[crd], &[key("example.test", "Widget", Some("x"), "a")]), None);
        assert_eq!(text(&[key("", "ConfigMap", Some("shop"), "a")], &wanted), None);
    }
}
