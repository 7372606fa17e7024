//! The form of the configuration file: what may stand where. Unknown keys are refused, so that a misspelt one is not
//! silently a default.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::types::Problem;
use super::{salvage, structure};
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
    pub commands: Commands,
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
    pub gate: Option<Text>,
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

/// Roles, each by its name.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Commands {
    pub preview: Option<Text>,
    pub sync: Option<Text>,
    pub approve: Option<Text>,
    pub pause: Option<Text>,
    pub resume: Option<Text>,
    pub approve_own: Option<bool>,
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

/// What was read, or everything that has not the form that it should have, and what can be read all the same.
pub(super) enum Read {
    Whole(File),
    Faulty { faults: Vec<Problem>, rest: Option<Rest> },
}

/// A file without what has not its form.
pub(super) struct Rest {
    pub file: File,
    /// Of entries that may be missing from it.
    pub names: BTreeSet<String>,
}

pub(super) fn read(text: &str) -> Read {
    let faulty = |faults| Read::Faulty { faults, rest: None };
    let document = match yaml::documents(text).as_slice() {
        [] => {
            return faulty(vec![Problem {
                line: 0,
                message: "the file is empty. Begin with the example in deploy/".into(),
            }]);
        }
        [one] => *one,
        [_, second, ..] => {
            let message = "a second YAML document begins here; the file must contain only one".into();
            return faulty(vec![Problem { line: second.first_line, message }]);
        }
    };
    let nodes = match parsed(document) {
        Ok(nodes) => nodes,
        Err(problem) => return faulty(vec![problem]),
    };
    let faults = structure::faults(&nodes);
    if !faults.is_empty() {
        let rest =
            salvage::without(document, &faults).and_then(|text| parsed(Document { text: &text, ..document }).ok());
        return Read::Faulty { rest: rest.map(|file| Rest { file, names: structure::names(&nodes) }), faults };
    }
    parsed(document).map_or_else(|problem| faulty(vec![problem]), Read::Whole)
}

fn parsed<T: DeserializeOwned>(document: Document<'_>) -> Result<T, Problem> {
    yaml::parse(document).map_err(|error| Problem { line: error.line, message: error.message })
}
