//! Mirrors over time: broken ones, full ones, and what must outlive a forced push.

use std::path::PathBuf;
use std::time::Duration;

use driftless::ids::Oid;
use driftless::source::{Mirrors, SourceError};

use super::{fetch_one, main_of, never};
use crate::support::git::{Forge, git, repo};

fn packs(forge: &Forge) -> Vec<PathBuf> {
    let dir = forge.mirror_dir().join("objects/pack");
    // For a moment there is none, while a new mirror takes its place.
    let Ok(files) = std::fs::read_dir(dir) else { return Vec::new() };
    files.flatten().map(|file| file.path()).filter(|path| path.extension().is_some_and(|ext| ext == "pack")).collect()
}

async fn wait_for(what: &str, met: impl Fn() -> bool) {
    for _ in 0..200 {
        if met() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not come about");
}

async fn read_file(mirrors: &Mirrors, commit: &Oid, path: &str) -> Result<String, String> {
    let tree = mirrors.tree(&repo(), commit).await.map_err(|error| error.to_string())?;
    let entry = tree.entry(path).map_err(|error| error.to_string())?.ok_or("no such file")?;
    let bytes = tree.blob(&entry.id).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_not_there_says_so() {
    let forge = Forge::https().await;
    let mirrors = forge.mirrors();
    let error = mirrors.resolve(&repo(), "refs/heads/main").await.expect_err("never fetched");
    assert!(matches!(error, SourceError::NotMirrored { .. }), "{error:?}");
    forge.work.commit("a.yaml", "one");
    forge.push(&["main"]);
    main_of(&mirrors, &forge.remote()).await.expect("fetched");
    let unknown: Oid = "1".repeat(40).parse().expect("an id");
    assert!(matches!(mirrors.tree(&repo(), &unknown).await.err(), Some(SourceError::NoCommit { .. })));
    let long: Oid = "1".repeat(64).parse().expect("an id");
    assert!(matches!(mirrors.commit(&repo(), &long).await.err(), Some(SourceError::NoCommit { .. })));
}

/// What is broken, and how.
type Breakage = (&'static str, fn(&Forge));

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_mirror_is_cloned_anew() {
    let forge = Forge::https().await;
    let commit = forge.work.commit("a.yaml", "one");
    forge.push(&["main", "main:refs/heads/other"]);
    let remote = forge.remote();
    let breakages: [Breakage; 4] = [
        ("the pack is cut", |forge| {
            for pack in packs(forge) {
                make_writable(&pack);
                std::fs::write(&pack, b"PACK").expect("cut");
            }
        }),
        ("the packs are gone", |forge| {
            std::fs::remove_dir_all(forge.mirror_dir().join("objects/pack")).expect("removed");
        }),
        ("the configuration is garbage", |forge| {
            std::fs::write(forge.mirror_dir().join("config"), b"[core\n\0").expect("garbage");
        }),
        ("HEAD is gone", |forge| std::fs::remove_file(forge.mirror_dir().join("HEAD")).expect("removed")),
    ];
    for (name, damage) in breakages {
        let before = forge.mirrors();
        main_of(&before, &remote).await.expect(name);
        fetch_one(&before, &remote, "refs/heads/other").await.expect(name);
        damage(&forge);
        let mirrors = forge.mirrors();
        assert_eq!(mirrors.list_refs(&remote, &never()).await.expect(name)["refs/heads/main"], commit, "{name}");
        assert_eq!(main_of(&mirrors, &remote).await.expect(name), Some(commit.clone()), "{name}");
        assert_eq!(read_file(&mirrors, &commit, "a.yaml").await.expect(name), "one");
    }
    let left: Vec<_> =
        std::fs::read_dir(forge.mirror_dir().parent().expect("a directory")).expect("mirrors").flatten().collect();
    assert_eq!(left.len(), 1, "nothing is left beside the mirror: {left:?}");
}

fn make_writable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).expect("permissions");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_heals_at_the_next_fetch() {
    let forge = Forge::https().await;
    let commit = forge.work.commit("a.yaml", "one");
    forge.push(&["main"]);
    let (mirrors, remote) = (forge.mirrors(), forge.remote());
    main_of(&mirrors, &remote).await.expect("fetched");
    // The packs become loose objects, of which one is then missing: refs, commits and root trees all still read.
    let dir = forge.mirror_dir();
    for pack in packs(&forge) {
        let moved = dir.join("moved.pack");
        std::fs::rename(&pack, &moved).expect("moved");
        std::fs::remove_file(pack.with_extension("idx")).expect("removed");
        let script = format!("git unpack-objects -q < {}", moved.display());
        assert!(
            std::process::Command::new("sh").args(["-c", &script]).current_dir(&dir).status().expect("sh").success()
        );
    }
    let blob = git(&dir, &["rev-parse", &format!("{commit}:a.yaml")]);
    std::fs::remove_file(dir.join("objects").join(&blob[..2]).join(&blob[2..])).expect("a loose object");
    let mirrors = forge.mirrors();
    assert!(main_of(&mirrors, &remote).await.is_ok(), "nothing seems wrong yet");
    assert!(read_file(&mirrors, &commit, "a.yaml").await.is_err());
    main_of(&mirrors, &remote).await.expect("cloned anew");
    assert_eq!(read_file(&mirrors, &commit, "a.yaml").await.expect("whole again"), "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_packs_become_one_with_git_and_without() {
    for program in ["git", "no-such-git"] {
        let forge = Forge::https().await;
        let mut config = forge.config();
        config.repack_after = 5;
        config.git = PathBuf::from(program);
        let (mirrors, remote) = (forge.mirrors_with(config), forge.remote());
        let (mut commits, mut early) = (Vec::new(), None);
        for index in 0..5 {
            commits.push(forge.work.commit("a.yaml", &format!("{index}")));
            forge.push(&["main"]);
            main_of(&mirrors, &remote).await.expect("fetched");
            if index == 1 {
                early = Some(mirrors.tree(&repo(), &commits[0]).await.expect("a tree"));
            }
        }
        wait_for("one pack", || packs(&forge).len() == 1).await;
        let early = early.expect("taken before");
        let entry = early.entry("a.yaml").expect("still readable").expect("a file");
        assert_eq!(early.blob(&entry.id).expect("still readable"), b"0", "{program}");
        for (index, commit) in commits.iter().enumerate() {
            assert_eq!(read_file(&mirrors, commit, "a.yaml").await.expect(program), index.to_string());
        }
        commits.push(forge.work.commit("a.yaml", "after"));
        forge.push(&["main"]);
        assert_eq!(main_of(&mirrors, &remote).await.expect("fetched on"), commits.last().cloned());
        assert!(git(&forge.mirror_dir(), &["fsck", "--full"]).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_commit_outlives_a_forced_push_and_a_repack() {
    let forge = Forge::https().await;
    let mut config = forge.config();
    config.repack_after = 3;
    let (mirrors, remote) = (forge.mirrors_with(config), forge.remote());
    forge.work.commit("base", "base");
    let kept = forge.work.commit("a.yaml", "kept");
    forge.push(&["main"]);
    main_of(&mirrors, &remote).await.expect("fetched");
    mirrors.keep(&repo(), "app-shop", Some(&kept)).await.expect("kept");
    forge.work.git(&["reset", "-q", "--hard", "HEAD~1"]);
    for index in 0..2 {
        forge.work.commit("b.yaml", &index.to_string());
        forge.push(&["main"]);
        main_of(&mirrors, &remote).await.expect("fetched");
    }
    wait_for("one pack", || packs(&forge).len() == 1).await;
    assert_eq!(read_file(&mirrors, &kept, "a.yaml").await.expect("still here"), "kept");
    mirrors.keep(&repo(), "app-shop", None).await.expect("let go");
    for bad in ["", "../x", "a/b", &"x".repeat(101)] {
        assert!(mirrors.keep(&repo(), bad, Some(&kept)).await.is_err(), "{bad:?}");
    }
}
