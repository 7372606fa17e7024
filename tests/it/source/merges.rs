//! Merges compared with what `git merge` makes of the same commits in a working copy, over histories that are made up
//! from a seed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use driftless::ids::Oid;
use driftless::source::{Merge, SourceError};
use driftless::tree::Tree;

use super::{main_of, never};
use crate::support::git::{Forge, Work, repo, try_git};

/// A small generator whose numbers are the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

fn manifest(name: &str, value: usize) -> String {
    let mut text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n");
    for line in 0..12 {
        let _ = writeln!(text, "  key{line}: {}", if line == value % 12 { value } else { 0 });
    }
    text
}

/// What one side does in one commit, as a person would.
fn change(work: &Work, dice: &mut Dice) {
    let files = files(work);
    if files.len() < 3 {
        work.write(&format!("reg/deploy/f{}.yaml", dice.below(9)), &manifest("new", dice.below(99)));
        return;
    }
    let file = dice.one(&files).clone();
    let dirs: Vec<String> = files.iter().filter_map(|file| Some(file.rsplit_once('/')?.0.to_owned())).collect();
    let dir = dice.one(&dirs).clone();
    let target = dice.one(&["prod", "staging", "moved", "reg/eu", "lib"]).to_owned();
    let name = file.rsplit('/').next().expect("a name").to_owned();
    match dice.below(11) {
        0..=2 => edit(work, &file, dice.below(99)),
        3 => work.write(&format!("{dir}/n{}.yaml", dice.below(5)), &manifest("added", dice.below(99))),
        4 => work.shell(&format!("rm '{file}'")),
        // One file becomes two copies, or one elsewhere.
        5 | 6 => {
            work.shell(&format!(
                "mkdir -p 'reg/prod' 'reg/staging' && cp '{file}' 'reg/prod/{name}' && mv '{file}' \
                 'reg/staging/{name}' || true"
            ));
        }
        7 => work.shell(&format!("mkdir -p '{target}' && mv '{file}' '{target}/{name}' || true")),
        // A directory is renamed, with an addition on one side maybe.
        8 => work.shell(&format!(
            "test -e '{target}' || {{ mkdir -p \"$(dirname '{target}')\" && mv '{dir}' '{target}'; }}"
        )),
        9 => work.shell(&format!("if test -x '{file}'; then chmod -x '{file}'; else chmod +x '{file}'; fi")),
        _ => match dice.below(3) {
            0 => {
                let id = dice.one(&["1", "2", "3"]).repeat(40);
                work.shell("mkdir -p sub");
                work.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{id},sub")]);
            }
            1 => work.shell(&format!("rm -f link && ln -s '{file}' link")),
            _ => work.write(
                ".gitattributes",
                &format!("*.yaml text\n*.md {}\n", dice.one(&["-diff", "linguist-generated", "text"])),
            ),
        },
    }
}

fn edit(work: &Work, file: &str, value: usize) {
    let text = std::fs::read_to_string(work.path().join(file)).unwrap_or_default();
    let line = format!("  key{}: {value}", value % 12);
    let start = format!("  key{}:", value % 12);
    let edited: Vec<&str> = text.lines().map(|old| if old.starts_with(&start) { line.as_str() } else { old }).collect();
    work.write(file, &format!("{}\n", edited.join("\n")));
}

fn files(work: &Work) -> Vec<String> {
    work.git(&["ls-files", "*.yaml"]).lines().map(str::to_owned).collect()
}

fn commit(work: &Work, dice: &mut Dice, most: usize) {
    for _ in 0..=dice.below(most) {
        change(work, dice);
        work.git(&["add", "-A"]);
    }
    work.commit_all("change");
}

/// Two branches of a history that begins anew; now and then they have merged each other before (criss-cross).
fn history(work: &Work, case: usize, dice: &mut Dice) -> (Oid, Oid) {
    work.shell("git clean -fdxq && rm -rf sub");
    work.git(&["checkout", "-q", "--orphan", &format!("base{case}")]);
    work.git(&["rm", "-rfq", "--ignore-unmatch", "."]);
    work.shell("rm -rf sub");
    for (at, path) in
        ["reg/deploy/web.yaml", "reg/deploy/eu/x.yaml", "lib/a.yaml", "lib/b.yaml", "top.yaml"].iter().enumerate()
    {
        work.write(path, &manifest(&format!("{case}-{at}"), at));
    }
    work.commit_all("base");
    let (ours, theirs) = (format!("ours{case}"), format!("theirs{case}"));
    work.git(&["branch", &theirs]);
    work.git(&["checkout", "-q", "-b", &ours]);
    commit(work, dice, 3);
    switch(work, &theirs);
    commit(work, dice, 3);
    if dice.below(4) == 0 {
        let (one, two) = (work.git(&["rev-parse", &ours]), work.git(&["rev-parse", &theirs]));
        for (branch, other) in [(&ours, &two), (&theirs, &one)] {
            switch(work, branch);
            if !try_git(work.path(), &["merge", "-q", "--no-ff", "-m", "cross", other]).0 {
                reset(work);
            }
            commit(work, dice, 2);
        }
    }
    let id = |branch: &str| work.git(&["rev-parse", branch]).parse().expect("a commit");
    (id(&ours), id(&theirs))
}

