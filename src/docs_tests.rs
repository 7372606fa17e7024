//! The pages under `docs/` say what the code has: every key of an app, every state, every mark.

use std::collections::BTreeSet;
use std::path::Path;

use crate::app::{DefinitionError, parse_file};
use crate::app_status::State;
use crate::ids::RepoName;
use crate::plan::REPLACE_ANNOTATION;
use crate::plan::marks::{APP_LABEL, OWNER_ANNOTATION};

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).expect("a page")
}

/// The first column of the table below a heading.
fn named<'p>(page: &'p str, heading: &str) -> BTreeSet<&'p str> {
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect()
}

/// Each map of a definition, and a definition with the key `ZZZ` in it.
const MAPS: [(&str, &str); 7] = [
    ("`metadata`", "metadata: {ZZZ: 1}\nspec: {}"),
    ("`spec`", "metadata: {name: a}\nspec: {ZZZ: 1}"),
    ("`spec.source`", "metadata: {name: a}\nspec: {source: {ZZZ: 1}}"),
    ("`spec.kustomize`", "metadata: {name: a}\nspec: {kustomize: {ZZZ: 1}}"),
    ("`spec.helm`", "metadata: {name: a}\nspec: {helm: {ZZZ: 1}}"),
    ("`spec.destination`", "metadata: {name: a}\nspec: {destination: {ZZZ: 1}}"),
    ("`spec.ignoreDifferences`", "metadata: {name: a}\nspec: {ignoreDifferences: [{ZZZ: 1}]}"),
];

/// L5+: a key that the types take has a row, and a row has a key.
#[test]
fn every_key_of_an_app_is_documented() {
    let page = page("apps.md");
    for (heading, text) in MAPS {
        let text = format!("apiVersion: driftless.dev/v1\nkind: App\n{text}\n");
        let parsed = parse_file(&RepoName::new("shop"), "refs/heads/main", "apps/a.yaml", &text);
        let of = |error: &DefinitionError| {
            let (_, listed) = error.message.split_once("has no key `ZZZ`: it may have ")?;
            Some(listed.replace('`', ""))
        };
        let listed = parsed.errors.iter().find_map(of).unwrap_or_else(|| panic!("{:?}", parsed.errors));
        assert_eq!(named(&page, heading), listed.split(", ").collect(), "{heading}");
    }
    let sections = page.lines().filter(|line| line.starts_with("## `")).count();
    assert_eq!(sections, MAPS.len(), "a map is on the page and not in the test");
}

/// L5+: so is every state that `driftless apps` shows.
#[test]
fn every_state_of_an_app_is_documented() {
    let page = page("apps.md");
    assert_eq!(named(&page, "States"), State::ALL.iter().map(|state| state.as_str()).collect());
}

/// L5+: and what is written on objects, or read there.
#[test]
fn every_mark_is_documented() {
    let page = page("apps.md");
    assert_eq!(
        named(&page, "Labels and annotations"),
        BTreeSet::from([APP_LABEL, OWNER_ANNOTATION, REPLACE_ANNOTATION])
    );
}

/// L7+: commands in the documentation are commands of the program, and pages lead to pages.
#[test]
fn pages_name_what_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let commands = crate::cli::command_names();
    for name in [
        "README.md",
        "deploy/README.md",
        "docs/apps.md",
        "docs/operations.md",
        "docs/commands.md",
        "docs/configuration.md",
    ] {
        let text = std::fs::read_to_string(root.join(name)).expect(name);
        for (at, _) in text.match_indices("`driftless ") {
            let word = text[at + "`driftless ".len()..].split([' ', '`', '\n']).next().unwrap_or_default();
            assert!(commands.iter().any(|command| command == word), "{name} names `driftless {word}`");
        }
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#']).next().unwrap_or_default();
            let is_file = !target.is_empty() && !target.contains(':');
            let place = root.join(name).parent().expect("a folder").join(target);
            assert!(!is_file || place.exists(), "{name} leads to {target}");
        }
    }
}

/// The files that CONTRIBUTING.md and the architecture name exist.
#[test]
fn every_file_that_contributors_are_sent_to_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = |name: &&str| name.split('/').next().is_some_and(|top| !top.is_empty() && root.join(top).exists());
    for page in ["CONTRIBUTING.md", "docs/architecture.md"] {
        let text = std::fs::read_to_string(root.join(page)).expect(page);
        let spans = text.split('`').skip(1).step_by(2);
        let named: BTreeSet<&str> = spans.filter(|name| is_path(name)).filter(top).collect();
        let missing: Vec<&&str> = named.iter().filter(|name| !root.join(name).exists()).collect();
        assert!(named.len() > 20 && missing.is_empty(), "{page} names files that do not exist: {missing:?}");
    }
}

fn is_path(name: &str) -> bool {
    name.contains('/') && !name.contains(' ') && name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
}
