//! Prepares rendered manifests for the API server: adds the namespace, normalises, marks; or rejects them before any
//! request.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::change::{Action, Cause, Change, Desired, RefusedBy, Verdict};
use super::crds::{Crds, Scope};
use super::marks::{self, Marks};
use super::normalise::normalise;
use super::replace_annotation::asks_for_it;
use super::siblings::Siblings;
use crate::app::{Allow, App};
use crate::manifest::{Manifest, ObjectId, ObjectKey, fits_a_path};

/// What a cluster tells of a kind in one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    pub scope: Scope,
    /// Whether `status` is set by others through a subresource; else it is a field like any other.
    pub status: bool,
}

/// What preparing needs to know besides the manifests.
#[derive(Clone, Copy)]
pub struct Preparing<'a> {
    pub app: &'a App,
    pub marks: &'a Marks,
    pub allow: &'a Allow,
    /// How the cluster serves a kind in a version; None where it does not.
    pub served: &'a dyn Fn(&ObjectKey) -> Option<Served>,
    /// The scope of a kind that the cluster serves in any version.
    pub scope: &'a dyn Fn(&ObjectKey) -> Option<Scope>,
    /// Whether the app has an object of this name, by its inventory.
    pub owned: &'a dyn Fn(&ObjectId) -> bool,
    /// Whether two kinds of different groups are one to the cluster: then objects of one name are one object.
    pub is_one: &'a dyn Fn(&ObjectKey, &ObjectKey) -> bool,
    /// What the apps of the same change bring to the cluster beside these manifests.
    pub siblings: Option<&'a Siblings>,
}

/// A manifest that can be sent.
#[derive(Clone)]
pub struct PreparedObject {
    /// Complete: with the namespace that the object will have.
    pub key: ObjectKey,
    /// Normalised and with its namespace, without our marks: what Git says of the object.
    pub manifest: Value,
    pub desired: Desired,
    pub origin: Option<String>,
    pub notes: Vec<String>,
    /// Whether it may be deleted and made anew where a field can not change.
    pub replace: bool,
}

/// A manifest that is not sent, and why.
#[derive(Clone)]
pub struct Refused {
    pub key: ObjectKey,
    pub origin: Option<String>,
    /// Of the manifest as it was rendered.
    pub hash: String,
    pub message: String,
    pub causes: Vec<Cause>,
    pub by: RefusedBy,
    /// The cluster does not know its kind, nor whether it has a namespace.
    pub is_unknown: bool,
}

/// Boxed, for a refusal is the rare case.
pub type Prepared = Result<PreparedObject, Box<Refused>>;

/// The complete id of a prepared manifest, refused or not.
pub fn id(prepared: &Prepared) -> ObjectId {
    match prepared {
        Ok(wanted) => wanted.key.id(),
        Err(refused) => refused.key.id(),
    }
}

/// What a side renders, whether or not it can be sent.
pub struct Rendered {
    ids: HashSet<ObjectId>,
    /// Those of which it is not known whether they have a namespace, as their kind is not: they may be in any.
    placeless: HashSet<ObjectId>,
}

impl Rendered {
    pub fn of(prepared: &[Prepared]) -> Self {
        let refused = prepared.iter().filter_map(|one| one.as_ref().err());
        let placeless =
            refused.filter(|refused| refused.is_unknown).map(|one| without_namespace(&one.key.id())).collect();
        Self { ids: prepared.iter().map(id).collect(), placeless }
    }

    /// Whether it has an object, so that it is not one which Git no longer has.
    pub fn has(&self, id: &ObjectId) -> bool {
        self.ids.contains(id) || self.placeless.contains(&without_namespace(id))
    }
}

fn without_namespace(id: &ObjectId) -> ObjectId {
    ObjectId { namespace: None, ..id.clone() }
}

impl PreparedObject {
    /// A change of this object about which the server was not asked yet.
    pub fn change(&self, action: Action, verdict: Verdict) -> Change {
        Change {
            origin: self.origin.clone(),
            desired: Some(self.desired.clone()),
            notes: self.notes.clone(),
            ..Change::new(self.key.clone(), action, verdict)
        }
    }
}

