//! What a repo may change. It is part of the server's configuration, and nothing in Git can extend it.

use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

use crate::class::{Class, Classified};
use crate::ids::{ClusterName, RepoName};
use crate::manifest::ObjectId;

/// Grants for one repo; what is not listed is refused, and an empty list grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Allow {
    pub clusters: Vec<Pattern>,
    /// Namespaces whose objects the repo's apps may write. A Namespace object counts as its own name here.
    pub namespaces: Vec<Pattern>,
    pub cluster_scoped: Vec<ClusterScoped>,
}

/// A kind of cluster-scoped objects, and the names among them. `group` is left out for any group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterScoped {
    #[serde(default)]
    pub group: Option<String>,
    pub kind: Pattern,
    #[serde(default = "Pattern::any")]
    pub name: Pattern,
}

/// A name in which `*` stands for any characters and `?` for one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(GlobMatcher);

impl Pattern {
    pub fn any() -> Self {
        Self(Glob::new("*").expect("a star is a pattern").compile_matcher())
    }

    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.glob() == other.0.glob()
    }
}

impl Eq for Pattern {}

impl TryFrom<String> for Pattern {
    type Error = globset::Error;

    fn try_from(text: String) -> Result<Self, globset::Error> {
        Ok(Self(Glob::new(&text)?.compile_matcher()))
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.glob().glob().to_owned()
    }
}

/// What is not allowed, and which list of the configuration would allow it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error(
    "{what} is not allowed for repo {repo}: no entry of repos[{repo}].{} matches {name:?}; a Driftless administrator \
     can add one", list(.rule))]
pub struct Refusal {
    pub repo: String,
    pub what: String,
    /// The list within `allow`, by its name in the configuration, or `mayRead`.
    pub rule: String,
    pub name: String,
}

fn list(rule: &str) -> String {
    if rule == "mayRead" { rule.to_owned() } else { format!("allow.{rule}") }
}

impl Classified for Refusal {
    fn class(&self) -> Class {
        Class::Fail
    }
}

impl Allow {
    pub fn cluster(&self, repo: &RepoName, cluster: &ClusterName) -> Result<(), Refusal> {
        let granted = self.clusters.iter().any(|pattern| pattern.matches(cluster.as_str()));
        granted.then_some(()).ok_or_else(|| refusal(repo, format!("cluster {cluster}"), "clusters", cluster.as_str()))
    }

    /// Whether an app may name a namespace as its destination. A repo that may write in none has only apps of
    /// cluster-scoped objects, which the destination's namespace means nothing to.
    pub fn destination(&self, repo: &RepoName, namespace: &str) -> Result<(), Refusal> {
        let granted = self.namespaces.is_empty() || self.namespaces.iter().any(|pattern| pattern.matches(namespace));
        granted
            .then_some(())
            .ok_or_else(|| refusal(repo, format!("destination namespace {namespace}"), "namespaces", namespace))
    }

    /// Whether an object may be written or deleted. The id is complete: None as its namespace says that it is
    /// cluster-scoped.
    pub fn object(&self, repo: &RepoName, id: &ObjectId) -> Result<(), Refusal> {
        let is_namespace = id.group.is_empty() && id.kind == "Namespace";
        match id.namespace.as_deref().or(is_namespace.then_some(&id.name)) {
            Some(namespace) => {
                let granted = self.namespaces.iter().any(|pattern| pattern.matches(namespace));
                granted.then_some(()).ok_or_else(|| refusal(repo, id.to_string(), "namespaces", namespace))
            }
            None => {
                let granted = self.cluster_scoped.iter().any(|entry| entry.grants(id));
                granted.then_some(()).ok_or_else(|| refusal(repo, id.to_string(), "clusterScoped", &id.to_string()))
            }
        }
    }
}

impl ClusterScoped {
    fn grants(&self, id: &ObjectId) -> bool {
        self.group.as_ref().is_none_or(|group| *group == id.group)
            && self.kind.matches(&id.kind)
            && self.name.matches(&id.name)
    }
}

