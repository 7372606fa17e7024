//! What is read from a mirror, compared with what the git CLI reads.

use std::fmt::Write as _;

use driftless::ids::Oid;
use driftless::source::{Change, Merge, Mirrors, SourceError};
use driftless::tree::{Mode, Tree};

use super::{fetch_one, main_of, never};
use crate::support::git::{Forge, Work, repo, try_git};

/// A tree in the form of `git ls-tree -r`.
fn ls_tree(tree: &dyn Tree, dir: &str, out: &mut Vec<String>) {
    let entries = tree.list(dir).expect("readable").expect("a directory");
    for (name, entry) in entries {
        let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
        assert_eq!(tree.entry(&path).expect("readable").as_ref(), Some(&entry), "{path}");
        match entry.mode {
            Mode::Directory => ls_tree(tree, &path, out),
            Mode::Submodule => out.push(format!("160000 commit {}\t{path}", entry.id)),
            _ => {
                let bytes = tree.blob(&entry.id).expect("readable");
                assert_eq!(tree.size(&entry.id).expect("readable"), bytes.len() as u64);
                out.push(format!("{} blob {}\t{path}", entry.mode.octal(), entry.id));
            }
        }
    }
}

fn same_tree(tree: &dyn Tree, work: &Work, tree_ish: &str) {
    let mut ours = Vec::new();
    ls_tree(tree, "", &mut ours);
    let mut theirs: Vec<_> =
        work.git(&["-c", "core.quotePath=false", "ls-tree", "-r", tree_ish]).lines().map(str::to_owned).collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
}