fn reset(work: &Work) {
    let _ = try_git(work.path(), &["merge", "--abort"]);
    work.git(&["reset", "-q", "--hard"]);
    work.shell("git clean -fdxq");
}

fn switch(work: &Work, branch: &str) {
    work.shell("rm -rf sub && git reset -q --hard && git clean -fdxq");
    work.git(&["checkout", "-q", "-f", branch]);
    work.shell("git ls-files -s sub | grep -q ^160000 && mkdir -p sub || true");
}

/// What `git merge` makes of it in a working copy: the tree, or nothing where there are conflicts.
fn by_hand(work: &Work, ours: &Oid, theirs: &Oid) -> Option<String> {
    switch(work, ours.as_str());
    let (clean, _, _) = try_git(work.path(), &["merge", "-q", "--no-ff", "-m", "merged", theirs.as_str()]);
    let tree = clean.then(|| work.git(&["rev-parse", "HEAD^{tree}"]));
    if !clean {
        reset(work);
    }
    tree
}

/// All files of a tree with their modes and contents.
fn all(tree: &dyn Tree, dir: &str, out: &mut BTreeMap<String, String>) {
    for (name, entry) in tree.list(dir).expect("readable").expect("a directory") {
        let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
        match entry.mode {
            driftless::tree::Mode::Directory => all(tree, &path, out),
            driftless::tree::Mode::Submodule => drop(out.insert(path, entry.id)),
            _ => {
                tree.blob(&entry.id).expect("each blob of a merge can be read");
                out.insert(path, format!("{} {}", entry.mode.octal(), entry.id));
            }
        }
    }
}

/// X1: whatever the histories, what is previewed is what `git merge` makes of them, and a conflict there is a conflict
/// here.
#[tokio::test(flavor = "multi_thread")]
async fn x1_merges_are_those_of_git_over_generated_histories() {
    const CASES: usize = 80;
    let forge = Forge::https().await;
    forge.work.commit("README", "main");
    let mut dice = Dice(0x5eed_0001);
    let cases: Vec<(Oid, Oid)> = (0..CASES).map(|case| history(&forge.work, case, &mut dice)).collect();
    forge.push(&["main", "refs/heads/ours*:refs/heads/ours*", "refs/heads/theirs*:refs/heads/theirs*"]);
    let (mirrors, remote) = (forge.mirrors(), forge.remote());
    let names: Vec<String> =
        (0..CASES).flat_map(|case| ["ours", "theirs"].map(|side| format!("refs/heads/{side}{case}"))).collect();
    mirrors.fetch(&remote, &names, &never()).await.expect("fetched");
    let (mut clean, mut conflicts) = (0, 0);
    for (case, (ours, theirs)) in cases.iter().enumerate() {
        let expected = by_hand(&forge.work, ours, theirs);
        let merged = mirrors.merge(&repo(), ours, theirs, None, &never()).await.expect("an answer");
        match (merged, expected) {
            (Merge::Clean { tree, tree_id }, Some(expected)) => {
                assert_eq!(tree_id.as_str(), expected, "case {case}: {ours} and {theirs}");
                all(tree.as_ref(), "", &mut BTreeMap::new());
                clean += 1;
            }
            (Merge::Conflict { paths }, None) => {
                assert!(!paths.is_empty(), "case {case}: a conflict names its paths");
                conflicts += 1;
            }
            (merged, expected) => panic!("case {case}: {ours} and {theirs}: we say {merged:?}, git says {expected:?}"),
        }
    }
    assert!(
        clean >= CASES / 4 && conflicts >= CASES / 10,
        "the histories say little: {clean} clean, {conflicts} conflicts"
    );
}

async fn two(ours: impl Fn(&Work), theirs: impl Fn(&Work)) -> (Forge, driftless::source::Mirrors, Oid, Oid) {
    let forge = Forge::https().await;
    forge.work.write("reg/deploy/web.yaml", &manifest("web", 1));
    forge.work.write("reg/deploy/eu/x.yaml", &manifest("x", 2));
    forge.work.commit_all("base");
    forge.work.git(&["checkout", "-q", "-b", "topic"]);
    theirs(&forge.work);
    let head = forge.work.commit_all("theirs");
    forge.work.git(&["checkout", "-q", "main"]);
    ours(&forge.work);
    let base = forge.work.commit_all("ours");
    forge.push(&["main", "topic"]);
    let (mirrors, remote) = (forge.mirrors(), forge.remote());
    main_of(&mirrors, &remote).await.expect("fetched");
    super::fetch_one(&mirrors, &remote, "refs/heads/topic").await.expect("fetched");
    (forge, mirrors, base, head)
}

