//! What is refused when it is fetched, by name and for good.

use driftless::class::{Class, Classified};
use driftless::source::SourceError;

use super::{main_of, never};
use crate::support::git::{Forge, git, repo};

/// X10: a small pack can hold huge objects; what is too large is refused before it is unpacked, by name, and costs no
/// memory.
#[tokio::test(flavor = "multi_thread")]
async fn x10_an_object_that_is_too_large_is_refused_before_it_is_unpacked() {
    let forge = Forge::https().await;
    let small = forge.work.commit("a", "a");
    forge.push(&["main"]);
    let mut config = forge.config();
    config.max_object_bytes = 1 << 20;
    let mirrors = forge.mirrors_with(config);
    assert_eq!(main_of(&mirrors, &forge.remote()).await.expect("fetched"), Some(small.clone()));
    forge.work.write("zeros", &"\0".repeat(8 << 20));
    forge.work.commit_all("huge");
    forge.work.write("zeros", &format!("{}x", "\0".repeat(8 << 20)));
    forge.work.commit_all("and its delta");
    forge.push(&["main"]);
    for _ in 0..4 {
        let error = main_of(&mirrors, &forge.remote()).await.expect_err("too large");
        assert!(matches!(error, SourceError::ObjectTooLarge { limit, .. } if limit == 1 << 20), "{error:?}");
        assert_eq!(error.class(), Class::Fail, "the same push gives the same answer");
    }
    assert!(mirrors.tree(&repo(), &small).await.is_ok(), "what was there is kept");
}

/// W5: a repository with SHA-256 names is told of at once, and not tried for ever.
#[tokio::test(flavor = "multi_thread")]
async fn w5_a_repository_with_sha256_names_is_refused_by_name() {
    let forge = Forge::https().await;
    let bare = forge.bare_dir();
    std::fs::remove_dir_all(&bare).expect("removed");
    std::fs::create_dir_all(&bare).expect("a directory");
    git(&bare, &["init", "-q", "--bare", "--object-format=sha256", "-b", "main"]);
    let work = tempfile::tempdir().expect("a directory");
    git(work.path(), &["init", "-q", "--object-format=sha256", "-b", "main"]);
    git(work.path(), &["commit", "-q", "--allow-empty", "-m", "one"]);
    git(work.path(), &["push", "-q", &bare.display().to_string(), "main"]);
    let mirrors = forge.mirrors();
    let fetched = main_of(&mirrors, &forge.remote()).await.expect_err("SHA-256");
    let listed = mirrors.list_refs(&forge.remote(), &never()).await.expect_err("SHA-256");
    for error in [fetched, listed] {
        assert!(matches!(error, SourceError::Sha256 { .. }), "{error:?}");
        assert_eq!(error.class(), Class::Fail);
    }
}
