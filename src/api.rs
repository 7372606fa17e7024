//! The JSON that the server's socket speaks: shared by the side that answers (`http`) and the side that asks (`cli`).
//!
//! Times are RFC 3339, durations milliseconds. Fields are only ever added; the path's `v1` changes when one has to go.

use serde::{Deserialize, Serialize};

/// One app with where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppView {
    /// `repo/name`.
    pub app: String,
    pub cluster: String,
    pub namespace: String,
    /// `repo ref path`, as one reads it.
    pub source: String,
    /// `synced`, `pending`, `failed`, `waiting`, `missing`, `removed`, `paused`, `pinned`.
    pub state: String,
    pub message: Option<String>,
    pub health: Option<String>,
    pub applied_revision: Option<String>,
    pub applied_at: Option<String>,
    pub objects: u64,
}

/// One run of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    pub run: String,
    pub app: String,
    pub kind: String,
    pub cause: String,
    pub revision: Option<String>,
    pub author: Option<String>,
    pub state: String,
    pub error: Option<String>,
    pub started_at: String,
    pub finished_at: Option<String>,
    /// What changed, such as "2 created, 1 updated".
    pub summary: String,
    pub steps: Vec<StepView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView {
    pub step: String,
    pub millis: u64,
}

/// A wish to sync an app now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SyncRequest {
    /// Pins the app to this commit until `resume`.
    pub revision: Option<String>,
    /// The deletes that were shown may be done.
    pub allow_destructive: bool,
    /// Objects without an owner may be taken over.
    pub adopt: bool,
}

/// What the server says to a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub message: String,
}

/// The full text of a preview: what the comment shows, without its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewView {
    pub pull_request: String,
    pub markdown: String,
}
