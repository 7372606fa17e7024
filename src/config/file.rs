//! The form of the configuration file: what may stand where. Unknown keys are refused, so that a misspelt one is not silently a default.

use std::path::PathBuf;

use serde::Deserialize;

use super::Problem;
use crate::app::Allow;
use crate::yaml::{self, Spanned};

pub(super) type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct File {
    pub instance: Option<Text>,
    pub status_context: Option<String>,
    pub listen: Option<Text>,
    pub data: Option<PathBuf>,
    pub socket: Option<PathBuf>,
    pub renderer: Option<PathBuf>,
    pub ca: Option<PathBuf>,
    pub public_url: Option<Text>,
    pub workers: Option<usize>,
    #[serde(default)]
    pub timing: Timing,
    #[serde(default)]
    pub destructive: Destructive,
    #[serde(default)]
    pub hooks: Vec<Hook>,
    #[serde(default)]
    pub repos: Vec<Repo>,
    #[serde(default)]
    pub clusters: Vec<Cluster>,
}

/// Durations in the form `10m`, `1s 500ms`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Timing {
    pub quiet: Option<Text>,
    pub maximum: Option<Text>,
    pub resync: Option<Text>,
    pub health: Option<Text>,
    pub give_up: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Destructive {
    pub share: Option<Spanned<f64>>,
    pub count: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Hook {
    pub name: Text,
    pub forge: Text,
    pub url: Option<Text>,
    #[serde(default)]
    pub secrets: Vec<Spanned<SecretRef>>,
    pub credentials: Option<CredentialsRef>,
}

/// Where a secret is. It never stands in the file itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SecretRef {
    pub env: Option<String>,
    pub file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CredentialsRef {
    pub token: Option<Spanned<SecretRef>>,
    pub app: Option<AppRef>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AppRef {
    pub id: u64,
    pub private_key: Spanned<SecretRef>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Repo {
    pub name: Text,
    pub hook: Text,
    pub project: Text,
    pub url: Text,
    pub definitions: Definitions,
    #[serde(default)]
    pub allow: Allow,
    #[serde(default)]
    pub may_read: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Definitions {
    pub branch: Text,
    pub globs: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Cluster {
    pub name: Text,
    pub kubeconfig: Option<PathBuf>,
    pub context: Option<String>,
    #[serde(default)]
    #[allow(clippy::struct_field_names, reason = "the key of the file")]
    pub in_cluster: bool,
    pub concurrency: Option<usize>,
}

pub(super) fn read(text: &str) -> Result<File, Problem> {
    match yaml::documents(text).as_slice() {
        [] => Err(Problem { line: 0, message: "the file is empty; deploy/ has one to start from".into() }),
        [one] => yaml::parse(*one).map_err(|error| Problem { line: error.line, message: error.message }),
        [_, second, ..] => Err(Problem { line: second.first_line, message: "one document is expected, and a second begins here".into() }),
    }
}
