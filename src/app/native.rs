//! Driftless' own dialect: `kind: App` of `driftless.dev/v1`.
//!
//! ```yaml
//! apiVersion: driftless.dev/v1
//! kind: App
//! metadata:
//!   name: shop-eu
//! spec:
//!   source: {path: deploy/eu}          # repo: the one that defines it, ref: its definitions branch
//!   destination: {cluster: prod, namespace: shop-eu}
//! ```

use serde::Deserialize;
use serde_json::Value;

use super::checks::{check_name, check_namespace, check_path};
use super::mistakes;
use super::{Adopt, App, Destination, DriftPolicy, IgnoreDifferences, OnDelete, Origin, Source, SyncPolicy};
use crate::ids::{AppId, ClusterName, RepoName};
use crate::render::{HelmOptions, KustomizeOptions, RenderOptions, RendererKind};
use crate::yaml::{self, Document, Spanned};

pub const API_VERSION: &str = "driftless.dev/v1";

/// Documents in one file. A repository with more apps has more files.
const MOST_DOCUMENTS: usize = 2000;

/// What one file defines, and everything that is wrong in it.
#[derive(Debug, Default)]
pub struct Parsed {
    pub apps: Vec<App>,
    pub errors: Vec<DefinitionError>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct DefinitionError {
    pub file: String,
    pub line: u32,
    pub message: String,
    /// The app that the document would have defined, where that much can be read.
    pub app: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Header {
    #[serde(rename = "apiVersion", default)]
    api_version: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    metadata: Option<HeaderMetadata>,
}

#[derive(Debug, Deserialize)]
struct HeaderMetadata {
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    source: SpecSource,
    #[serde(default)]
    renderer: RendererKind,
    #[serde(default)]
    kustomize: KustomizeOptions,
    #[serde(default)]
    helm: HelmOptions,
    destination: SpecDestination,
    #[serde(default)]
    sync: SyncPolicy,
    #[serde(default)]
    drift: DriftPolicy,
    #[serde(default)]
    on_delete: OnDelete,
    #[serde(default)]
    adopt: bool,
    #[serde(default)]
    ignore_differences: Vec<Spanned<IgnoreDifferences>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecSource {
    repo: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<Spanned<String>>,
    path: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecDestination {
    cluster: String,
    namespace: Spanned<String>,
}

/// Reads one file. `definitions_ref` is the full ref that the file was read from: what an app follows unless it says
/// otherwise.
pub fn parse_file(repo: &RepoName, definitions_ref: &str, file: &str, text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let documents = yaml::documents(text);
    if let Some(beyond) = documents.get(MOST_DOCUMENTS) {
        let message = format!(
            "the file has {} documents; the limit is {MOST_DOCUMENTS}. Split it into several files",
            documents.len()
        );
        parsed.errors.push(DefinitionError { file: file.to_owned(), line: beyond.first_line + 1, message, app: None });
        return parsed;
    }
    for document in documents {
        match parse_document(repo, definitions_ref, file, document) {
            Ok(Some(app)) => parsed.apps.push(app),
            Ok(None) => {}
            Err(errors) => parsed.errors.extend(errors),
        }
    }
    parsed
}

fn parse_document(
    repo: &RepoName,
    definitions_ref: &str,
    file: &str,
    document: Document<'_>,
) -> Result<Option<App>, Vec<DefinitionError>> {
    let failed = |line, message: String, app| DefinitionError { file: file.to_owned(), line, message, app };
    let header: Header = yaml::parse(document).map_err(|error| vec![failed(error.line, error.message, None)])?;
    if !header.api_version.as_deref().is_some_and(|version| version.starts_with("driftless.dev/")) {
        return Ok(None);
    }
    let name = header.metadata.and_then(|metadata| metadata.name);
    if header.api_version.as_deref() != Some(API_VERSION) || header.kind.as_deref() != Some("App") {
        let message = format!("only `kind: App` of `apiVersion: {API_VERSION}` is supported");
        return Err(vec![failed(document.first_line + 1, message, name)]);
    }
    let parsed: File = match yaml::parse(document) {
        Ok(parsed) => parsed,
        Err(error) => {
            let first = [(error.line.saturating_sub(document.first_line), error.message)];
            let all = yaml::parse(document).map(|node| mistakes::all(&node)).unwrap_or_default();
            let all = if all.is_empty() { first.to_vec() } else { all };
            let told = |(line, message)| failed(document.first_line + line, message, name.clone());
            return Err(all.into_iter().map(told).collect());
        }
    };
    let errors: Vec<_> =
        wrong(&parsed, document).into_iter().map(|(line, message)| failed(line, message, name.clone())).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let origin = Origin {
        file: file.to_owned(),
        line: line_of(&parsed.metadata.name, document),
        definitions_ref: definitions_ref.to_owned(),
    };
    Ok(Some(app(repo, definitions_ref, parsed, origin)))
}

/// What no type refuses, with the lines of the file.
fn wrong(parsed: &File, document: Document<'_>) -> Vec<(u32, String)> {
    let spec = &parsed.spec;
    let checks = [
        (&parsed.metadata.name, check_name(&parsed.metadata.name.value)),
        (&spec.source.path, check_path(&spec.source.path.value)),
        (&spec.destination.namespace, check_namespace(&spec.destination.namespace.value)),
    ];
    let texts = checks.into_iter().map(|(at, check)| (line_of(at, document), check));
    let values = [(line_of_values(document), check_values(&spec.helm.values))];
    let line =
        |rule: &Spanned<IgnoreDifferences>| u32::try_from(rule.referenced.line()).unwrap_or(0) + document.first_line;
    let rules = spec.ignore_differences.iter().map(|rule| (line(rule), check_pointers(&rule.value)));
    let checked = texts.chain(values).chain(rules);
    let mut found: Vec<_> = checked.filter_map(|(line, check)| Some((line, check.err()?))).collect();
    found.sort();
    found
}

/// Values of a chart are a map. As a text they would be no values at all, and they may hold secrets, so that what was
/// found is not repeated.
fn check_values(values: &Value) -> Result<(), String> {
    let found = match values {
        Value::Null | Value::Object(_) => return Ok(()),
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
    };
    Err(format!(
        "spec.helm.values should be a map, but is {found}; write the values below it without `|`, or name a file in \
         valuesFiles"
    ))
}

fn line_of_values(document: Document<'_>) -> u32 {
    let at =
        document.text.lines().position(|line| line.trim_start().starts_with("values:") || line.contains("{values:"));
    u32::try_from(at.unwrap_or(0)).unwrap_or(0) + document.first_line + 1
}

fn line_of(spanned: &Spanned<String>, document: Document<'_>) -> u32 {
    u32::try_from(spanned.referenced.line()).unwrap_or(0) + document.first_line
}

fn app(repo: &RepoName, definitions_ref: &str, file: File, origin: Origin) -> App {
    let File { _api_version, _kind, metadata, spec } = file;
    let Spec { source, renderer, kustomize, helm, destination, sync, drift, on_delete, adopt, ignore_differences } =
        spec;
    App {
        id: AppId::new(repo, metadata.name.value),
        source: Source {
            repo: source.repo.map_or_else(|| repo.clone(), RepoName::new),
            ref_name: source.reference.map_or_else(|| definitions_ref.to_owned(), |name| full_ref(&name.value)),
            path: clean_path(&source.path.value),
        },
        render: RenderOptions { renderer, kustomize, helm },
        destination: Destination {
            cluster: ClusterName::new(destination.cluster),
            namespace: destination.namespace.value,
        },
        sync,
        drift,
        on_delete,
        adopt: Adopt(adopt),
        ignore_differences: ignore_differences.into_iter().map(|rule| rule.value).collect(),
        origin,
    }
}

/// A short name is a branch, as everywhere in Git's porcelain that follows one.
fn full_ref(name: &str) -> String {
    if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") }
}

/// `./deploy//eu/` is `deploy/eu`, and `.` is the root.
fn clean_path(path: &str) -> String {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}

/// What names an object, whose it is and what is in a Secret is never anybody else's.
fn check_pointers(rule: &IgnoreDifferences) -> Result<(), String> {
    const WHAT: &str = "spec.ignoreDifferences";
    if rule.json_pointers.is_empty() {
        return Err(format!(
            "{WHAT} for {} names no field: list some in jsonPointers, such as /spec/replicas",
            rule.kind
        ));
    }
    for pointer in &rule.json_pointers {
        let names_object =
            ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"].contains(&pointer.as_str());
        let names_mark = pointer.contains("driftless.dev")
            || ["/metadata", "/metadata/labels", "/metadata/annotations"].contains(&pointer.as_str());
        if !pointer.starts_with('/') || pointer.len() < 2 {
            return Err(format!(
                "{WHAT} for {}: {pointer:?} is not a JSON pointer: write it as /spec/replicas",
                rule.kind
            ));
        }
        if names_object || names_mark {
            return Err(format!(
                "{WHAT} for {}: {pointer:?} identifies the object or its owner and cannot be ignored",
                rule.kind
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "native_tests.rs"]
mod tests;