/// X1: one file becomes two copies on main; an edit of the old file goes to the same copy as Git takes it to.
#[tokio::test(flavor = "multi_thread")]
async fn x1_an_edit_of_a_file_that_became_two_copies() {
    let split = |work: &Work| {
        work.shell(
            "mkdir reg/prod reg/staging && cp reg/deploy/web.yaml reg/prod/ && git mv reg/deploy/web.yaml reg/staging/",
        );
    };
    let (forge, mirrors, base, head) = two(split, |work| edit(work, "reg/deploy/web.yaml", 27)).await;
    let expected = by_hand(&forge.work, &base, &head).expect("git merges it");
    match mirrors.merge(&repo(), &base, &head, None, &never()).await.expect("an answer") {
        Merge::Clean { tree_id, .. } => assert_eq!(tree_id.as_str(), expected),
        other @ Merge::Conflict { .. } => panic!("{other:?}"),
    }
}

/// X1: a directory is renamed on one side, a file added to the old one on the other: a conflict for Git, and so for us.
#[tokio::test(flavor = "multi_thread")]
async fn x1_a_file_added_to_a_renamed_directory_is_a_conflict() {
    let (_forge, mirrors, base, head) = two(
        |work| work.shell("git mv reg/deploy moved"),
        |work| {
            work.write("reg/deploy/eu/new.yaml", "new");
        },
    )
    .await;
    match mirrors.merge(&repo(), &base, &head, None, &never()).await.expect("an answer") {
        Merge::Conflict { paths } => assert_eq!(paths, ["moved/eu/new.yaml"]),
        other @ Merge::Clean { .. } => panic!("{other:?}"),
    }
}

/// X1: the forge's own test merge counts where it is a merge of exactly these two commits, and else not.
#[tokio::test(flavor = "multi_thread")]
async fn x1_the_test_merge_of_the_forge_counts_while_it_is_of_both_heads() {
    let (forge, mirrors, base, head) =
        two(|work| edit(work, "reg/deploy/web.yaml", 1), |work| edit(work, "reg/deploy/eu/x.yaml", 5)).await;
    let tree = forge.work.git(&["rev-parse", &format!("{head}^{{tree}}")]);
    let made = |parents: [&Oid; 2]| -> Oid {
        let [one, two] = parents;
        let id = forge.work.git(&["commit-tree", "-m", "test", "-p", one.as_str(), "-p", two.as_str(), &tree]);
        id.parse().expect("a commit")
    };
    let (right, wrong) = (made([&base, &head]), made([&head, &base]));
    forge.push(&[&format!("{right}:refs/pull/1/merge"), &format!("{wrong}:refs/pull/2/merge")]);
    let names = ["refs/pull/1/merge".to_owned(), "refs/pull/2/merge".to_owned()];
    mirrors.fetch(&forge.remote(), &names, &never()).await.expect("fetched");
    let ours = by_hand(&forge.work, &base, &head).expect("clean");
    for (tested, expected) in [(&right, tree.as_str()), (&wrong, ours.as_str())] {
        match mirrors.merge(&repo(), &base, &head, Some(tested), &never()).await.expect("an answer") {
            Merge::Clean { tree_id, .. } => assert_eq!(tree_id.as_str(), expected),
            other @ Merge::Conflict { .. } => panic!("{other:?}"),
        }
    }
}

/// X1: without a `git` that can merge, nothing is merged in another way.
#[tokio::test(flavor = "multi_thread")]
async fn x1_without_git_there_is_no_merge() {
    let (forge, _, base, head) =
        two(|work| edit(work, "reg/deploy/web.yaml", 1), |work| edit(work, "reg/deploy/eu/x.yaml", 5)).await;
    let old = forge.work.path().join(".git/old-git");
    std::fs::write(&old, "#!/bin/sh\ncase \"$1\" in --version) echo git version 2.30.2;; *) exit 129;; esac\n")
        .expect("a script");
    std::fs::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
    for (git, says) in [("/nowhere/git".into(), "not found"), (old, "version 2.30.2")] {
        let mut config = forge.config();
        config.git = git;
        let mirrors = forge.mirrors_with(config);
        mirrors
            .fetch(&forge.remote(), &["refs/heads/main".into(), "refs/heads/topic".into()], &never())
            .await
            .expect("fetched");
        let error = mirrors.merge(&repo(), &base, &head, None, &never()).await.expect_err("no git");
        assert!(matches!(&error, SourceError::NoGit { reason } if reason.contains(says)), "{error:?}");
        assert!(mirrors.git_version().await.is_err());
    }
}
