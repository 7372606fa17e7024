//! The rules of a role that grant what is missing, ready to be copied. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::needs::Missing;

/// The order in which `deploy/base` has them.
const ORDER: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];

/// As a list of rules; what is missing within namespaces alone is granted by the same rules, bound there.
pub(super) fn rules(missing: &[Missing]) -> String {
    let mut verbs: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for missing in missing {
        verbs.entry((&missing.group, &missing.resource)).or_default().extend(missing.verbs.iter().map(String::as_str));
    }
    let mut resources: BTreeMap<(&str, Vec<&str>), Vec<&str>> = BTreeMap::new();
    for ((group, resource), verbs) in verbs {
        resources.entry((group, in_order(&verbs))).or_default().push(resource);
    }
    let mut text = String::new();
    for ((group, verbs), resources) in resources {
        let group = if group.is_empty() { "\"\"" } else { group };
        // Writing into a string can't fail.
        let _ = writeln!(
            text,
            "- apiGroups: [{group}]\n  resources: [{}]\n  verbs: [{}]",
            resources.join(", "),
            verbs.join(", ")
        );
    }
    text
}

pub(super) fn in_order<'v>(verbs: &BTreeSet<&'v str>) -> Vec<&'v str> {
    let place = |verb: &&str| ORDER.iter().position(|known| known == verb).unwrap_or(ORDER.len());
    let mut verbs: Vec<&str> = verbs.iter().copied().collect();
    verbs.sort_by_key(place);
    verbs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(group: &str, resource: &str, verbs: &[&str]) -> Missing {
        let verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        Missing {
            group: group.into(),
            resource: resource.into(),
            namespaces: Vec::new(),
            verbs,
            wanted_by: BTreeSet::new(),
        }
    }

    #[test]
    fn kinds_that_lack_the_same_share_a_rule() {
        let text = rules(&[
            missing("", "configmaps", &["delete", "create"]),
            missing("", "secrets", &["create", "delete"]),
            missing("", "services", &["get"]),
            missing("apps", "deployments", &["patch", "list"]),
            missing("apps", "deployments", &["create"]),
        ]);
        insta::assert_snapshot!(text, @r#"
        - apiGroups: [""]
          resources: [configmaps, secrets]
          verbs: [create, delete]
        - apiGroups: [""]
          resources: [services]
          verbs: [get]
        - apiGroups: [apps]
          resources: [deployments]
          verbs: [list, create, patch]
        "#);
    }
}