impl Refused {
    pub fn change(self) -> Change {
        let verdict = Verdict::Rejected { message: self.message, causes: self.causes };
        Change { origin: self.origin, refused_by: self.by, ..Change::new(self.key, Action::Create, verdict) }
    }
}

/// A manifest of another app in the form in which the one that takes it over is compared with it.
pub fn comparable(manifest: &Manifest, key: &ObjectKey) -> Value {
    let mut manifest = manifest.clone();
    match &key.namespace {
        Some(namespace) => manifest.set_namespace(namespace),
        None => unset_namespace(&mut manifest),
    }
    // What no server could accept is shown as it is: it is on its way out.
    let _ = normalise(key, &mut manifest.object, true);
    manifest.object
}

/// Prepares all manifests of an app; the second of two that name one object is refused.
pub fn prepare(manifests: &[Manifest], with: &Preparing<'_>) -> Vec<Prepared> {
    let mut crds = with.siblings.map(|siblings| siblings.crds().clone()).unwrap_or_default();
    crds.extend(Crds::of(manifests));
    let mut seen: HashMap<ObjectId, Option<String>> = HashMap::new();
    let mut named: HashMap<ObjectId, Vec<(ObjectKey, Option<String>)>> = HashMap::new();
    let mut prepared = Vec::with_capacity(manifests.len());
    for manifest in manifests {
        let one = prepare_one(manifest, with, &crds);
        let id = id(&one);
        let key = one.as_ref().map_or_else(|refused| refused.key.clone(), |wanted| wanted.key.clone());
        let alike = named.entry(ObjectId { group: String::new(), ..id.clone() }).or_default();
        let twin = alike.iter().find(|(other, _)| other.group != key.group && (with.is_one)(other, &key));
        if let Some((other, first)) = twin {
            let message = twins(&key, other, [&manifest.origin, first]);
            prepared.push(Err(refuse(&key, manifest, message, Vec::new())));
            continue;
        }
        alike.push((key, manifest.origin.clone()));
        if let Some(first) = seen.get(&id) {
            let message = format!(
                "{id} is rendered twice: by {} and by {}.",
                place(first.as_ref()),
                place(manifest.origin.as_ref())
            );
            prepared.push(Err(refuse(
                &one.map_or_else(|refused| refused.key, |wanted| wanted.key),
                manifest,
                message,
                Vec::new(),
            )));
            continue;
        }
        seen.insert(id, manifest.origin.clone());
        prepared.push(one);
    }
    prepared
}

fn place(origin: Option<&String>) -> String {
    origin.cloned().unwrap_or_else(|| "the same render".to_owned())
}

fn twins(key: &ObjectKey, other: &ObjectKey, [second, first]: [&Option<String>; 2]) -> String {
    let group = |key: &ObjectKey| match key.group.as_str() {
        "" => "the core group".to_owned(),
        group => format!("the group {group}"),
    };
    format!(
        "{key} of {} is the same object as {other} of {}, and both are rendered: by {} and by {}. Remove one of them.",
        group(key),
        group(other),
        place(second.as_ref()),
        place(first.as_ref())
    )
}

