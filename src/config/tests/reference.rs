//! `docs/configuration.md` is written from the table of keys, and the table is what the types read.

use std::collections::BTreeSet;

use super::super::file::File;
use super::super::form::{FILE, Form, Key, Preset};
use super::{VALID, parse};
use crate::yaml;

/// Each map of the file: its place, a file with the key `ZZZ` in it, and the keys that the table gives it.
fn maps() -> Vec<(&'static str, &'static str)> {
    vec![
        ("", "ZZZ: 1"),
        ("timing", "timing: {ZZZ: 1}"),
        ("destructive", "destructive: {ZZZ: 1}"),
        ("healing", "healing: {ZZZ: 1}"),
        ("comment", "comment: {ZZZ: 1}"),
        ("commands", "commands: {ZZZ: 1}"),
        ("prune", "prune: {ZZZ: 1}"),
        ("hooks", "hooks: [{ZZZ: 1}]"),
        ("hooks.secrets", "hooks: [{secrets: [{ZZZ: 1}]}]"),
        ("hooks.credentials", "hooks: [{credentials: {ZZZ: 1}}]"),
        ("hooks.credentials.token", "hooks: [{credentials: {token: {ZZZ: 1}}}]"),
        ("hooks.credentials.app", "hooks: [{credentials: {app: {ZZZ: 1}}}]"),
        ("hooks.credentials.app.privateKey", "hooks: [{credentials: {app: {privateKey: {ZZZ: 1}}}}]"),
        ("repos", "repos: [{ZZZ: 1}]"),
        ("repos.definitions", "repos: [{definitions: {ZZZ: 1}}]"),
        ("repos.allow", "repos: [{allow: {ZZZ: 1}}]"),
        ("repos.allow.clusterScoped", "repos: [{allow: {clusterScoped: [{ZZZ: 1}]}}]"),
        ("clusters", "clusters: [{ZZZ: 1}]"),
    ]
}

fn walk(place: &str, keys: &'static [Key], found: &mut Vec<(String, &'static [Key])>) {
    found.push((place.to_owned(), keys));
    for key in keys.iter().filter(|key| !key.form.keys().is_empty()) {
        let below = if place.is_empty() { key.name.to_owned() } else { format!("{place}.{}", key.name) };
        walk(&below, key.form.keys(), found);
    }
}

fn table() -> Vec<(String, &'static [Key])> {
    let mut found = Vec::new();
    walk("", FILE, &mut found);
    found
}

/// L5: the table has exactly the keys that the types take: those that serde lists where it meets an unknown one.
#[test]
fn the_table_has_the_keys_of_the_types() {
    let table = table();
    assert_eq!(table.len(), maps().len(), "a map is in one and not in the other");
    for (place, text) in maps() {
        let error = yaml::parse::<File>(yaml::documents(text)[0]).expect_err(text).message;
        let (_, listed) = error.split_once("expected ").expect("serde says what it expects");
        let listed = listed.trim_start_matches("one of ").replace(" or ", ", ").replace('`', "");
        let named: BTreeSet<&str> = listed.split(", ").collect();
        let (_, keys) =
            table.iter().find(|(other, _)| other == place).unwrap_or_else(|| panic!("{place:?} is not in the table"));
        assert_eq!(named, keys.iter().map(|key| key.name).collect(), "{place:?}: {error}");
    }
}

