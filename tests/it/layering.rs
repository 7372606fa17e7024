//! The directions in which the modules may know each other, read from the sources. See `docs/architecture.md`.

mod circles;
mod imports;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module, by its path from `src/`, and what it must not name.
const FORBIDDEN: &[(&str, &[&str])] = &[
    // Pure: no I/O, no clock, no environment.
    (
        "plan",
        &["source", "render::", "cluster", "store", "forge", "http", "queue", "report", "config", "lifecycle", "clock"],
    ),
    ("app", &["source", "cluster", "store", "forge", "http", "queue", "report", "config", "lifecycle", "clock"]),
    (
        "report/markdown",
        &["source", "cluster", "store", "forge::github", "http", "queue", "config", "lifecycle", "clock"],
    ),
    // They return outcomes and don't know who asked.
    ("source", &["forge", "report", "http", "queue", "store"]),
    ("render", &["forge", "report", "http", "queue", "store", "cluster"]),
    ("cluster", &["forge", "report", "http", "queue", "store"]),
    ("reconcile", &["forge", "report", "http", "queue"]),
    ("sync", &["forge", "report", "http", "queue"]),
    // A page reads the store and enqueues.
    ("http", &["cluster", "source", "render", "sync", "reconcile", "jobs"]),
    ("store", &["queue", "http", "jobs", "sync", "reconcile", "source", "cluster", "forge", "report", "preview"]),
    ("forge", &["store", "queue", "http", "report", "jobs"]),
];

/// What only one module may name: the owner of a big dependency.
const OWNED: &[(&str, &[&str])] = &[
    ("kube::", &["cluster", "dev"]),
    ("gix::", &["source"]),
    ("octocrab::", &["forge/github"]),
    ("sqlx::", &["store"]),
    ("serde_saphyr::", &["base/yaml.rs"]),
    ("std::env::var", &["config"]),
    ("tokio::spawn", &["base/lifecycle.rs"]),
    ("SystemTime::now", &["base/clock.rs"]),
    ("Timestamp::now", &["base/clock.rs"]),
    ("Uuid::new", &["base/random.rs", "dev"]),
    ("println!", &["cli"]),
];

/// The production code of each file of `src`, as [`production`] has it.
fn sources() -> Vec<(PathBuf, String)> {
    read("src").into_iter().map(|(path, text)| (path, production(&text))).collect()
}

/// The same with the crates beside it, below their names.
fn sources_of_all() -> Vec<(PathBuf, String)> {
    let beside = ["base", "dev"].into_iter().flat_map(|name| {
        let files = read_all(&format!("{name}/src")).into_iter();
        files.map(move |(path, text)| (Path::new(name).join(path), production(&text)))
    });
    sources().into_iter().chain(beside).collect()
}

/// All files below a folder of the repository, by their paths from there.
fn read(folder: &str) -> Vec<(PathBuf, String)> {
    let found = read_all(folder);
    assert!(found.len() > 20, "the sources were not found");
    found
}

fn read_all(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the sources are there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                found.push((path.strip_prefix(&root).expect("below the root").to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// The code without comments and without what only tests compile, which stands at the end of its file.
fn production(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().to_string_lossy().contains("tests"))
}

/// The modules of ours that a file names, with what follows: `crate::render::Trace` gives `render::Trace`.
fn named(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in text.split("crate::").skip(1) {
        let end = part.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(part.len());
        found.insert(part[..end].to_owned());
    }
    found
}

#[test]
fn modules_name_only_what_they_may() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (module, forbidden) in FORBIDDEN {
            let inside = path.starts_with(module) || path == Path::new(&format!("{module}.rs"));
            if !inside || is_test(&path) {
                continue;
            }
            for name in named(&text) {
                // Options are part of an app's definition; the pool that uses them is not.
                let is_data = name.starts_with("render::RenderOptions") || name.starts_with("render::{");
                if !is_data
                    && forbidden.iter().any(|word| {
                        name == word.trim_end_matches("::")
                            || name.starts_with(&format!("{}::", word.trim_end_matches("::")))
                    })
                {
                    wrong.push(format!("src/{} names crate::{name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "directions that must not exist:\n{}", wrong.join("\n"));
}

#[test]
fn each_big_dependency_has_one_owner() {
    let mut wrong = Vec::new();
    for (path, text) in sources_of_all() {
        for (name, owners) in OWNED {
            // `kube::` must not be found in `mykube::`.
            let found = text
                .match_indices(name)
                .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
            if found
                && !owners.iter().any(|owner| path.starts_with(owner) || path == Path::new(&format!("{owner}.rs")))
                && !is_test(&path)
            {
                wrong.push(format!("{} uses {name}, which belongs to {}", path.display(), owners.join(" and ")));
            }
        }
    }
    assert!(wrong.is_empty(), "dependencies outside their owner:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_command_line_knows_the_composition() {
    for (path, text) in sources().into_iter().filter(|(path, _)| !is_test(path)) {
        let names: Vec<_> = named(&text).into_iter().collect();
        for word in ["cli", "serve"] {
            let allowed = path.starts_with("cli")
                || path == Path::new("main.rs")
                || path == Path::new("lib.rs")
                || is_test(&path);
            assert!(
                allowed || !names.iter().any(|name| name == word || name.starts_with(&format!("{word}::"))),
                "src/{} names crate::{word}",
                path.display()
            );
        }
    }
}

/// Files stay small enough to be read at once.
#[test]
fn no_file_is_too_long() {
    let mut long = Vec::new();
    for folder in ["src", "base/src", "dev/src", "webhooks/src", "webhooks/tests", "tests/it", "benches"] {
        let files = read_all(folder).into_iter().map(|(path, text)| (path, text.lines().count()));
        long.extend(
            files
                .filter(|(_, lines)| *lines >= 400)
                .map(|(path, lines)| format!("{folder}/{}: {lines}", path.display())),
        );
    }
    assert!(long.is_empty(), "400 lines or more:\n{}", long.join("\n"));
}

/// A comment has room for 120 characters, as code has by `rustfmt.toml`. Tables and addresses may be longer.
#[test]
fn no_comment_is_too_wide() {
    let mut wide = Vec::new();
    for folder in ["src", "base", "dev", "webhooks", "tests", "benches"] {
        for (path, text) in read_all(folder) {
            let is_wide = |line: &&str| {
                let code = line.trim_start();
                let may = ["//! |", "/// |"].iter().any(|table| code.starts_with(table)) || code.contains("https://");
                code.starts_with("//") && line.chars().count() > 120 && !may
            };
            wide.extend(text.lines().filter(is_wide).map(|line| format!("{folder}/{}: {line}", path.display())));
        }
    }
    assert!(wide.is_empty(), "wider than 120 characters:\n{}", wide.join("\n"));
}
