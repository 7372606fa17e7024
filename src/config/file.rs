//! The form of the configuration file: what may stand where. Unknown keys are refused, so that a misspelt one is not silently a default.

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Problem, structure};
use crate::app::Allow;
use crate::yaml::{self, Document, Spanned};

pub(super) type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct File {
    pub instance: Option<Text>,
    pub status_context: Option<String>,
    pub listen: Option<Text>,
    pub probes: Option<Text>,
    pub data: Option<PathBuf>,
    pub socket: Option<PathBuf>,
    pub renderer: Option<PathBuf>,
    pub landlock: Option<Spanned<u8>>,
    pub ca: Option<PathBuf>,
    pub public_url: Option<Text>,
    pub workers: Option<Spanned<usize>>,
    #[serde(default)]
    pub timing: Timing,
    #[serde(default)]
    pub destructive: Destructive,
    #[serde(default)]
    pub healing: Healing,
    #[serde(default)]
    pub comment: Comment,
    #[serde(default)]
    pub prune: Prune,
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

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Healing {
    pub attempts: Option<Spanned<u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Comment {
    pub parts: Option<Spanned<usize>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Prune {
    pub propagation: Option<Text>,
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
    pub concurrency: Option<Spanned<usize>>,
}

pub(super) fn read(text: &str) -> Result<File, Vec<Problem>> {
    let document = match yaml::documents(text).as_slice() {
        [] => return Err(vec![Problem { line: 0, message: "the file is empty. Begin with the example in deploy/".into() }]),
        [one] => *one,
        [_, second, ..] => {
            let message = "a second YAML document begins here; the file must contain only one".into();
            return Err(vec![Problem { line: second.first_line, message }]);
        }
    };
    let faults = structure::faults(&parsed(document)?);
    if faults.is_empty() { parsed(document) } else { Err(faults) }
}

fn parsed<T: DeserializeOwned>(document: Document<'_>) -> Result<T, Vec<Problem>> {
    yaml::parse(document).map_err(|error| vec![Problem { line: error.line, message: error.message }])
}