fn prepare_one(manifest: &Manifest, with: &Preparing<'_>, crds: &Crds) -> Prepared {
    let mut manifest = manifest.clone();
    let original = manifest.clone();
    let Some(Served { scope, status }) = served(&manifest.key, with, crds) else {
        let message = unknown_kind(&manifest.key, crds);
        let key = complete(&manifest.key, with, crds);
        return Err(Box::new(Refused {
            by: RefusedBy::Server,
            is_unknown: true,
            ..*refuse(&key, &original, message, Vec::new())
        }));
    };
    let mut notes = Vec::new();
    match (scope, &manifest.key.namespace) {
        (Scope::Namespaced, None) => manifest.set_namespace(&with.app.destination.namespace),
        (Scope::Cluster, Some(_)) => {
            unset_namespace(&mut manifest);
            notes.push(format!("Left out metadata.namespace: {} is cluster-scoped.", manifest.key.kind));
        }
        _ => {}
    }
    let key = manifest.key.clone();
    for (what, name) in [("name", Some(&key.name)), ("namespace", key.namespace.as_ref())] {
        if let Some(name) = name.filter(|name| !fits_a_path(name)) {
            let message = format!(
                "The {what} {name:?} of the {} cannot be used: Driftless accepts names of up to 253 letters, digits \
                 and \
                 characters of `-._~:@!$&'()*+,;=`, \
                 because they are part of the object's URL. Rename it.",
                key.kind
            );
            return Err(refuse(&key, &original, message, Vec::new()));
        }
    }
    if marks::is_marked(&manifest.object) {
        let message = format!(
            "{key} sets {} or {}: Driftless sets these itself. Remove them from the manifest.",
            marks::APP_LABEL,
            marks::OWNER_ANNOTATION
        );
        return Err(refuse(&key, &original, message, Vec::new()));
    }
    if let Err(refusal) = with.allow.object(&with.app.id.repo, &key.id()) {
        return Err(Box::new(Refused {
            by: RefusedBy::Configuration,
            ..*refuse(&key, &original, refusal.to_string(), Vec::new())
        }));
    }
    match normalise(&key, &mut manifest.object, status) {
        Ok(said) => notes.extend(said),
        Err(cause) => {
            let message = format!("{}: {}", cause.field.as_deref().unwrap_or("the object"), cause.message);
            return Err(refuse(&key, &original, message, vec![cause]));
        }
    }
    let replace = match asks_for_it(&manifest.object) {
        Ok(replace) => replace,
        Err(message) => return Err(refuse(&key, &original, message, Vec::new())),
    };
    let hash = manifest.hash();
    let mut object = manifest.object.clone();
    with.marks.put(&mut object, &key.id());
    Ok(PreparedObject {
        key,
        manifest: manifest.object,
        desired: Desired { object, hash },
        origin: manifest.origin,
        notes,
        replace,
    })
}

/// A CRD of the same change says it best: what the cluster serves now is its past.
fn served(key: &ObjectKey, with: &Preparing<'_>, crds: &Crds) -> Option<Served> {
    let defined = crds.get(&key.group, &key.kind).filter(|crd| crd.versions.contains(&key.version));
    let defined = defined.map(|crd| Served { scope: crd.scope, status: crd.status.contains(&key.version) });
    match (defined, (with.served)(key)) {
        (Some(defined), Some(served)) => Some(Served { scope: served.scope, ..defined }),
        (defined, served) => served.or(defined),
    }
}

/// The key that an object has in the cluster, also where its version is not served, or its kind not at all: what is
/// refused is the same object as the one in the inventory, which would be taken for one that Git does not have.
fn complete(key: &ObjectKey, with: &Preparing<'_>, crds: &Crds) -> ObjectKey {
    let namespace = key.namespace.as_ref().unwrap_or(&with.app.destination.namespace);
    let namespaced = ObjectKey { namespace: Some(namespace.clone()), ..key.clone() };
    let bare = ObjectKey { namespace: None, ..key.clone() };
    let scope = (with.scope)(key).or_else(|| crds.get(&key.group, &key.kind).map(|crd| crd.scope));
    match scope {
        Some(Scope::Namespaced) => namespaced,
        Some(Scope::Cluster) => bare,
        None if (with.owned)(&namespaced.id()) => namespaced,
        None if (with.owned)(&bare.id()) => bare,
        None => key.clone(),
    }
}

fn unknown_kind(key: &ObjectKey, crds: &Crds) -> String {
    let ObjectKey { group, version, kind, .. } = key;
    let group = if group.is_empty() { "the core group" } else { group };
    match crds.get(&key.group, kind) {
        Some(crd) => {
            format!("The CRD {} in this change does not serve version {version} of {kind} ({group}).", crd.name)
        }
        None => format!(
            "The cluster does not know kind {kind} in version {version} of {group}, and no CRD in this change defines \
             it."
        ),
    }
}

fn unset_namespace(manifest: &mut Manifest) {
    manifest.key.namespace = None;
    if let Some(metadata) = manifest.object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("namespace");
    }
}

fn refuse(key: &ObjectKey, original: &Manifest, message: String, causes: Vec<Cause>) -> Box<Refused> {
    Box::new(Refused {
        key: key.clone(),
        origin: original.origin.clone(),
        hash: original.hash(),
        message,
        causes,
        by: RefusedBy::Driftless,
        is_unknown: false,
    })
}

#[cfg(test)]
#[path = "prepare_tests.rs"]
mod tests;
