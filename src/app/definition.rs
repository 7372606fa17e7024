//! The type of an app, independent of the dialect of its definition.

use serde::{Deserialize, Serialize};

use crate::ids::{AppId, ClusterName, RepoName};
use crate::manifest::ObjectId;
use crate::render::RenderOptions;

/// An app as it is defined at one commit of its defining repo. What is stored of it has a form of its own, in `store`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct App {
    pub id: AppId,
    pub source: Source,
    pub render: RenderOptions,
    pub destination: Destination,
    pub sync: SyncPolicy,
    pub drift: DriftPolicy,
    pub on_delete: OnDelete,
    /// Whether objects that exist without any owner's mark may be taken over.
    pub adopt: Adopt,
    /// Fields that others may set: what differs there is neither drift nor changed back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_differences: Vec<IgnoreDifferences>,
    pub origin: Origin,
}

/// Fields of some objects of an app. What is left out of the names matches all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IgnoreDifferences {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// As RFC 6901 has them, such as `/spec/replicas`.
    pub json_pointers: Vec<String>,
}

impl IgnoreDifferences {
    pub fn matches(&self, id: &ObjectId) -> bool {
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
        self.kind == id.kind
            && is(&self.group, Some(&id.group))
            && is(&self.name, Some(&id.name))
            && is(&self.namespace, id.namespace.as_deref())
    }
}

impl App {
    /// Whether two definitions say the same, wherever they stand.
    pub fn same_definition(&self, other: &Self) -> bool {
        *self == Self { origin: self.origin.clone(), ..other.clone() }
    }
}

/// Where the manifests come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Source {
    pub repo: RepoName,
    /// A full ref name, such as `refs/heads/main`.
    pub ref_name: String,
    /// A folder, from the root of the repo; empty for the root itself.
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Destination {
    pub cluster: ClusterName,
    /// Fills only what a namespaced manifest leaves out.
    pub namespace: String,
}

/// Where an app is defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    pub file: String,
    pub line: u32,
    /// The full ref that the file was read from; empty where that was not written down.
    pub definitions_ref: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncPolicy {
    #[default]
    Auto,
    Manual,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriftPolicy {
    #[default]
    Heal,
    Report,
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDelete {
    #[default]
    Keep,
    Prune,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Adopt(pub bool);