fn odd_repo(work: &Work) -> Oid {
    use std::os::unix::fs::PermissionsExt;
    for path in ["a", "a-b/x", "a.b", "ab/c/d", "dir/with space/ä.yaml", "z"] {
        work.write(path, path);
    }
    work.write("run.sh", "#!/bin/sh");
    std::fs::set_permissions(work.path().join("run.sh"), std::fs::Permissions::from_mode(0o755)).expect("permissions");
    std::os::unix::fs::symlink("../a", work.path().join("ab/link")).expect("a link");
    work.git(&["add", "-A"]);
    work.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},sub", "1".repeat(40))]);
    work.git(&["commit", "-q", "-m", "odd things\n\nand a body"]);
    work.head()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_is_what_git_lists() {
    let forge = Forge::https().await;
    let commit = odd_repo(&forge.work);
    forge.push(&["main"]);
    let mirrors = forge.mirrors();
    main_of(&mirrors, &forge.remote()).await.expect("fetched");
    let tree = mirrors.tree(&repo(), &commit).await.expect("a tree");
    same_tree(tree.as_ref(), &forge.work, "HEAD");
    for (path, mode) in
        [("", Mode::Directory), ("ab/link", Mode::Link), ("run.sh", Mode::Executable), ("sub", Mode::Submodule)]
    {
        assert_eq!(tree.entry(path).expect("readable").map(|entry| entry.mode), Some(mode), "{path:?}");
    }
    for path in ["none", "a/below", "ab/link/x", "sub/x", "..", "/a", "ab/", "ab//c"] {
        assert_eq!(tree.entry(path).expect("readable"), None, "{path:?}");
        assert!(tree.list(path).expect("readable").is_none(), "{path:?}");
    }
    let link = tree.entry("ab/link").expect("readable").expect("a link");
    assert_eq!(tree.blob(&link.id).expect("its target"), b"../a");
    assert!(tree.blob("nonsense").is_err() && tree.blob(&"2".repeat(40)).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_mislead_are_refused() {
    let forge = Forge::https().await;
    let blob = forge.work.git(&["hash-object", "-w", "--stdin"]);
    let raw = hex_bytes(&blob);
    let mut tree = b"100644 ../escape\0".to_vec();
    tree.extend(raw);
    std::fs::write(forge.work.path().join(".git/tree"), tree).expect("a file");
    let id = forge.work.git(&["hash-object", "-w", "-t", "tree", "--literally", ".git/tree"]);
    let commit: Oid = forge.work.git(&["commit-tree", "-m", "bad", &id]).parse().expect("a commit");
    forge.push(&[&format!("{commit}:refs/heads/main")]);
    let mirrors = forge.mirrors();
    let read = match main_of(&mirrors, &forge.remote()).await {
        Err(error) => Err(error.to_string()),
        Ok(_) => mirrors
            .tree(&repo(), &commit)
            .await
            .expect("a tree")
            .list("")
            .map(drop)
            .map_err(|error| format!("{error}: {}", error.source)),
    };
    let error = read.expect_err("refused");
    assert!(error.contains("forbidden name"), "{error}");
}

fn hex_bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_say_who_when_and_what() {
    let forge = Forge::https().await;
    let first = odd_repo(&forge.work);
    let second = forge.work.commit("more", "more");
    forge.push(&["main"]);
    let mirrors = forge.mirrors();
    main_of(&mirrors, &forge.remote()).await.expect("fetched");
    let info = mirrors.commit(&repo(), &first).await.expect("a commit");
    assert_eq!((info.author_name.as_str(), info.author_email.as_deref()), ("Ada", Some("ada@example.com")));
    assert_eq!((info.summary.as_str(), info.time_unix), ("odd things", 1_700_000_000));
    for (ancestor, descendant, expected) in [(&first, &second, true), (&second, &first, false), (&first, &first, true)]
    {
        assert_eq!(mirrors.is_ancestor(&repo(), ancestor, descendant).await.expect("known"), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_name_files_and_what_was_deleted() {
    let forge = Forge::https().await;
    for path in ["gone/a", "gone/b", "kept", "moved"] {
        forge.work.write(path, path);
    }
    let from = forge.work.commit_all("before");
    forge.work.git(&["rm", "-rq", "gone"]);
    forge.work.git(&["mv", "moved", "renamed"]);
    forge.work.write("kept", "changed");
    let to = forge.work.commit_all("after");
    forge.push(&["main"]);
    let mirrors = forge.mirrors();
    main_of(&mirrors, &forge.remote()).await.expect("fetched");
    let found = mirrors.changed_paths(&repo(), &from, &to, 100).await.expect("compared");
    let expected = [
        Change::Deleted("gone/a".to_owned()),
        Change::Deleted("gone/b".to_owned()),
        Change::Modified("kept".to_owned()),
        Change::Deleted("moved".to_owned()),
        Change::Added("renamed".to_owned()),
    ];
    assert_eq!((found.changes, found.truncated), (expected.to_vec(), false));
    let some = mirrors.changed_paths(&repo(), &from, &to, 2).await.expect("compared");
    assert_eq!((some.changes.len(), some.truncated), (2, true));
    assert!(mirrors.changed_paths(&repo(), &to, &to, 2).await.expect("compared").changes.is_empty());
}

fn lines(changed: Option<(usize, &str)>) -> String {
    let mut text = String::new();
    for line in 0..20 {
        match changed {
            Some((at, with)) if at == line => writeln!(text, "{with}"),
            _ => writeln!(text, "line {line}"),
        }
        .expect("a string");
    }
    text
}

/// Two branches from one base, pushed and fetched: `main` and `topic`, each made by a function.
async fn branches(ours: fn(&Work), theirs: fn(&Work)) -> (Forge, Mirrors, Oid, Oid) {
    let forge = Forge::https().await;
    for path in ["a.yaml", "b.yaml", "old/name.yaml", "dir/c.yaml"] {
        forge.work.write(path, &format!("{path}\n{}", lines(None)));
    }
    forge.work.commit_all("base");
    forge.work.git(&["checkout", "-q", "-b", "topic"]);
    theirs(&forge.work);
    let head = forge.work.commit_all("theirs");
    forge.work.git(&["checkout", "-q", "main"]);
    ours(&forge.work);
    let base = forge.work.commit_all("ours");
    forge.push(&["main", "topic:refs/pull/1/head"]);
    let (mirrors, remote) = (forge.mirrors(), forge.remote());
    assert_eq!(main_of(&mirrors, &remote).await.expect("fetched"), Some(base.clone()));
    assert_eq!(fetch_one(&mirrors, &remote, "refs/pull/1/head").await.expect("fetched"), Some(head.clone()));
    (forge, mirrors, base, head)
}

async fn merges_as_git_does(name: &str, ours: fn(&Work), theirs: fn(&Work)) {
    let (forge, mirrors, base, head) = branches(ours, theirs).await;
    let merged = mirrors.merge(&repo(), &base, &head, None, &never()).await.expect(name);
    let (clean, out, _) = try_git(
        forge.work.path(),
        &["merge-tree", "--write-tree", "--name-only", "--no-messages", base.as_str(), head.as_str()],
    );
    let mut told = out.lines();
    let tree = told.next().expect("a tree");
    match merged {
        Merge::Clean { tree: ours, tree_id } => {
            assert!(clean, "{name}: git sees conflicts: {out}");
            assert_eq!(tree_id.as_str(), tree, "{name}");
            same_tree(ours.as_ref(), &forge.work, tree);
            assert!(
                !forge.mirror_dir().join("objects").join(&tree[..2]).exists(),
                "{name}: the merge is kept in memory"
            );
        }
        Merge::Conflict { paths } => {
            assert!(!clean, "{name}: git merges it, we see conflicts in {paths:?}");
            assert_eq!(paths, told.collect::<Vec<_>>(), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_merges_are_those_of_git() {
    let one = |work: &Work| work.write("a.yaml", &format!("a.yaml\n{}", lines(Some((1, "ours")))));
    merges_as_git_does("two places of a file", one, |work| {
        work.write("a.yaml", &format!("a.yaml\n{}", lines(Some((15, "theirs")))));
    })
    .await;
    merges_as_git_does("two files", one, |work| work.write("new/file.yaml", "new")).await;
    merges_as_git_does("nothing of theirs", one, |_| {}).await;
    merges_as_git_does(
        "a directory renamed, a file in it changed",
        |work| drop(work.git(&["mv", "old", "new"])),
        |work| {
            work.write("old/name.yaml", &format!("old/name.yaml\n{}", lines(Some((3, "theirs")))));
        },
    )
    .await;
    merges_as_git_does(
        "both delete",
        |work| drop(work.git(&["rm", "-q", "b.yaml"])),
        |work| drop(work.git(&["rm", "-q", "b.yaml"])),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_are_those_of_git_by_name() {
    let change = |work: &Work| work.write("a.yaml", &format!("a.yaml\n{}", lines(Some((1, "ours")))));
    merges_as_git_does("one line twice", change, |work| {
        work.write("a.yaml", &format!("a.yaml\n{}", lines(Some((1, "theirs")))));
    })
    .await;
    merges_as_git_does("changed and deleted", change, |work| drop(work.git(&["rm", "-q", "a.yaml"]))).await;
    merges_as_git_does("added twice", |work| work.write("dir/x", "ours"), |work| work.write("dir/x", "theirs")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_without_a_common_commit_are_named() {
    let forge = Forge::https().await;
    let base = forge.work.commit("a", "a");
    forge.work.git(&["checkout", "-q", "--orphan", "other"]);
    let head = forge.work.commit("b", "b");
    forge.push(&["main", "other"]);
    let (mirrors, remote) = (forge.mirrors(), forge.remote());
    main_of(&mirrors, &remote).await.expect("fetched");
    fetch_one(&mirrors, &remote, "refs/heads/other").await.expect("fetched");
    let error = mirrors.merge(&repo(), &base, &head, None, &never()).await.expect_err("unrelated");
    assert!(matches!(error, SourceError::Unrelated { .. }), "{error:?}");
    assert!(!mirrors.is_ancestor(&repo(), &base, &head).await.expect("known"));
}

/// X10+: trees that name each other many times have more folders between them than anybody can look through.
#[tokio::test(flavor = "multi_thread")]
async fn x10_a_comparison_has_an_end() {
    let forge = Forge::https().await;
    let from = forge.work.commit("a.txt", "a");
    forge.work.shell(
        "tree=$(git mktree </dev/null)
         tree=$(printf '100644 blob %s\\ta.txt\\n' $(git rev-parse HEAD:a.txt) | git mktree)
         for level in 1 2 3 4 5 6 7 8 9 10 11 12; do
             tree=$(for n in 0 1 2 3 4 5 6 7 8 9; do printf '040000 tree %s\\td%s\\n' $tree $n; done | git mktree)
         done
         root=$( (git ls-tree HEAD; printf '040000 tree %s\\tbomb\\n' $tree) | git mktree)
         git update-ref HEAD $(git commit-tree -p HEAD -m Bomb $root)",
    );
    let to = forge.work.head();
    forge.push(&["main"]);
    let mirrors = forge.mirrors();
    main_of(&mirrors, &forge.remote()).await.expect("fetched");
    let found = mirrors.changed_paths(&repo(), &from, &to, 100).await.expect("compared");
    assert!(found.truncated && found.changes.len() <= 100, "{}", found.changes.len());
}
