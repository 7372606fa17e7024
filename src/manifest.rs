//! A rendered object and its name. Shared by all modules from the render to the report.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// An object by the version that it was written in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    /// None for cluster-scoped objects, and for namespaced ones before the destination has filled it.
    pub namespace: Option<String>,
    pub name: String,
}

/// An object whatever version it is read in: two versions of a kind are views of one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectId {
    pub group: String,
    pub kind: String,
    pub namespace: Option<String>,
    pub name: String,
}

impl ObjectKey {
    pub fn id(&self) -> ObjectId {
        ObjectId {
            group: self.group.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Reads what names an object. One that has only `generateName` has no name: it would be another one at each apply.
    pub fn of(object: &Value) -> Result<Self, Unnamed> {
        let text = |pointer: &str, field| {
            object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or(Unnamed { field })
        };
        let api_version = text("/apiVersion", "apiVersion")?;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Ok(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text("/kind", "kind")?.to_owned(),
            namespace: text("/metadata/namespace", "metadata.namespace").ok().map(str::to_owned),
            name: text("/metadata/name", "metadata.name")?.to_owned(),
        })
    }
}

/// Groups with a dot that the API server defines by itself.
const BUILT_IN: [&str; 17] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Whether the kinds of a group are the API server's own: all others come with a CRD or an aggregated API, whose groups
/// have to have a dot.
pub fn is_built_in(group: &str) -> bool {
    !group.contains('.') || BUILT_IN.contains(&group)
}

/// Whether a name can be a part of an object's address in the API. The server takes none with `/` or `%` in it, nor `.`
/// and `..`; some kinds may have others that would have to be written in another way there, which we don't do.
pub fn fits_a_path(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=".contains(&byte);
    !name.is_empty() && name != "." && name != ".." && name.len() <= 253 && name.bytes().all(plain)
}

/// `Deployment shop/web`, or `Namespace shop` for a cluster-scoped object.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, &self.kind, self.namespace.as_deref(), &self.name)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, &self.kind, self.namespace.as_deref(), &self.name)
    }
}

fn write_name(f: &mut fmt::Formatter<'_>, kind: &str, namespace: Option<&str>, name: &str) -> fmt::Result {
    match namespace {
        Some(namespace) => write!(f, "{kind} {namespace}/{name}"),
        None => write!(f, "{kind} {name}"),
    }
}

/// An object without what names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object has no {field}")]
pub struct Unnamed {
    /// The field that is missing, empty, or not a string.
    pub field: &'static str,
}

/// A rendered object. It may hold a Secret's values, so it does not print them.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub key: ObjectKey,
    pub object: Value,
    /// The file that it came from, from the root of the repo, where that is known.
    pub origin: Option<String>,
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest").field("key", &self.key).field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Manifest {
    /// Takes an object apart far enough to name it.
    pub fn new(object: Value, origin: Option<String>) -> Result<Self, Unnamed> {
        Ok(Self { key: ObjectKey::of(&object)?, object, origin })
    }

    /// Fills the namespace that a namespaced manifest leaves out.
    pub fn set_namespace(&mut self, namespace: &str) {
        self.key.namespace = Some(namespace.to_owned());
        self.object["metadata"]["namespace"] = Value::from(namespace);
    }

    /// SHA-256 over the object with its keys in order: equal for equal content.
    pub fn hash(&self) -> String {
        let mut sorted = self.object.clone();
        sorted.sort_all_objects();
        hex::encode(Sha256::digest(sorted.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_of_an_object_are_one_object() -> Result<(), Unnamed> {
        let at = |version| {
            ObjectKey::of(
                &json!({"apiVersion": version, "kind": "CronJob", "metadata": {"name": "night", "namespace": "shop"}}),
            )
        };
        let (old, new) = (at("batch/v1beta1")?, at("batch/v1")?);
        assert_ne!(old, new);
        assert_eq!(old.id(), new.id());
        assert_eq!(new.to_string(), "CronJob shop/night");
        Ok(())
    }

    #[test]
    fn what_is_missing_is_named() {
        let nameless = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "p-"}});
        assert_eq!(ObjectKey::of(&nameless), Err(Unnamed { field: "metadata.name" }));
        assert_eq!(ObjectKey::of(&json!({"kind": "Pod"})), Err(Unnamed { field: "apiVersion" }));
        assert_eq!(ObjectKey::of(&json!([])), Err(Unnamed { field: "apiVersion" }));
    }

    #[test]
    fn the_hash_does_not_know_the_order_of_keys_but_of_items() -> Result<(), Unnamed> {
        let of = |extra: Value| {
            Manifest::new(json!({"kind": "A", "apiVersion": "v1", "metadata": {"name": "a"}, "extra": extra}), None)
                .map(|m| m.hash())
        };
        assert_eq!(of(json!({"x": 1, "y": [1, 2]}))?, of(json!({"y": [1, 2], "x": 1}))?);
        assert_ne!(of(json!({"x": 1, "y": [1, 2]}))?, of(json!({"x": 1, "y": [2, 1]}))?);
        Ok(())
    }

    #[test]
    fn groups_of_the_server_are_known() {
        for group in ["", "apps", "batch", "networking.k8s.io"] {
            assert!(is_built_in(group), "{group}");
        }
        for group in ["example.com", "gateway.networking.k8s.io", "snapshot.storage.k8s.io"] {
            assert!(!is_built_in(group), "{group}");
        }
    }
}
