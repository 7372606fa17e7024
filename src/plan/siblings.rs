//! Dependencies between the objects of one change. A dry run may reject an object because another object of the change
//! does not exist yet; that is no fault of the object. Recognised by the API server's own texts: each rule requires the
//! whole phrase that names what is missing, and an object of the change that is exactly that.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::change::Action;
use super::compete::Claims;
use super::crds::Crds;
use super::limits::{Stricter, decides_over, decides_the_same, stricter};
use crate::manifest::{Manifest, ObjectId, ObjectKey};

/// What all apps of one change bring to one cluster.
#[derive(Debug, Clone, Default)]
pub struct Siblings {
    objects: HashSet<ObjectId>,
    /// Those that are new or different, as far as is known: a quota that stays as it is explains no refusal.
    changing: HashSet<ObjectId>,
    /// Of the changing ones those that decide over others by a part, as their manifests say.
    deciders: BTreeMap<ObjectId, Value>,
    /// What of them is stricter than it is live.
    stricter: BTreeMap<ObjectId, Stricter>,
    crds: Crds,
    /// What they ask for of which there is one only.
    claims: Claims,
}

impl Siblings {
    /// Takes up an app's manifests. `namespace` fills what they leave out; `changes` tells which of them are new or
    /// different.
    pub fn add(&mut self, manifests: &[Manifest], namespace: &str, changes: impl Fn(&Manifest) -> bool) {
        for manifest in manifests {
            let mut id = manifest.key.id();
            id.namespace.get_or_insert_with(|| namespace.to_owned());
            if changes(manifest) {
                self.changes(id.clone(), &manifest.key, &manifest.object);
            }
            self.claims.add(&id, &manifest.object);
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

    fn changes(&mut self, id: ObjectId, key: &ObjectKey, object: &Value) {
        if decides_by_a_part(key) {
            self.deciders.insert(id.clone(), object.clone());
        }
        self.changing.insert(id);
    }

    /// What is new or different by its manifest and decides over others by a part.
    pub fn deciders(&self) -> impl Iterator<Item = (&ObjectId, &Value)> {
        self.deciders.iter()
    }

    /// Takes up what such an object is live and will be. What decides already as it will explains no refusal.
    pub fn found(&mut self, id: &ObjectId, live: Option<&Value>, after: &Value) {
        if live.is_some_and(|live| decides_the_same(live, after)) {
            self.changing.remove(id);
        } else {
            self.stricter.insert(id.clone(), stricter(live, after));
        }
    }

    /// What comes or gets stricter with the change and decides over this object.
    pub fn limiter_of(&self, key: &ObjectKey, action: Action) -> Option<ObjectId> {
        let over = |(id, stricter): &(&ObjectId, &Stricter)| decides_over(id, **stricter, key, action);
        self.stricter.iter().find(over).map(|(id, _)| id.clone())
    }

    pub fn extend(&mut self, other: &Self) {
        self.objects.extend(other.objects.iter().cloned());
        self.changing.extend(other.changing.iter().cloned());
        self.deciders.extend(other.deciders.iter().map(|(id, object)| (id.clone(), object.clone())));
        self.stricter.extend(other.stricter.iter().map(|(id, stricter)| (id.clone(), *stricter)));
        self.crds.extend(other.crds.clone());
        self.claims.extend(&other.claims);
    }

    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Takes up the kinds that manifests define, whether or not they are applied: one whose definition is refused is
    /// not undefined.
    pub fn define(&mut self, manifests: &[Manifest]) {
        self.crds.extend(Crds::of(manifests));
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
            .or_else(|| {
                self.changing_first(|id| {
                    limits(id, key, refusal) || grants(id, key, object, refusal) || admits(id, key, refusal)
                })
            })
            .or_else(|| self.backend(refusal))
    }

    /// The namespace of an object that was refused because it is not there.
    pub fn namespace_of(&self, key: &ObjectKey, refusal: &str) -> Option<ObjectId> {
        let namespace = key.namespace.as_deref().filter(|namespace| refusal == without_namespace(namespace))?;
        self.first(|id| is_core(id, "Namespace") && id.name == namespace)
    }

    /// The server of a webhook that does not answer.
    fn backend(&self, refusal: &str) -> Option<ObjectId> {
        let (service, namespace) = called_service(refusal)?;
        let in_it = |id: &ObjectId| id.namespace.as_deref() == Some(namespace);
        // One that stays as it is has no other answer afterwards.
        self.changing_first(|id| is_core(id, "Service") && id.name == service && in_it(id))
            .or_else(|| self.changing_first(|id| in_it(id) && runs_pods(id)))
    }

    fn first(&self, which: impl Fn(&ObjectId) -> bool) -> Option<ObjectId> {
        self.objects.iter().filter(|id| which(id)).min().cloned()
    }

    fn changing_first(&self, which: impl Fn(&ObjectId) -> bool) -> Option<ObjectId> {
        self.changing.iter().filter(|id| which(id)).min().cloned()
    }
}

/// What is said of an object whose namespace neither the cluster nor the change has.
pub fn without_namespace(namespace: &str) -> String {
    format!("The namespace {namespace} does not exist, and this change does not create it.")
}

fn is_core(id: &ObjectId, kind: &str) -> bool {
    id.group.is_empty() && id.kind == kind
}

fn runs_pods(id: &ObjectId) -> bool {
    matches!(id.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Pod")
}

/// Kinds that are found by their names from every namespace. Where their manifests name a namespace by mistake, it says
/// nothing.
const CLUSTER_SCOPED: [&str; 6] =
    ["ClusterRole", "PriorityClass", "RuntimeClass", "StorageClass", "IngressClass", "Namespace"];

/// What a refusal says of an object, after the server's name for it. Only what stands there from the first character on
/// is the server's own: a policy, a webhook and a value of the manifest may use its words as well.
fn why<'a>(key: &ObjectKey, refusal: &'a str) -> Option<&'a str> {
    let (_, rest) = refusal.split_once(' ')?;
    rest.strip_prefix(&format!("\"{}\" is forbidden: ", key.name))
}

/// `serviceaccount "runner" not found`, `no PriorityClass with name high was found` and the like, each as a whole.
fn is_missing(id: &ObjectId, key: &ObjectKey, refusal: &str) -> bool {
    let refers_across =
        key.kind.ends_with("Binding") || CLUSTER_SCOPED.contains(&id.kind.as_str()) || key.namespace.is_none();
    let near = refers_across || id.namespace.is_none() || id.namespace == key.namespace;
    let name = &id.name;
    let says = |text: String| why(key, refusal) == Some(text.as_str());
    near && match id.kind.as_str() {
        "ServiceAccount" => {
            let namespace = key.namespace.as_deref().unwrap_or_default();
            says(format!("error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"))
        }
        "PriorityClass" => says(format!("no PriorityClass with name {name} was found")),
        "RuntimeClass" => says(format!("pod rejected: RuntimeClass \"{name}\" not found")),
        _ => is_not_found(id, key, refusal),
    }
}

/// `roles.rbac.authorization.k8s.io "reader" not found`: the whole answer to a question that the server has asked
/// itself. Of the role of a binding it says `rolebindings.rbac.authorization.k8s.io "reader" not found`.
fn is_not_found(id: &ObjectId, key: &ObjectKey, refusal: &str) -> bool {
    let says = |group: &str, kind: &str| {
        let kind = kind.to_lowercase();
        let group = if group.is_empty() { String::new() } else { format!(".{group}") };
        let plurals = [format!("{kind}s"), format!("{kind}es"), format!("{}ies", kind.trim_end_matches('y'))];
        plurals.iter().any(|plural| *refusal == format!("{plural}{group} \"{}\" not found", id.name))
    };
    let is_role = matches!(id.kind.as_str(), "Role" | "ClusterRole") && key.kind.ends_with("RoleBinding");
    says(&id.group, &id.kind) || (is_role && says(&key.group, &key.kind))
}

/// A quota or a range of limits that the change raises.
fn limits(id: &ObjectId, key: &ObjectKey, refusal: &str) -> bool {
    let Some(why) = why(key, refusal) else { return false };
    let quota =
        || is_core(id, "ResourceQuota") && why.starts_with(&format!("exceeded quota: {}, requested: ", id.name));
    let of_range =
        || why.trim_start_matches('[').starts_with("maximum ") || why.trim_start_matches('[').starts_with("minimum ");
    let range = || is_core(id, "LimitRange") && of_range() && why.contains(" usage per ");
    id.namespace == key.namespace && (quota() || range())
}

/// Whether an object decides over one that was refused, by the server's words or ours.
pub(super) fn decides(id: &ObjectId, key: &ObjectKey, refusal: &str) -> bool {
    let by_quota = || {
        let of = format!("The quota {} of the namespace {} ", id.name, id.namespace.as_deref().unwrap_or_default());
        is_core(id, "ResourceQuota") && id.namespace == key.namespace && refusal.starts_with(&of)
    };
    let policy = || {
        let says = |text: String| why(key, refusal).is_some_and(|why| why.contains(&text));
        id.group == "admissionregistration.k8s.io"
            && match id.kind.as_str() {
                "ValidatingAdmissionPolicy" => says(format!("ValidatingAdmissionPolicy '{}' with binding '", id.name)),
                "ValidatingAdmissionPolicyBinding" => says(format!("' with binding '{}' denied request", id.name)),
                _ => false,
            }
    };
    limits(id, key, refusal) || by_quota() || policy()
}

/// A role whose rules have to be held by us before they can be bound to anybody.
fn grants(id: &ObjectId, key: &ObjectKey, object: &Value, refusal: &str) -> bool {
    let role = |field: &str| object.pointer(&format!("/roleRef/{field}")).and_then(Value::as_str);
    let is_role = role("kind") == Some(&id.kind) && role("name") == Some(&id.name);
    let near = id.kind == "ClusterRole" || id.namespace == key.namespace;
    let says = |why: &str| {
        why.starts_with("user \"") && why.contains(" is attempting to grant RBAC permissions not currently held:")
    };
    is_role && near && why(key, refusal).is_some_and(says)
}

/// The namespace whose labels decide which pods it admits.
fn admits(id: &ObjectId, key: &ObjectKey, refusal: &str) -> bool {
    let says = |why: &str| why.starts_with("violates PodSecurity \"");
    is_core(id, "Namespace") && key.namespace.as_ref() == Some(&id.name) && why(key, refusal).is_some_and(says)
}

/// `NAME` and `NAMESPACE` out of `Internal error occurred: failed calling webhook "…": failed to call webhook: Post
/// "https://NAME.NAMESPACE.svc:443/…"`.
fn called_service(refusal: &str) -> Option<(&str, &str)> {
    let call = refusal.strip_prefix("Internal error occurred: failed calling webhook \"")?;
    let (_, call) = call.split_once("\": ")?;
    let (_, host) = call.strip_prefix("failed to call webhook: ").unwrap_or(call).split_once("Post \"https://")?;
    let (host, _) = host.split_once(".svc:")?;
    host.split_once('.')
}

/// Of these only a part decides over others: that they change is no reason to expect another verdict.
pub fn decides_by_a_part(key: &ObjectKey) -> bool {
    key.group.is_empty() && matches!(key.kind.as_str(), "Namespace" | "ResourceQuota" | "LimitRange")
}

/// Whether a manifest decides otherwise over other objects than it did: by its labels for Pod Security, its limits, or
/// for all other kinds by anything.
pub fn decides_otherwise(before: &Manifest, after: &Manifest) -> bool {
    if !decides_by_a_part(&after.key) {
        return before.object != after.object;
    }
    if after.key.kind != "Namespace" {
        return before.object.get("spec") != after.object.get("spec");
    }
    let labels = |manifest: &Manifest| -> Vec<(String, Value)> {
        let labels = manifest.object.pointer("/metadata/labels").and_then(Value::as_object);
        let ours = labels.into_iter().flatten().filter(|(name, _)| name.starts_with(POD_SECURITY));
        let mut ours: Vec<_> = ours.map(|(name, value)| (name.clone(), value.clone())).collect();
        ours.sort_by(|one, other| one.0.cmp(&other.0));
        ours
    };
    labels(before) != labels(after)
}

const POD_SECURITY: &str = "pod-security.kubernetes.io/";

/// What the refusals of several objects say can be told only while the change is known as a whole, so by their complete
/// names.
pub fn of_plan<'a>(objects: impl Iterator<Item = (&'a ObjectKey, &'a Value, bool)>) -> Siblings {
    let mut siblings = Siblings::default();
    let mut crds: HashMap<_, _> = HashMap::new();
    for (key, object, changes) in objects {
        siblings.insert(key.id(), false);
        if changes {
            siblings.changes(key.id(), key, object);
        }
        siblings.claims.add(&key.id(), object);
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
