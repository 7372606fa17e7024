//! One rendered object and its name: pure types that every part from the renderer to the report shares.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What names an object in a cluster, with the version that its manifest is written in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// The API group, empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    pub namespace: Option<String>,
    pub name: String,
}

/// What names an object whatever version it is written in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

    /// The `apiVersion` as manifests write it: `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// `apps/v1 Deployment shop/web`, or `v1 Namespace shop` without a namespace.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.api_version(), self.kind)?;
        place(f, self.namespace.as_deref(), &self.name)
    }
}

/// `apps Deployment shop/web`, or `Namespace shop` in the core group and without a namespace.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{} ", self.group)?;
        }
        write!(f, "{} ", self.kind)?;
        place(f, self.namespace.as_deref(), &self.name)
    }
}

fn place(f: &mut fmt::Formatter<'_>, namespace: Option<&str>, name: &str) -> fmt::Result {
    match namespace {
        Some(namespace) => write!(f, "{namespace}/{name}"),
        None => f.write_str(name),
    }
}

/// One rendered object, and the file that it came from, by its path from the root of the repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub object: Value,
    pub origin: Option<String>,
}

/// An object without what names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object has no {field}")]
pub struct Unnamed {
    /// The field that is missing, empty, or not a string.
    pub field: &'static str,
}

impl Manifest {
    /// The object's name. An object that has only `generateName` has none: it would be another one at each apply.
    pub fn key(&self) -> Result<ObjectKey, Unnamed> {
        let text = |pointer: &str, field| {
            let value = self.object.pointer(pointer).and_then(Value::as_str);
            value
                .filter(|text| !text.is_empty())
                .ok_or(Unnamed { field })
        };
        let api_version = text("/apiVersion", "apiVersion")?;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Ok(ObjectKey {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text("/kind", "kind")?.to_owned(),
            namespace: text("/metadata/namespace", "metadata.namespace")
                .ok()
                .map(str::to_owned),
            name: text("/metadata/name", "metadata.name")?.to_owned(),
        })
    }

    /// The SHA-256 of the object as canonical JSON (keys in byte order, no space), in hex.
    pub fn hash(&self) -> String {
        let mut canonical = String::new();
        write_canonical(&self.object, &mut canonical);
        hex::encode(Sha256::digest(canonical))
    }
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(object: Value) -> Manifest {
        Manifest {
            object,
            origin: None,
        }
    }

    #[test]
    fn a_key_reads_as_people_name_objects() -> Result<(), Unnamed> {
        let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}});
        let key = manifest(web).key()?;
        assert_eq!(key.to_string(), "apps/v1 Deployment shop/web");
        assert_eq!(key.id().to_string(), "apps Deployment shop/web");
        let shop = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        assert_eq!(manifest(shop).key()?.to_string(), "v1 Namespace shop");
        Ok(())
    }

    #[test]
    fn versions_of_an_object_are_one_object() -> Result<(), Unnamed> {
        let at = |version| json!({"apiVersion": version, "kind": "CronJob", "metadata": {"name": "night"}});
        let (old, new) = (manifest(at("batch/v1beta1")), manifest(at("batch/v1")));
        assert_ne!(old.key()?, new.key()?);
        assert_eq!(old.key()?.id(), new.key()?.id());
        Ok(())
    }

    #[test]
    fn what_is_missing_is_named() {
        let nameless =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "p-"}});
        assert_eq!(
            manifest(nameless).key(),
            Err(Unnamed {
                field: "metadata.name"
            })
        );
        assert_eq!(
            manifest(json!({"kind": "Pod"})).key(),
            Err(Unnamed {
                field: "apiVersion"
            })
        );
        assert_eq!(
            manifest(json!([])).key(),
            Err(Unnamed {
                field: "apiVersion"
            })
        );
    }

    #[test]
    fn the_hash_does_not_know_the_order_of_keys_but_of_items() {
        let one = manifest(json!({"a": {"x": 1, "y": [1, 2]}, "b": "\"q\""}));
        let reordered = manifest(json!({"b": "\"q\"", "a": {"y": [1, 2], "x": 1}}));
        let other = manifest(json!({"a": {"x": 1, "y": [2, 1]}, "b": "\"q\""}));
        assert_eq!(one.hash(), reordered.hash());
        assert_ne!(one.hash(), other.hash());
    }
}
