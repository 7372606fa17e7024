use proptest::prelude::*;
use serde_json::json;

use super::*;

const VERBS: [Verb; 3] = [Verb::Read, Verb::Write, Verb::Delete];

fn allow(clusters: &[&str], namespaces: &[&str], kinds: &[&str]) -> Allow {
    let scoped: Vec<_> = kinds.iter().map(|kind| json!({"kind": kind})).collect();
    serde_json::from_value(json!({"clusters": clusters, "namespaces": namespaces, "clusterScoped": scoped}))
        .expect("a list")
}

fn id(kind: &str, namespace: Option<&str>, name: &str) -> ObjectId {
    ObjectId { group: String::new(), kind: kind.into(), namespace: namespace.map(Into::into), name: name.into() }
}

#[test]
fn a_refusal_names_the_rule_and_what_was_about_to_be_done() {
    let (repo, allow, cluster) = (RepoName::new("shop"), allow(&["prod"], &["shop"], &[]), ClusterName::new("prod"));
    let grants = Grants { repo: &repo, allow: &allow, may_read: &[] };
    let refused = grants.object(Verb::Delete, &cluster, &id("ConfigMap", Some("other"), "a")).expect_err("refused");
    insta::assert_snapshot!(refused, @r#"deleting ConfigMap other/a is not allowed for repo shop: no entry of repos[shop].allow.namespaces matches "other"; a Driftless administrator can add one"#);
    let said = |verb| {
        let refused = grants.object(verb, &cluster, &id("ConfigMap", Some("other"), "a")).expect_err("refused");
        refused.to_string().split(" is not allowed").next().map(str::to_owned)
    };
    assert_eq!(said(Verb::Read).as_deref(), Some("reading ConfigMap other/a"));
    assert_eq!(said(Verb::Write).as_deref(), Some("ConfigMap other/a"));
    insta::assert_snapshot!(grants.source(&RepoName::new("lib")).expect_err("refused"),
        @r#"reading repo lib is not allowed for repo shop: no entry of repos[shop].mayRead matches "lib"; a Driftless administrator can add one"#);
    insta::assert_snapshot!(grants.cluster(&ClusterName::new("west")).expect_err("refused"),
        @r#"cluster west is not allowed for repo shop: no entry of repos[shop].allow.clusters matches "west"; a Driftless administrator can add one"#);
}

fn subset(all: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(all, 0..=all.len())
}

proptest! {
    /// X4: what is granted is what all of the rules list at that moment; taking any one of them away takes away what
    /// hangs on it, at once.
    #[test]
    fn what_is_revoked_is_refused_from_then_on(
        clusters in subset(&["prod", "west"]),
        namespaces in subset(&["shop", "cart"]),
        kinds in subset(&["ClusterRole", "Node"]),
        sources in subset(&["lib", "base"]),
        revoked in 0_usize..4,
    ) {
        let repo = RepoName::new("shop");
        let objects = [id("ConfigMap", Some("shop"), "a"), id("Secret", Some("cart"), "b"), id("ClusterRole", None,
            "c"), id("Node", None, "d")];
        let (mut clusters, mut namespaces, mut kinds, mut sources) = (clusters, namespaces, kinds, sources);
        for step in 0..2 {
            let allow = allow(&clusters, &namespaces, &kinds);
            let may_read: Vec<RepoName> = sources.iter().map(|name| RepoName::new(*name)).collect();
            let grants = Grants { repo: &repo, allow: &allow, may_read: &may_read };
            for cluster in ["prod", "west"] {
                let name = ClusterName::new(cluster);
                let authority = grants.on(&name);
                for object in &objects {
                    let listed = match &object.namespace {
                        Some(namespace) => namespaces.contains(&namespace.as_str()),
                        None => kinds.contains(&object.kind.as_str()),
                    };
                    for verb in VERBS {
                        prop_assert_eq!(authority.ask(verb, object).is_ok(), clusters.contains(&cluster) && listed,
                            "{:?} {} at {}", verb, object, step);
                    }
                }
            }
            for source in ["lib", "base"] {
                prop_assert_eq!(grants.source(&RepoName::new(source)).is_ok(), sources.contains(&source));
            }
            prop_assert!(grants.source(&repo).is_ok(), "its own repo needs no rule");
            match revoked {
                0 => drop(clusters.pop()),
                1 => drop(namespaces.pop()),
                2 => drop(kinds.pop()),
                _ => drop(sources.pop()),
            }
        }
    }
}
