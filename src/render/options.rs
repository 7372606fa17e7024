//! The part of an app's definition that a render depends on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RenderOptions {
    /// `auto` looks at the path: a kustomization, a chart, else plain YAML.
    pub renderer: RendererKind,
    pub kustomize: KustomizeOptions,
    pub helm: HelmOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RendererKind {
    #[default]
    Auto,
    Yaml,
    Kustomize,
    Helm,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KustomizeOptions {
    pub load_restriction: LoadRestriction,
}

/// kustomize's own rule, or none up to the root of the repo and never beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LoadRestriction {
    #[default]
    RootOnly,
    None,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HelmOptions {
    /// Files from the root of the repo, later ones win.
    pub values_files: Vec<String>,
    /// Values that win over all files.
    pub values: Value,
    /// Lets `lookup` find nothing instead of failing.
    pub allow_lookup: bool,
    pub nondeterministic: Nondeterministic,
}

/// What to do about a chart whose two renders differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nondeterministic {
    /// It is an error that names the object and the field.
    #[default]
    Refuse,
    /// The live value is copied into the manifest.
    Keep,
}
