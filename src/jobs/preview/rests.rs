//! The facts outside of Git that a preview depends on: who owns the objects that merging writes, and what they need.
//! When one of them changes, the pull request is previewed again, so that no gate is older than its facts.
//!
//! A fact is a short text, a token. A preview depends on tokens, and a changed object invalidates tokens. The database
//! records each object that changes its owner or its content, so no job can forget to.

use std::collections::BTreeSet;

use crate::ids::{ClusterName, RepoName};
use crate::jobs::Context;
use crate::manifest::ObjectId;
use crate::queue::{JobError, Key, Request, Trigger};

/// So many changed objects are read at once.
const AT_ONCE: u32 = 5_000;

/// What a change to an object rests on: the object, its namespace with what limits it there, the definition of its
/// kind, and what rules over the whole cluster.
pub(in crate::jobs) fn of_change(cluster: &ClusterName, id: &ObjectId) -> Vec<String> {
    let mut tokens = vec![object(cluster, id), everything(cluster)];
    tokens.extend(id.namespace.as_ref().map(|namespace| namespaced(cluster, namespace)));
    if is_namespace(id) {
        tokens.push(namespaced(cluster, &id.name));
    }
    if id.group.contains('.') {
        tokens.push(group(cluster, &id.group));
    }
    if id.group == RBAC {
        tokens.push(rights(cluster));
    }
    tokens
}

/// What an object rests on that asks for what a cluster has only one of: Services hold that, whatever their namespaces.
pub(in crate::jobs) fn singles(cluster: &ClusterName) -> String {
    format!("{cluster} services")
}

/// What an object rests on that is made and counted by a quota: whoever makes or deletes another one of its kind there
/// changes what is left.
pub(in crate::jobs) fn counted(cluster: &ClusterName, id: &ObjectId) -> Option<String> {
    let ObjectId { group, kind, namespace, .. } = id;
    namespace.as_ref().map(|namespace| format!("{cluster} count {group} {kind} {namespace}"))
}

