//! The merge of a pull request against git's own: the same tree, or a conflict in both.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tokio_util::sync::CancellationToken;

use super::block_on;
use crate::ids::{Oid, RepoName};
use crate::lifecycle::Tasks;
use crate::source::{Merge, Mirrors, MirrorsConfig};

type Files = BTreeMap<String, String>;

pub(super) fn case(random: &mut StdRng) {
    let dir = tempfile::tempdir().expect("a folder");
    let bare = dir.path().join("shop.git");
    std::fs::create_dir(&bare).expect("made");
    git(&bare, &["init", "-q", "--bare"], "");
    let base = files(random);
    let (ours, theirs) = (changed(random, &base), changed(random, &base));
    git(&bare, &["fast-import", "--quiet"], &history(&base, &ours, &theirs));
    let (ours, theirs) = (head(&bare, "ours"), head(&bare, "theirs"));
    let expected = expected(&bare, &ours, &theirs);
    let found = block_on(async {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mirrors = Mirrors::new(MirrorsConfig::new(dir.path()), &Tasks::new()).expect("mirrors");
        mirrors.merge(&RepoName::new("shop"), &ours, &theirs, None, &CancellationToken::new()).await.expect("merged")
    });
    match (found, expected) {
        (Merge::Clean { tree_id, .. }, Some(tree)) => assert_eq!(tree_id, tree, "both are clean, and differ"),
        (Merge::Conflict { .. }, None) => {}
        (found, expected) => panic!("git says {expected:?}, we say {found:?}"),
    }
}

fn files(random: &mut StdRng) -> Files {
    let folders = ["deploy", "deploy/eu", "reg/deploy", "lib"];
    (0..random.random_range(1..7))
        .map(|n| {
            let lines: String = (0..random.random_range(3..20))
                .map(|line| format!("{n} line {line} {}\n", random.random_range(0..3)))
                .collect();
            (format!("{}/f{n}.yaml", folders.choose(random).expect("folders")), lines)
        })
        .collect()
}

/// What one side did: edits, additions, removals, renames of files and folders, one file that becomes two copies.
fn changed(random: &mut StdRng, base: &Files) -> Files {
    let mut files = base.clone();
    for _ in 0..random.random_range(1..4) {
        let Some(path) = files.keys().cloned().collect::<Vec<_>>().choose(random).cloned() else { break };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        match random.random_range(0..6) {
            0 => drop(files.entry(path).and_modify(|text| *text = edited(random, text))),
            1 => drop(files.insert(
                format!("{folder}/new{}.yaml", random.random_range(0..3)),
                format!("new {}\n", random.random_range(0..2)),
            )),
            2 => drop(files.remove(&path)),
            3 => {
                let text = files.remove(&path).expect("there");
                files.insert(path.replace(".yaml", "-renamed.yaml"), text);
            }
            4 => {
                let text = files.remove(&path).expect("there");
                files.insert(path.replace('/', "/prod/"), text.clone());
                files.insert(path.replace('/', "/staging/"), text);
            }
            _ => {
                files = files
                    .into_iter()
                    .map(|(path, text)| (path.replacen(&format!("{folder}/"), "moved/", 1), text))
                    .collect();
            }
        }
    }
    files
}

fn edited(random: &mut StdRng, text: &str) -> String {
    let at = random.random_range(0..text.lines().count().max(1));
    text.lines()
        .enumerate()
        .map(
            |(n, line)| {
                if n == at { format!("{line} edited {}\n", random.random_range(0..2)) } else { format!("{line}\n") }
            },
        )
        .collect()
}

/// A base, and two commits on it, for `git fast-import`.
fn history(base: &Files, ours: &Files, theirs: &Files) -> String {
    let mut text = String::new();
    for (name, mark, from, files) in
        [("base", 1, None, base), ("ours", 2, Some(1), ours), ("theirs", 3, Some(1), theirs)]
    {
        text.push_str(&format!(
            "commit refs/heads/{name}\nmark :{mark}\ncommitter A <a@example.test> {mark} +0000\ndata 1\nx\n"
        ));
        if let Some(from) = from {
            text.push_str(&format!("from :{from}\n"));
        }
        text.push_str("deleteall\n");
        for (path, content) in files {
            text.push_str(&format!("M 100644 inline {path}\ndata {}\n{content}\n", content.len()));
        }
    }
    text + "done\n"
}

fn head(bare: &Path, branch: &str) -> Oid {
    git(bare, &["rev-parse", &format!("refs/heads/{branch}")], "").1.trim().parse().expect("an id")
}

/// The tree that git's own merge makes; none where it conflicts.
fn expected(bare: &Path, ours: &Oid, theirs: &Oid) -> Option<Oid> {
    let (clean, told) = git(bare, &["merge-tree", "--write-tree", ours.as_str(), theirs.as_str()], "");
    clean.then(|| told.lines().next().expect("a tree").parse().expect("an id"))
}

fn git(bare: &Path, args: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new("git");
    command.arg("-C").arg(bare).args(args).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("git is installed");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("git ends");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    // A conflict is 1, and anything else is no answer.
    assert!(matches!(output.status.code(), Some(0 | 1)), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    (output.status.success(), told)
}
