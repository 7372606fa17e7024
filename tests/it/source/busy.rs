//! Several fetches of one repo.

use std::sync::Arc;
use std::time::Duration;

use driftless::class::Classified;
use driftless::dev::git_http::GitFault;
use driftless::source::{Remote, SourceError};
use tokio_util::sync::CancellationToken;

use super::fetch::fill;
use super::{fetch_one, main_of};
use crate::support::git::{Forge, repo};

#[tokio::test(flavor = "multi_thread")]
async fn many_fetches_of_one_repo_wait_for_each_other() {
    let forge = Forge::https().await;
    fill(&forge);
    let names: Vec<_> = (0..12).map(|index| format!("refs/heads/b{index}")).collect();
    for name in &names {
        forge.work.commit("branch", name);
        forge.work.git(&["update-ref", name, "HEAD"]);
    }
    forge.push(&["refs/heads/*:refs/heads/*"]);
    let (mirrors, remote) = (forge.mirrors(), Arc::new(forge.remote()));
    let running: Vec<_> = names
        .iter()
        .map(|name| {
            let (mirrors, remote, name) = (mirrors.clone(), Arc::clone(&remote), name.clone());
            tokio::spawn(async move { fetch_one(&mirrors, &remote, &name).await })
        })
        .collect();
    for (task, name) in running.into_iter().zip(&names) {
        let commit = task.await.expect("no panic").expect("fetched");
        assert_eq!(commit.map(|commit| commit.to_string()), Some(forge.work.git(&["rev-parse", name])));
    }
}

/// A9+: a forge that hangs holds up those who come next for a limited time, and they hear why. What is only read goes
/// on, and so does another repo.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_fetch_that_hangs_is_told_so() {
    let forge = Forge::https().await;
    forge.work.commit("a.yaml", "one");
    forge.push(&["main"]);
    let mut config = forge.config();
    config.wait = Duration::from_secs(1);
    let mirrors = forge.mirrors_with(config);
    let known = main_of(&mirrors, &forge.remote()).await.expect("fetched").expect("a commit");
    forge.work.commit("a.yaml", "two");
    forge.push(&["main"]);
    let before = forge.faults.requests();
    forge.faults.once(GitFault::Hang);
    let (stop, hanging, remote) = (CancellationToken::new(), mirrors.clone(), forge.remote());
    let first = tokio::spawn({
        let stop = stop.clone();
        async move { hanging.fetch(&remote, &["refs/heads/main".to_owned()], &stop).await }
    });
    for _ in 0..1_000 {
        if forge.faults.requests() > before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(forge.faults.requests() > before, "it was never asked");
    let error = main_of(&mirrors, &forge.remote()).await.expect_err("the first still waits");
    assert!(error.class().is_retry());
    insta::assert_snapshot!(error.to_string(), @"work on repo shop did not begin within 1 s, because it waited for another fetch of the repo, or for the compaction of its mirror. Driftless retries; if this lasts, check how fast the forge answers");
    let error = mirrors.keep(&repo(), "applied-x", Some(&known)).await.expect_err("it changes the mirror, too");
    assert!(matches!(error, SourceError::Busy { .. }), "{error:?}");
    assert!(mirrors.tree(&repo(), &known).await.is_ok(), "a read waits for nobody");
    let other = Remote { repo: driftless::ids::RepoName::new("bank"), ..forge.remote() };
    assert!(main_of(&mirrors, &other).await.expect("another repo").is_some());
    stop.cancel();
    first.await.expect("it ends").expect_err("cancelled");
    assert_ne!(main_of(&mirrors, &forge.remote()).await.expect("fetched"), Some(known));
}
