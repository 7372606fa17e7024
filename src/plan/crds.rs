//! The kinds that the CRDs of a plan define.

use std::collections::HashMap;

use serde_json::Value;

use crate::manifest::Manifest;

/// How a cluster serves a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Namespaced,
    Cluster,
}

/// The kinds that CRDs in a plan define: by group and kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Crds(HashMap<(String, String), Crd>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crd {
    /// The CRD's own name, such as `widgets.example.io`.
    pub name: String,
    pub scope: Scope,
    /// The versions that it serves.
    pub versions: Vec<String>,
    /// Those of them that have a status subresource.
    pub status: Vec<String>,
}

impl Crds {
    pub fn of(manifests: &[Manifest]) -> Self {
        let is_crd = |manifest: &&Manifest| {
            manifest.key.group == "apiextensions.k8s.io" && manifest.key.kind == "CustomResourceDefinition"
        };
        Self(manifests.iter().filter(is_crd).filter_map(read_crd).collect())
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn get(&self, group: &str, kind: &str) -> Option<&Crd> {
        self.0.get(&(group.to_owned(), kind.to_owned()))
    }
}

fn read_crd(manifest: &Manifest) -> Option<((String, String), Crd)> {
    let spec = manifest.object.get("spec")?;
    let text = |pointer: &str| spec.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let scope = if text("/scope")? == "Namespaced" { Scope::Namespaced } else { Scope::Cluster };
    let served: Vec<_> = spec.get("versions")?.as_array()?.iter().filter(|version| version["served"] == true).collect();
    let name = |version: &&Value| version["name"].as_str().map(str::to_owned);
    let has_status =
        |version: &&&Value| version.pointer("/subresources/status").is_some_and(|status| !status.is_null());
    let (versions, status) =
        (served.iter().filter_map(name).collect(), served.iter().filter(has_status).filter_map(name).collect());
    Some(((text("/group")?, text("/names/kind")?), Crd { name: manifest.key.name.clone(), scope, versions, status }))
}
