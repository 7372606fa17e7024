//! The form of an app that the rest of Driftless works with, whatever dialect it was written in.

use serde::{Deserialize, Serialize};

use crate::ids::{AppId, ClusterName, RepoName};
use crate::render::RenderOptions;

/// An app as it is defined at one commit of its defining repo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub origin: Origin,
}

impl App {
    /// Whether two definitions say the same, wherever they stand.
    pub fn same_definition(&self, other: &Self) -> bool {
        *self == Self { origin: self.origin.clone(), ..other.clone() }
    }
}

/// Where the manifests come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    pub repo: RepoName,
    /// A full ref name, such as `refs/heads/main`.
    pub ref_name: String,
    /// A folder, from the root of the repo; empty for the root itself.
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Destination {
    pub cluster: ClusterName,
    /// Fills only what a namespaced manifest leaves out.
    pub namespace: String,
}

/// Where an app is defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub file: String,
    pub line: u32,
    /// The full ref that the file was read from; empty where that was not written down.
    #[serde(default)]
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
