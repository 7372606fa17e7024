//! Rendered objects that still reference an object to be deleted. By the field names of built-in kinds: a hint for
//! readers, not a proof.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::manifest::{Manifest, ObjectId, ObjectKey};

/// Which manifests have which texts in them: a prune of thousands of objects does not read thousands of manifests for
/// each.
pub struct Index<'a>(HashMap<&'a str, Vec<&'a Manifest>>);

impl<'a> Index<'a> {
    pub fn new(manifests: &'a [Manifest]) -> Self {
        let mut index: HashMap<&str, Vec<&Manifest>> = HashMap::new();
        for manifest in manifests {
            let mut texts = HashSet::new();
            collect(&manifest.object, &mut texts);
            for text in texts {
                index.entry(text).or_default().push(manifest);
            }
        }
        Self(index)
    }

    /// The manifests that refer to `target`.
    pub fn referrers(&self, target: &ObjectId) -> Vec<ObjectKey> {
        let near = |manifest: &&Manifest| {
            target.namespace.is_none() || manifest.key.namespace == target.namespace || names_namespaces(manifest)
        };
        let refers = |manifest: &&Manifest| manifest.key.id() != *target && walk(&manifest.object, target, "");
        let named = self.0.get(target.name.as_str()).into_iter().flatten().copied();
        named.filter(near).filter(refers).map(|manifest| manifest.key.clone()).collect()
    }
}

fn collect<'a>(value: &'a Value, texts: &mut HashSet<&'a str>) {
    match value {
        Value::Object(fields) => fields.values().for_each(|inner| collect(inner, texts)),
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, texts)),
        Value::String(text) => drop(texts.insert(text)),
        _ => {}
    }
}

/// Bindings and webhooks refer across namespaces.
fn names_namespaces(manifest: &Manifest) -> bool {
    manifest.key.kind.ends_with("Binding")
        || manifest.key.kind.ends_with("WebhookConfiguration")
        || manifest.key.kind == "APIService"
}

fn walk(value: &Value, target: &ObjectId, under: &str) -> bool {
    match value {
        Value::Object(fields) => {
            is_reference(value, target)
                || fields.iter().any(|(name, inner)| names(under, name, &target.kind) && is(inner, &target.name))
                || fields.iter().any(|(name, inner)| walk(inner, target, name))
        }
        Value::Array(items) => items.iter().any(|item| walk(item, target, under)),
        _ => false,
    }
}

fn is(value: &Value, name: &str) -> bool {
    value.as_str() == Some(name)
}

/// `{kind, name}`, as in `roleRef`, `subjects`, `scaleTargetRef` and most references of other kinds.
fn is_reference(value: &Value, target: &ObjectId) -> bool {
    let elsewhere = value
        .get("namespace")
        .and_then(Value::as_str)
        .is_some_and(|namespace| Some(namespace) != target.namespace.as_deref());
    is(&value["kind"], &target.kind)
        && is(&value["name"], &target.name)
        && value.get("metadata").is_none()
        && !elsewhere
}

/// Whether a field `name` of an object that stands `under` another field holds the name of an object of this kind.
fn names(under: &str, name: &str, kind: &str) -> bool {
    match kind {
        "ConfigMap" => name == "name" && matches!(under, "configMap" | "configMapRef" | "configMapKeyRef"),
        "Secret" => {
            name == "secretName"
                || (name == "name" && matches!(under, "secret" | "secretRef" | "secretKeyRef" | "imagePullSecrets"))
        }
        "ServiceAccount" => name == "serviceAccountName",
        "PersistentVolumeClaim" => name == "claimName",
        "Service" => name == "serviceName" || (name == "name" && under == "service"),
        "PriorityClass" => name == "priorityClassName",
        "StorageClass" => name == "storageClassName",
        "IngressClass" => name == "ingressClassName",
        "RuntimeClass" => name == "runtimeClassName",
        "GatewayClass" => name == "gatewayClassName",
        "Namespace" => name == "namespace",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(kind: &str, namespace: &str, spec: &Value) -> Manifest {
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "user", "namespace": namespace},
            "spec": spec});
        Manifest::new(object, None).expect("a name")
    }

    fn referrers(manifests: &[Manifest], target: &ObjectId) -> Vec<ObjectKey> {
        Index::new(manifests).referrers(target)
    }

    fn id(kind: &str, name: &str) -> ObjectId {
        ObjectId {
            group: String::new(),
            kind: kind.to_owned(),
            namespace: Some("shop".to_owned()),
            name: name.to_owned(),
        }
    }

    #[test]
    fn the_usual_references_are_found() {
        let cases = [
            (id("ConfigMap", "env"), json!({"containers": [{"envFrom": [{"configMapRef": {"name": "env"}}]}]})),
            (id("ConfigMap", "env"), json!({"volumes": [{"configMap": {"name": "env"}}]})),
            (id("Secret", "db"), json!({"volumes": [{"secret": {"secretName": "db"}}]})),
            (id("Secret", "db"), json!({"imagePullSecrets": [{"name": "db"}]})),
            (id("Secret", "db"), json!({"tls": [{"secretName": "db"}]})),
            (id("Service", "web"), json!({"backend": {"service": {"name": "web", "port": 1}}})),
            (
                id("Deployment", "web"),
                json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}),
            ),
            (id("ServiceAccount", "bot"), json!({"template": {"spec": {"serviceAccountName": "bot"}}})),
        ];
        for (target, spec) in cases {
            assert_eq!(referrers(&[manifest("Pod", "shop", &spec)], &target).len(), 1, "{target} {spec}");
            assert_eq!(referrers(&[manifest("Pod", "other", &spec)], &target).len(), 0, "{target} {spec}");
            let other = ObjectId { name: "unused".to_owned(), ..target };
            assert_eq!(referrers(&[manifest("Pod", "shop", &spec)], &other).len(), 0, "{other} {spec}");
        }
    }
}
