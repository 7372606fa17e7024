//! What an object needs and other objects of the same change bring: the server cannot be asked about it before these are there, so a refusal
//! for their sake is no fault of the object. By the server's own texts: each rule below asks for a text that names what is missing, and for an
//! object of the change that is just that.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::crds::Crds;
use crate::manifest::{Manifest, ObjectId, ObjectKey};

/// What all apps of one change bring to one cluster.
#[derive(Debug, Clone, Default)]
pub struct Siblings {
    objects: HashSet<ObjectId>,
    /// Those that are new or different, as far as is known: a quota that stays as it is explains no refusal.
    changing: HashSet<ObjectId>,
    crds: Crds,
}

impl Siblings {
    /// Takes up an app's manifests. `namespace` fills what they leave out; `changes` tells which of them are new or different.
    pub fn add(&mut self, manifests: &[Manifest], namespace: &str, changes: impl Fn(&Manifest) -> bool) {
        for manifest in manifests {
            let mut id = manifest.key.id();
            id.namespace.get_or_insert_with(|| namespace.to_owned());
            if changes(manifest) {
                self.changing.insert(id.clone());
            }
            self.objects.insert(id);
        }
        self.crds.extend(Crds::of(manifests));
    }

    /// Takes up one object under its complete name.
    pub fn insert(&mut self, id: ObjectId, changes: bool) {
        if changes {
            self.changing.insert(id.clone());
        }
        self.objects.insert(id);
    }

    pub fn extend(&mut self, other: &Self) {
        self.objects.extend(other.objects.iter().cloned());
        self.changing.extend(other.changing.iter().cloned());
        self.crds.extend(other.crds.clone());
    }

    pub fn crds(&self) -> &Crds {
        &self.crds
    }

    /// The CRDs that are new or different.
    pub fn changing_crds(&self) -> impl Iterator<Item = &str> {
        self.changing.iter().filter(|id| id.kind == "CustomResourceDefinition").map(|id| id.name.as_str())
    }

    pub fn has_namespace(&self, name: &str) -> bool {
        self.objects.iter().any(|id| is_core(id, "Namespace") && id.name == name)
    }

    /// What the object waits for, if the server's refusal says no more than that this is not there yet.
    pub fn needed_by(&self, key: &ObjectKey, object: &Value, refusal: &str) -> Option<ObjectId> {
        self.first(|id| id != &key.id() && is_missing(id, key, refusal))
            .or_else(|| self.changing_first(|id| limits(id, key, refusal) || grants(id, key, object, refusal) || admits(id, key, refusal)))
            .or_else(|| self.backend(refusal))
    }

    /// The server of a webhook that does not answer.
    fn backend(&self, refusal: &str) -> Option<ObjectId> {
        let (service, namespace) = called_service(refusal)?;
        let in_it = |id: &ObjectId| id.namespace.as_deref() == Some(namespace);
        self.first(|id| is_core(id, "Service") && id.name == service && in_it(id))
            .or_else(|| self.changing_first(|id| in_it(id) && runs_pods(id)))
    }

    fn first(&self, which: impl Fn(&ObjectId) -> bool) -> Option<ObjectId> {
        self.objects.iter().filter(|id| which(id)).min().cloned()
    }

    fn changing_first(&self, which: impl Fn(&ObjectId) -> bool) -> Option<ObjectId> {
        self.changing.iter().filter(|id| which(id)).min().cloned()
    }
}

fn is_core(id: &ObjectId, kind: &str) -> bool {
    id.group.is_empty() && id.kind == kind
}

fn runs_pods(id: &ObjectId) -> bool {
    matches!(id.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Pod")
}

/// Kinds that are found by their names from every namespace. Where their manifests name a namespace by mistake, it says nothing.
const CLUSTER_SCOPED: [&str; 6] = ["ClusterRole", "PriorityClass", "RuntimeClass", "StorageClass", "IngressClass", "Namespace"];

/// `serviceaccount "runner" not found`, `no PriorityClass with name high was found`, and what webhooks say in the same way.
fn is_missing(id: &ObjectId, key: &ObjectKey, refusal: &str) -> bool {
    const ABSENT: [&str; 6] = ["not found", "was found", "does not exist", "doesn't exist", "could not find", "no params found"];
    let refers_across = key.kind.ends_with("Binding") || CLUSTER_SCOPED.contains(&id.kind.as_str()) || key.namespace.is_none();
    let near = refers_across || id.namespace.is_none() || id.namespace == key.namespace;
    // It begins with the name of the object that was refused, which may be any.
    let refusal = refusal.split_once("is forbidden: ").map_or(refusal, |(_, why)| why);
    near && ABSENT.iter().any(|absent| refusal.contains(absent))
        && refusal.to_lowercase().contains(&id.kind.to_lowercase())
        && names(refusal, &id.name)
}

/// A quota or a range of limits that the change raises.
fn limits(id: &ObjectId, key: &ObjectKey, refusal: &str) -> bool {
    let quota = || is_core(id, "ResourceQuota") && refusal.contains(&format!("exceeded quota: {}", id.name));
    let range = || is_core(id, "LimitRange") && refusal.contains(" usage per ");
    id.namespace == key.namespace && (quota() || range())
}

/// A role whose rules have to be held by us before they can be bound to anybody.
fn grants(id: &ObjectId, key: &ObjectKey, object: &Value, refusal: &str) -> bool {
    let role = |field: &str| object.pointer(&format!("/roleRef/{field}")).and_then(Value::as_str);
    let is_role = role("kind") == Some(&id.kind) && role("name") == Some(&id.name);
    let near = id.kind == "ClusterRole" || id.namespace == key.namespace;
    is_role && near && refusal.contains("attempting to grant RBAC permissions not currently held")
}

/// The namespace whose labels decide which pods it admits.
fn admits(id: &ObjectId, key: &ObjectKey, refusal: &str) -> bool {
    is_core(id, "Namespace") && key.namespace.as_ref() == Some(&id.name) && refusal.contains("violates PodSecurity")
}

/// `NAME` and `NAMESPACE` out of `failed calling webhook …: Post "https://NAME.NAMESPACE.svc:443/…"`.
fn called_service(refusal: &str) -> Option<(&str, &str)> {
    let (_, call) = refusal.split_once("failed calling webhook")?;
    let (_, host) = call.split_once("https://")?;
    let (host, _) = host.split_once(".svc")?;
    host.split_once('.')
}

/// Whether the text has the name as a whole word.
fn names(text: &str, name: &str) -> bool {
    let inner = |char: char| char.is_ascii_alphanumeric() || char == '-';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(|char| inner(char) || char == '.') && !after.is_some_and(inner)
    })
}

/// What the refusals of several objects say can be told only while the change is known as a whole, so by their complete names.
pub fn of_plan<'a>(objects: impl Iterator<Item = (&'a ObjectKey, &'a Value, bool)>) -> Siblings {
    let mut siblings = Siblings::default();
    let mut crds: HashMap<_, _> = HashMap::new();
    for (key, object, changes) in objects {
        siblings.insert(key.id(), changes);
        if key.kind == "CustomResourceDefinition" {
            crds.insert(key.id(), Manifest { key: key.clone(), object: object.clone(), origin: None });
        }
    }
    siblings.crds = Crds::of(&crds.into_values().collect::<Vec<_>>());
    siblings
}

#[cfg(test)]
#[path = "siblings_tests.rs"]
mod tests;