/// What an object that was changed touches.
pub(in crate::jobs) fn of_touched(cluster: &ClusterName, id: &ObjectId) -> Vec<String> {
    let mut tokens = vec![object(cluster, id)];
    tokens.extend(counted(cluster, id));
    match (&*id.group, &*id.kind, &id.namespace) {
        ("", "Namespace", _) => tokens.push(namespaced(cluster, &id.name)),
        ("", "ServiceAccount" | "ResourceQuota" | "LimitRange", Some(namespace)) => {
            tokens.push(namespaced(cluster, namespace));
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition", _) => {
            tokens.extend(id.name.split_once('.').map(|(_, served)| group(cluster, served)));
        }
        // Node ports and addresses are given once in a cluster.
        ("", "Service", _) => tokens.push(singles(cluster)),
        (RBAC, "Role" | "ClusterRole", _) => tokens.push(rights(cluster)),
        // Policies and webhooks judge whatever they like, also those that are custom resources of the whole cluster.
        ("admissionregistration.k8s.io" | "apiregistration.k8s.io" | "scheduling.k8s.io" | "node.k8s.io", _, None) => {
            tokens.push(everything(cluster));
        }
        (custom, _, None) if custom.contains('.') && !custom.ends_with("k8s.io") => tokens.push(everything(cluster)),
        _ => {}
    }
    tokens
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn is_namespace(id: &ObjectId) -> bool {
    id.group.is_empty() && id.kind == "Namespace"
}

pub(in crate::jobs) fn object(cluster: &ClusterName, id: &ObjectId) -> String {
    let ObjectId { group, kind, namespace, name } = id;
    format!("{cluster} object {group} {kind} {} {name}", namespace.as_deref().unwrap_or_default())
}

fn namespaced(cluster: &ClusterName, namespace: &str) -> String {
    format!("{cluster} namespace {namespace}")
}

fn group(cluster: &ClusterName, group: &str) -> String {
    format!("{cluster} group {group}")
}

/// What a chart was told of its cluster, by its hash.
pub(in crate::jobs) fn facts(cluster: &ClusterName, hash: &str) -> String {
    format!("{cluster} facts {hash}")
}

/// Whether an object says what a cluster serves: once it is another one, charts may render otherwise, and custom
/// resources may not be what they were.
fn defines_kinds(id: &ObjectId) -> bool {
    matches!(
        (&*id.group, &*id.kind),
        ("apiextensions.k8s.io", "CustomResourceDefinition") | ("apiregistration.k8s.io", "APIService")
    )
}

fn rights(cluster: &ClusterName) -> String {
    format!("{cluster} rights")
}

fn everything(cluster: &ClusterName) -> String {
    format!("{cluster} everything")
}

/// Asks for a look at each open pull request whose preview rests on what has changed by now, and at each cluster that
/// serves something else. What is not told because the process ends is told by the next one.
pub(in crate::jobs) async fn spread(context: &Context) -> Result<(), JobError> {
    loop {
        let told = context.store.told_touch().await?;
        // What is no longer known was told.
        let touched = context.store.touched_after(told, AT_ONCE).await?.unwrap_or_default();
        let Some(last) = touched.last() else { return Ok(()) };
        let tokens: BTreeSet<String> = touched.iter().flat_map(|one| of_touched(&one.cluster, &one.object)).collect();
        let cause = Trigger::Follow { key: Key::Sync(last.app.clone()) };
        let pulls = context.store.pulls_resting_on(&tokens).await?;
        let previews = pulls.into_iter().map(|(repo, number)| Key::Preview { repo, number });
        let defining = touched.iter().filter(|one| defines_kinds(&one.object));
        let clusters: BTreeSet<&ClusterName> = defining.map(|one| &one.cluster).collect();
        // One that the configuration no longer has is looked at by nobody.
        let clusters = clusters.into_iter().filter(|cluster| context.cluster(cluster).is_ok());
        let requests: Vec<Request> = previews
            .chain(clusters.map(|cluster| Key::Resync(cluster.clone())))
            .map(|key| Request::new(key, cause.clone()))
            .collect();
        context.queue.enqueue(&requests).await?;
        context.store.tell_touched(last.seq).await?;
    }
}

/// Keeps what a preview rests on. What changed of it since the preview began, when nobody knew yet that it would, is a
/// reason to make it again.
pub(in crate::jobs) async fn keep(
    context: &Context,
    repo: &RepoName,
    number: u64,
    began: i64,
    tokens: &BTreeSet<String>,
) -> Result<(), JobError> {
    context.store.put_rests(repo, number, tokens).await?;
    if is_old(context, began, tokens).await? {
        let key = Key::Preview { repo: repo.clone(), number };
        context.queue.enqueue(&[Request::new(key.clone(), Trigger::Follow { key })]).await?;
    }
    Ok(())
}

async fn is_old(context: &Context, began: i64, tokens: &BTreeSet<String>) -> Result<bool, JobError> {
    let mut seen = began;
    loop {
        let Some(touched) = context.store.touched_after(seen, AT_ONCE).await? else { return Ok(true) };
        let Some(last) = touched.last() else { return Ok(false) };
        if touched.iter().flat_map(|one| of_touched(&one.cluster, &one.object)).any(|token| tokens.contains(&token)) {
            return Ok(true);
        }
        seen = last.seq;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(group: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectId {
        ObjectId { group: group.into(), kind: kind.into(), namespace: namespace.map(str::to_owned), name: name.into() }
    }

    fn meet(change: &ObjectId, touched: &ObjectId) -> bool {
        let prod = ClusterName::new("prod");
        let tokens = of_change(&prod, change);
        assert!(
            !of_touched(&ClusterName::new("west"), touched).iter().any(|token| tokens.contains(token)),
            "another cluster"
        );
        of_touched(&prod, touched).iter().any(|token| tokens.contains(token))
    }

    /// X7+: two Services of two namespaces ask for one node port, and a quota counts what others make beside it.
    #[test]
    fn what_others_hold_is_rested_on_where_it_counts() {
        let prod = ClusterName::new("prod");
        let service = of_touched(&prod, &id("", "Service", Some("b"), "web"));
        assert!(service.contains(&singles(&prod)) && !service.contains(&singles(&ClusterName::new("west"))));
        let map = id("", "ConfigMap", Some("a"), "settings");
        let rests = counted(&prod, &map).expect("of a namespace");
        assert!(of_touched(&prod, &id("", "ConfigMap", Some("a"), "other")).contains(&rests));
        for other in [id("", "ConfigMap", Some("b"), "settings"), id("", "Secret", Some("a"), "settings")] {
            assert!(!of_touched(&prod, &other).contains(&rests), "{other}");
        }
    }

    /// X7+: what a verdict on a change rests on.
    #[test]
    fn a_change_rests_on_what_the_server_asks_for_it() {
        let map = id("", "ConfigMap", Some("a"), "settings");
        for touched in [
            map.clone(),
            id("", "Namespace", None, "a"),
            id("", "ResourceQuota", Some("a"), "quota"),
            id("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", None, "strict"),
            id("kyverno.io", "ClusterPolicy", None, "strict"),
        ] {
            assert!(meet(&map, &touched), "{touched}");
        }
        for touched in [
            id("", "ConfigMap", Some("b"), "settings"),
            id("", "Namespace", None, "b"),
            id("", "ResourceQuota", Some("b"), "quota"),
            id("apps", "Deployment", Some("a"), "settings"),
            id("rbac.authorization.k8s.io", "ClusterRole", None, "reader"),
            id("apiextensions.k8s.io", "CustomResourceDefinition", None, "gadgets.example.test"),
        ] {
            assert!(!meet(&map, &touched), "{touched}");
        }
        let gadget = id("example.test", "Gadget", Some("a"), "one");
        assert!(meet(&gadget, &id("apiextensions.k8s.io", "CustomResourceDefinition", None, "gadgets.example.test")));
        assert!(!meet(&id("", "Service", Some("a"), "web"), &id("", "Service", Some("b"), "web")));
        let binding = id("rbac.authorization.k8s.io", "RoleBinding", Some("a"), "readers");
        assert!(meet(&binding, &id("rbac.authorization.k8s.io", "ClusterRole", None, "reader")));
        assert!(meet(&id("", "Namespace", None, "a"), &id("", "Namespace", None, "a")));
    }
}
