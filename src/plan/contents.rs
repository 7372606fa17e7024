//! The objects that a deletion also deletes: everything in a Namespace, and all objects of a CRD's kind. Only names and
//! numbers are kept. Pure.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde_json::Value;

use super::marks::Marks;
use super::owner::{TakeOver, take_over};
use crate::manifest::{ObjectId, ObjectKey};

/// How many objects, and how many kinds, a text names.
const NAMED: usize = 3;

/// Whether all of a namespace, or all of a kind, goes with the object.
pub fn has_contents(key: &ObjectKey) -> bool {
    is_namespace(key) || is_crd(key)
}

pub(crate) fn is_namespace(key: &ObjectKey) -> bool {
    key.group.is_empty() && key.kind == "Namespace"
}

pub(crate) fn is_crd(key: &ObjectKey) -> bool {
    key.group == "apiextensions.k8s.io" && key.kind == "CustomResourceDefinition"
}

/// An object that the cluster reports: its name, and an object of which only `metadata` is known.
pub struct Found {
    pub id: ObjectId,
    pub object: Value,
}

/// Whose eyes they are seen with.
pub struct Viewer<'a> {
    pub marks: &'a Marks,
    /// The uid of the object that the app's inventory has under this name.
    pub uid: &'a dyn Fn(&ObjectId) -> Option<String>,
    /// What the app still wants after the change.
    pub wanted: &'a HashSet<ObjectId>,
    /// Whether the app's repo may touch such an object. What it may not is counted, and neither its name nor its kind
    /// is told.
    pub may_name: &'a dyn Fn(&ObjectId) -> bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Objects of the app, by kind.
    own: BTreeMap<String, u64>,
    /// Those of them that Git has after the change as well.
    wanted: Vec<String>,
    /// Objects that are not the app's, by kind.
    others: BTreeMap<String, u64>,
    /// Some of these, with whose they are.
    named: Vec<String>,
    /// Objects that the app's repo may not touch.
    hidden: u64,
    /// Objects beyond the first page of their kind, of which only the number is known.
    unseen: u64,
    /// Kinds that could not be listed.
    unlisted: Vec<String>,
}

impl Contents {
    /// `unseen`: how many objects there are beside the found ones. `unlisted`: the kinds of which nothing is known.
    pub fn of(found: &[Found], viewer: &Viewer<'_>, unseen: u64, unlisted: Vec<String>) -> Self {
        let mut this = Self { unseen, unlisted, ..Self::default() };
        this.unlisted.sort();
        let uids: HashSet<&str> = found.iter().filter_map(|found| uid(&found.object)).collect();
        let mut seen = HashSet::new();
        let mut found: Vec<&Found> = found.iter().filter(|found| is_made_by_somebody(found, &uids)).collect();
        found.sort_by_key(|found| (found.id.kind.clone(), found.id.namespace.clone(), found.id.name.clone()));
        // An object may be served under two groups.
        for found in found.into_iter().filter(|found| uid(&found.object).is_none_or(|uid| seen.insert(uid))) {
            this.add(found, viewer);
        }
        this
    }

    fn add(&mut self, found: &Found, viewer: &Viewer<'_>) {
        let applied = (viewer.uid)(&found.id);
        match take_over(&found.object, &found.id, viewer.marks, applied.as_deref()) {
            None => {
                *self.own.entry(found.id.kind.clone()).or_default() += 1;
                if viewer.wanted.contains(&found.id) {
                    self.wanted.push(found.id.to_string());
                }
            }
            Some(_) if !(viewer.may_name)(&found.id) => self.hidden += 1,
            Some(owner) => {
                *self.others.entry(found.id.kind.clone()).or_default() += 1;
                let whose = match owner {
                    TakeOver::OtherApp { app, .. } | TakeOver::HandedOver { app } => format!(" of the app {app}"),
                    TakeOver::OtherTool { tool, name } => format!(" of {tool} {}", name.trim_start_matches('/')),
                    TakeOver::Unmarked => String::new(),
                };
                self.named.push(format!("{}{whose}", found.id));
            }
        }
    }
}

/// Leaves out what the cluster makes by itself: events, what every namespace has, and what is made for another object
/// that goes as well.
fn is_made_by_somebody(found: &Found, uids: &HashSet<&str>) -> bool {
    let ObjectId { group, kind, name, .. } = &found.id;
    let is_given = match (group.as_str(), kind.as_str()) {
        (_, "Event") => true,
        ("", "ConfigMap") => name == "kube-root-ca.crt",
        ("", "ServiceAccount") => name == "default",
        ("", "Endpoints") => is_of_a_controller(&found.object),
        _ => false,
    };
    let owners = found.object.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
    let follows = owners.filter_map(|owner| owner["uid"].as_str()).any(|owner| uids.contains(owner));
    !is_given && !follows
}

/// Endpoints that follow from a Service have no owner.
fn is_of_a_controller(object: &Value) -> bool {
    let has = |pointer: &str, name: &str| object.pointer(pointer).is_some_and(|entries| entries.get(name).is_some());
    has("/metadata/annotations", "endpoints.kubernetes.io/last-change-trigger-time")
        || has("/metadata/labels", "endpoints.kubernetes.io/managed-by")
}

fn uid(object: &Value) -> Option<&str> {
    object.pointer("/metadata/uid").and_then(Value::as_str).filter(|uid| !uid.is_empty())
}