fn refusal(repo: &RepoName, what: String, rule: &str, name: &str) -> Refusal {
    Refusal { repo: repo.to_string(), what, rule: rule.to_owned(), name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow() -> Allow {
        serde_json::from_value(serde_json::json!({
            "clusters": ["prod"],
            "namespaces": ["shop-*"],
            "clusterScoped": [{"kind": "ClusterRole", "name": "shop:*"}],
        }))
        .expect("a valid list")
    }

    fn id(kind: &str, namespace: Option<&str>, name: &str) -> ObjectId {
        ObjectId { group: String::new(), kind: kind.into(), namespace: namespace.map(Into::into), name: name.into() }
    }

    #[test]
    fn what_is_listed_is_granted_and_nothing_else() {
        let (allow, repo) = (allow(), RepoName::new("shop"));
        for granted in [
            id("ConfigMap", Some("shop-eu"), "a"),
            id("Namespace", None, "shop-eu"),
            id("ClusterRole", None, "shop:view"),
        ] {
            assert_eq!(allow.object(&repo, &granted), Ok(()));
        }
        for refused in [
            id("ConfigMap", Some("shop"), "a"),
            id("Namespace", None, "kube-system"),
            id("ClusterRole", None, "admin"),
            id("Node", None, "n"),
        ] {
            assert!(allow.object(&repo, &refused).is_err(), "{refused}");
        }
        assert!(allow.cluster(&repo, &ClusterName::new("prod")).is_ok());
        assert!(allow.cluster(&repo, &ClusterName::new("production")).is_err());
        assert!(Allow::default().cluster(&repo, &ClusterName::new("prod")).is_err());
    }

    /// X4: a rule that names a group grants no kind of that name in another one, and one that names none grants all.
    #[test]
    fn a_group_is_granted_by_its_name() {
        let repo = RepoName::new("shop");
        let of = |rule: serde_json::Value| -> Allow {
            serde_json::from_value(serde_json::json!({"clusterScoped": [rule]})).expect("a valid list")
        };
        let role = |group: &str| ObjectId { group: group.into(), ..id("ClusterRole", None, "view") };
        let granted = |allow: &Allow| {
            ["rbac.authorization.k8s.io", "example.test", ""].map(|group| allow.object(&repo, &role(group)).is_ok())
        };
        let named = of(serde_json::json!({"group": "rbac.authorization.k8s.io", "kind": "ClusterRole"}));
        assert_eq!(granted(&named), [true, false, false]);
        assert_eq!(granted(&of(serde_json::json!({"group": "", "kind": "ClusterRole"}))), [false, false, true]);
        assert_eq!(granted(&of(serde_json::json!({"kind": "ClusterRole"}))), [true; 3]);
    }

    /// Two lists are the same where their patterns are, and are stored as they were written.
    #[test]
    fn a_pattern_is_its_text() {
        let pattern = |text: &str| Pattern::try_from(text.to_owned()).expect("a pattern");
        assert!(pattern("shop-*") == pattern("shop-*") && pattern("shop-*") != pattern("shop-?"));
        assert_eq!(String::from(pattern("shop-*")), "shop-*");
    }

    /// X4+: a typo in a destination is told of, and apps of cluster-scoped objects alone need no namespace.
    #[test]
    fn a_destination_is_in_a_namespace_that_is_allowed() {
        let repo = RepoName::new("shop");
        assert_eq!(allow().destination(&repo, "shop-eu"), Ok(()));
        assert!(allow().destination(&repo, "shpo-eu").is_err());
        assert_eq!(Allow { namespaces: Vec::new(), ..allow() }.destination(&repo, "anything"), Ok(()));
    }

    #[test]
    fn a_refusal_names_the_rule() {
        let refusal =
            allow().object(&RepoName::new("shop"), &id("ConfigMap", Some("kube-system"), "a")).expect_err("refused");
        insta::assert_snapshot!(refusal, @r#"ConfigMap kube-system/a is not allowed for repo shop: no entry of repos[shop].allow.namespaces matches "kube-system"; a Driftless administrator can add one"#);
    }
}