/// L5: what the table calls a default is what is taken where nothing is written.
#[test]
fn the_defaults_of_the_table_are_those_of_the_types() {
    let mut text = String::new();
    for key in FILE {
        match (key.form, key.default) {
            (Form::Map(keys), _) => {
                let given = keys
                    .iter()
                    .filter_map(|key| if let Preset::Is(value) = key.default { Some((key.name, value)) } else { None });
                let given: Vec<String> = given.map(|(name, value)| format!("{name}: {value}")).collect();
                text.push_str(&format!("{}: {{{}}}\n", key.name, given.join(", ")));
            }
            (_, Preset::Is(value)) => text.push_str(&format!("{}: {value}\n", key.name)),
            _ => {}
        }
    }
    let text = format!("{text}{VALID}")
        .replace("    forge:", "    forge:")
        .replace("namespaces: ['shop-*']}", "namespaces: ['shop-*'], clusterScoped: []}\n    mayRead: []")
        .replace(
            "kubeconfig: prod.kubeconfig",
            "kubeconfig: prod.kubeconfig\n    inCluster: false\n    concurrency: 16",
        );
    let written = format!("{:?}", parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}")));
    assert_eq!(written, format!("{:?}", parse(VALID).expect("valid")));
}

const HEAD: &str = "\
# Configuration

The server reads one YAML file: the one that `driftless serve --config FILE` names, otherwise the one in \
                    `DRIFTLESS_CONFIG`, otherwise
`/etc/driftless/driftless.yaml`. This file is the only root of trust: nothing in Git can extend what it allows. \
                    Unknown keys are errors.
`driftless check --config FILE` reports all errors at once, with their lines.

- Relative paths start at the file's folder.
- In patterns, `*` matches any characters and `?` matches one.
- Secrets are never in the file. Refer to them with `{env: NAME}` or `{file: PATH}`.

The command line reads these environment variables: `DRIFTLESS_CONFIG`, `DRIFTLESS_SOCKET` (the socket of the running \
                    server), `DRIFTLESS_RENDERER`
(the renderer's program, for `preview` and `dev`) and `RUST_LOG` (the log filter).

This page is generated from the table of keys in `src/config/form.rs`. A test compares them.
";

fn reference() -> String {
    let mut text = HEAD.to_owned();
    for (place, keys) in table() {
        let heading = if place.is_empty() { "The file".to_owned() } else { format!("`{place}`") };
        text.push_str(&format!("\n## {heading}\n\n| key | value | default | description |\n|---|---|---|---|\n"));
        for key in keys {
            let default = match key.default {
                Preset::Required => "required".to_owned(),
                Preset::Is(value) => format!("`{value}`"),
                Preset::Words(words) => words.to_owned(),
            };
            let form = match key.form {
                Form::Secret => "`{env: NAME}` or `{file: PATH}`".to_owned(),
                Form::Secrets => "a list of `{env: NAME}` or `{file: PATH}`".to_owned(),
                form => form.words(),
            };
            text.push_str(&format!("| `{}` | {form} | {default} | {} |\n", key.name, key.about));
        }
    }
    text
}

/// L5: every key is documented, with its default.
#[test]
fn the_page_is_written_from_the_table() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let expected = reference();
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&page, &expected).expect("written");
    }
    let found = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        found == expected,
        "docs/configuration.md is not what the table says: INSTA_UPDATE=always cargo test --lib config:: writes it"
    );
}

/// The bounds of the table are those that are kept: the numbers at its ends are taken, and those beside them are not.
#[test]
fn the_bounds_of_the_table_are_kept() {
    let mut seen = 0;
    for (place, keys) in table() {
        for key in keys {
            let Form::Number(range) = key.form else { continue };
            if range.least == 0 {
                continue;
            }
            seen += 1;
            let with = |number: u64| match place.as_str() {
                "clusters" => {
                    VALID.replace("kubeconfig: prod", &format!("{}: {number}\n    kubeconfig: prod", key.name))
                }
                "" => format!("{}: {number}\n{VALID}", key.name),
                place => format!("{place}: {{{}: {number}}}\n{VALID}", key.name),
            };
            for taken in [range.least, range.most] {
                parse(&with(taken)).unwrap_or_else(|error| panic!("{}: {taken}: {error}", key.name));
            }
            for refused in [range.least - 1, range.most + 1] {
                let error = parse(&with(refused)).expect_err(key.name).to_string();
                assert!(error.contains(&format!("use a number from {} to {}", range.least, range.most)), "{error}");
            }
        }
    }
    assert_eq!(seen, 5);
}