/// `3 objects of this app (2 ConfigMap, 1 Secret); 1 object that is not this app's (1 Widget): Widget shop/a of Helm
/// shop/db`.
impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.own.is_empty() {
            let mut text = format!("{} of this app ({})", objects(total(&self.own)), kinds(&self.own));
            if !self.wanted.is_empty() {
                text += &format!(
                    "; Git still contains {}, so the app cannot be applied after this deletion",
                    some(&self.wanted)
                );
            }
            parts.push(text);
        }
        if !self.others.is_empty() {
            let number = total(&self.others);
            let are = if number == 1 { "is" } else { "are" };
            parts.push(format!(
                "{} that {are} not this app's ({}): {}",
                objects(number),
                kinds(&self.others),
                some(&self.named)
            ));
        }
        if self.hidden > 0 {
            parts.push(format!("{} of other owners that this repo may not change", objects(self.hidden)));
        }
        if self.unseen > 0 {
            parts.push(format!("{} more that were not listed", objects(self.unseen)));
        }
        if !self.unlisted.is_empty() {
            parts.push(format!(
                "an unknown number of objects of kinds that could not be listed ({})",
                some(&self.unlisted)
            ));
        }
        if parts.is_empty() {
            return f.write_str("no objects found");
        }
        f.write_str(&parts.join("; "))
    }
}

fn total(counts: &BTreeMap<String, u64>) -> u64 {
    counts.values().sum()
}

/// The most frequent first.
fn kinds(counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(kind, number)| (std::cmp::Reverse(**number), (*kind).clone()));
    let mut parts: Vec<String> =
        counts.iter().take(2 * NAMED).map(|(kind, number)| format!("{number} {kind}")).collect();
    let rest: u64 = counts.iter().skip(2 * NAMED).map(|(_, number)| **number).sum();
    if rest > 0 {
        parts.push(format!("{rest} of other kinds"));
    }
    parts.join(", ")
}

fn some(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn objects(number: u64) -> String {
    if number == 1 { "1 object".to_owned() } else { format!("{number} objects") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::{AppId, RepoName};

    fn marks(app: &str) -> Marks {
        Marks::new("driftless", &AppId::new(&RepoName::new("shop"), app))
    }

    fn found(group: &str, kind: &str, name: &str, app: Option<&str>) -> Found {
        let id = ObjectId { group: group.into(), kind: kind.into(), namespace: Some("shop".into()), name: name.into() };
        let mut object =
            json!({"metadata": {"name": name, "namespace": "shop", "uid": format!("uid of {kind} {name}")}});
        if let Some(app) = app {
            marks(app).put(&mut object, &id);
        }
        Found { id, object }
    }

    fn with(mut found: Found, pointer: &str, value: Value) -> Found {
        let (parent, name) = pointer.rsplit_once('/').expect("a path");
        found.object.pointer_mut(parent).expect("its parent")[name] = value;
        found
    }

    fn told(found: &[Found], wanted: &[&Found], may_name: &dyn Fn(&ObjectId) -> bool) -> String {
        let wanted = wanted.iter().map(|found| found.id.clone()).collect();
        let viewer = Viewer { marks: &marks("web"), uid: &|_| None, wanted: &wanted, may_name };
        Contents::of(found, &viewer, 0, Vec::new()).to_string()
    }

    /// T13+: what goes with a Namespace is told by kind, with whose it is.
    #[test]
    fn what_is_in_it_is_counted_by_kind_and_owner() {
        let all = [
            found("", "ConfigMap", "a", Some("web")),
            found("", "ConfigMap", "b", Some("web")),
            found("", "Secret", "s", Some("cart")),
            found("", "Secret", "t", None),
            with(
                found("apps", "Deployment", "d", None),
                "/metadata/labels",
                json!({"argocd.argoproj.io/instance": "store"}),
            ),
            // What every namespace has, and what follows from another.
            found("", "ConfigMap", "kube-root-ca.crt", None),
            found("", "ServiceAccount", "default", None),
            found("", "Event", "e", None),
            with(
                found("", "Pod", "p", None),
                "/metadata/ownerReferences",
                json!([{"uid": "uid of Deployment d", "controller": true}]),
            ),
        ];
        insta::assert_snapshot!(
            told(&all, &[&all[0]], &|_| true),
            @
                "2 objects of this app (2 ConfigMap); Git still contains ConfigMap shop/a, so the app cannot be applied after this deletion; 3 objects that are not this app's (2 Secret, 1 Deployment): \
                 Deployment shop/d of Argo CD store, Secret shop/s of the app shop/cart, Secret shop/t"
        );
        insta::assert_snapshot!(told(&all, &[], &|_| false),
            @"2 objects of this app (2 ConfigMap); 3 objects of other owners that this repo may not change");
        assert_eq!(told(&all[5..8], &[], &|_| true), "no objects found");
    }

    /// A made object whose owner is elsewhere counts, and one that is served under two groups counts once.
    #[test]
    fn each_object_counts_once() {
        let owned = with(
            found("example.test", "Widget", "w", None),
            "/metadata/ownerReferences",
            json!([{"uid": "elsewhere", "controller": true}]),
        );
        let (mut one, mut other) = (found("a.test", "Widget", "x", None), found("b.test", "Widget", "x", None));
        one.object["metadata"]["uid"] = json!("same");
        other.object["metadata"]["uid"] = json!("same");
        let told = told(&[owned, one, other], &[], &|_| true);
        assert!(told.starts_with("2 objects that are not this app's (2 Widget)"), "{told}");
    }

    #[test]
    fn what_is_not_known_is_said_to_be_unknown() {
        let viewer = Viewer { marks: &marks("web"), uid: &|_| None, wanted: &HashSet::new(), may_name: &|_| true };
        let unlisted = ["Widget", "Lease", "Gadget", "Task"].map(str::to_owned).to_vec();
        insta::assert_snapshot!(Contents::of(&[], &viewer, 1200, unlisted).to_string(),
            @
                "1200 objects more that were not listed; an unknown number of objects of kinds that could not \
                 be listed (Gadget, Lease, Task and 1 more)");
    }
}
