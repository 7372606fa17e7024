//! No file knows another one that knows it, by however many in between: what two files need is in a third one.

use std::collections::{BTreeMap, BTreeSet};

use super::imports::Tree;
use super::{is_test, read_all};

type Edges<'t> = BTreeMap<&'t str, BTreeMap<&'t str, String>>;

/// Files that know each other in a circle.
#[derive(Debug, PartialEq, Eq)]
struct Circle {
    files: BTreeSet<String>,
    /// Who knows whom, and by which path.
    edges: Vec<String>,
}

impl Circle {
    fn told(&self, root: &str) -> String {
        let edges = self.edges.iter().map(|edge| format!("  {edge}\n")).collect::<String>();
        format!("{} files of {root}:\n{edges}", self.files.len())
    }
}

fn circles(tree: &Tree) -> Vec<Circle> {
    let edges = tree.edges();
    let reached: BTreeMap<&str, BTreeSet<&str>> = edges.keys().map(|file| (*file, reached(&edges, file))).collect();
    let mut found: Vec<Circle> = Vec::new();
    for (file, all) in reached.iter().filter(|(file, all)| all.contains(*file)) {
        if found.iter().any(|circle| circle.files.contains(*file)) {
            continue;
        }
        let files: BTreeSet<&str> = all.iter().copied().filter(|other| reached[other].contains(file)).collect();
        let told = files.iter().flat_map(|from| {
            let within = edges[from].iter().filter(|(to, _)| files.contains(*to));
            within.map(move |(to, path)| format!("{from} knows {to} by {path}"))
        });
        found.push(Circle { edges: told.collect(), files: files.iter().map(|file| (*file).to_owned()).collect() });
    }
    found
}

/// All that a file knows, itself only in a circle.
fn reached<'t>(edges: &Edges<'t>, from: &str) -> BTreeSet<&'t str> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&'t str> = edges[from].keys().copied().collect();
    while let Some(file) = next.pop() {
        if seen.insert(file) {
            next.extend(edges[file].keys());
        }
    }
    seen
}

fn of_sources(root: &str) -> Vec<Circle> {
    // `main.rs` is a crate of its own.
    let sources = read_all(root).into_iter().filter(|(path, _)| !is_test(path) && path.to_str() != Some("main.rs"));
    let sources: Vec<(String, String)> = sources.map(|(path, text)| (path.display().to_string(), text)).collect();
    circles(&Tree::of(sources.iter().map(|(path, text)| (path.as_str(), text.as_str()))))
}

const WHAT_TO_DO: &str = "Files must not know each other in a circle. Move what both need (a type, a function) to a \
                          file of its own, \
                          named for what it is; or pass the value in; or make one file of two that are one thing. \
                          `mod.rs` may pass it on by `pub use`.";

#[test]
fn no_files_know_each_other_in_a_circle() {
    let mut wrong = String::new();
    for root in ["src", "base/src", "dev/src", "webhooks/src"] {
        for circle in of_sources(root) {
            wrong += &circle.told(root);
        }
    }
    assert!(wrong.is_empty(), "{WHAT_TO_DO}\n{wrong}");
}

fn of(files: &[(&str, &str)]) -> Vec<String> {
    circles(&Tree::of(files.iter().copied())).into_iter().flat_map(|circle| circle.edges).collect()
}

#[test]
fn a_child_that_takes_from_its_parent_makes_a_circle() {
    let parent = "mod child;\npub struct Shared;\nfn run() { child::run(Shared) }";
    let child = "use super::Shared;\npub fn run(_: Shared) {}";
    let found = of(&[("lib.rs", "mod a;"), ("a/mod.rs", parent), ("a/child.rs", child)]);
    let [back, forth] =
        ["a/child.rs knows a/mod.rs by crate::a::Shared", "a/mod.rs knows a/child.rs by crate::a::child::run"];
    assert_eq!(found, [back, forth]);
}

#[test]
fn a_circle_is_found_past_what_passes_it_on_and_over_several_files() {
    let found = of(&[
        ("lib.rs", "pub mod a;\npub mod d;"),
        ("a.rs", "mod b;\nmod c;\npub use b::{B as First, *};\npub use c::C;"),
        ("a/b.rs", "use crate::d::{self, deep::{D}};\npub struct B(D);\npub struct Other;"),
        ("a/c.rs", "pub struct C(crate::a::First);\ntype More = super::Other;"),
        ("d.rs", "pub mod deep { use super::super::a::C;\npub struct D(C); }"),
    ]);
    let round =
        ["a/b.rs knows d.rs by crate::d", "a/c.rs knows a/b.rs by crate::a::First", "d.rs knows a/c.rs by crate::a::C"];
    assert_eq!(found, round);
}

const CHILD: &str = r##"
//! See [`super::Front`].
use crate::leaf::Leaf;
pub(in crate::a) fn run<'a>(_: &'a Leaf) -> &'a str { "use super::Front; \" crate::a::Front" }
const QUOTE: char = '"'; /* super::Front */ const RAW: &str = r#"" super::Front"#;
#[cfg(test)]
mod tests { use super::super::Front; }
"##;

const FRONT: &str = r#"
mod child;
pub(in crate::a) use child::run;
#[cfg(test)]
#[path = "x.rs"]
mod tests;
use crate::leaf::Leaf;
pub struct Front(Leaf);
"#;

#[test]
fn what_is_passed_on_said_or_tested_makes_no_circle() {
    let with =
        |leaf| of(&[("lib.rs", "mod a;\nmod leaf;"), ("a/mod.rs", FRONT), ("a/child.rs", CHILD), ("leaf.rs", leaf)]);
    assert_eq!(with("pub struct Leaf;"), [""; 0]);
    assert_eq!(with("pub struct Leaf(crate::a::Front);").len(), 2, "what stands after a module of tests counts");
}
