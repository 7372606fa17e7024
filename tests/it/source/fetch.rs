//! Fetching: credentials, refs that move and vanish, and a network that fails.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Redirect;
use driftless::class::{Class, Classified};
use driftless::dev::git_http::{GitFault, GitServer};
use driftless::dev::tls::DevTls;
use driftless::lifecycle::Tasks;
use driftless::source::{Credential, Mirrors, MirrorsConfig, Remote, SourceError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{fetch_one, main_of, never};
use crate::support::git::{Forge, repo};

const MANY: usize = 400;

/// Files that do not compress, so that a pack takes several pieces.
pub(super) fn fill(forge: &Forge) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for index in 0..MANY {
        let mut text = String::new();
        for _ in 0..64 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.push_str(&format!("{state:016x}"));
        }
        forge.work.write(&format!("files/{index}"), &text);
    }
    forge.work.commit_all("many files");
}

#[tokio::test(flavor = "multi_thread")]
async fn fetches_over_https_with_a_private_authority_and_a_password() {
    let forge = Forge::https().await;
    forge.set_password("s3cret-one");
    let commit = forge.work.commit("a.yaml", "one");
    forge.push(&["main"]);
    let mirrors = forge.mirrors();
    assert_eq!(main_of(&mirrors, &forge.remote()).await.expect("fetched"), Some(commit.clone()));
    assert_eq!(mirrors.resolve(&repo(), "refs/heads/main").await.expect("resolved"), Some(commit.clone()));
    assert!(mirrors.has_commit(&repo(), &commit).await);
    assert_eq!(forge.pushes.lock().expect("pushes")[0].0, "acme/shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_without_it_and_a_rotated_one_is_taken() {
    let forge = Forge::https().await;
    forge.set_password("s3cret-one");
    forge.work.commit("a.yaml", "one");
    forge.push(&["main"]);
    let mirrors = forge.mirrors();
    main_of(&mirrors, &forge.remote()).await.expect("the first password");
    forge.set_password("s3cret-two");
    let error = main_of(&mirrors, &forge.remote_with("s3cret-one")).await.expect_err("it was rotated");
    assert!(matches!(error, SourceError::Unauthenticated { status: 401, .. }), "{error:?}");
    assert!(error.class().is_retry());
    let text = format!("{error} {error:?}");
    assert!(text.contains("shop") && !text.contains("s3cret"), "{text}");
    insta::assert_snapshot!(error.to_string(),
        @"the forge denies access to repo shop (401): check that the credential is valid and may read this repository");
    main_of(&mirrors, &forge.remote_with("s3cret-two")).await.expect("the second password");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_with_an_unknown_authority_is_not_talked_to() {
    let forge = Forge::https().await;
    forge.work.commit("a.yaml", "one");
    forge.push(&["main"]);
    let before = forge.faults.requests();
    let mut config = forge.config();
    config.tls_ca = None;
    let error = main_of(&forge.mirrors_with(config), &forge.remote()).await.expect_err("nobody vouches for it");
    assert!(matches!(error, SourceError::Network { .. }), "{error:?}");
    assert_eq!(forge.faults.requests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_never_goes_over_http() {
    let forge = Forge::http().await;
    forge.work.commit("a.yaml", "one");
    forge.push(&["main"]);
    let (mirrors, before) = (forge.mirrors(), forge.faults.requests());
    let error = main_of(&mirrors, &forge.remote()).await.expect_err("a credential and http");
    assert!(matches!(error, SourceError::Url { .. }), "{error:?}");
    assert_eq!(error.class(), Class::Fail);
    assert_eq!(forge.faults.requests(), before, "nothing was sent");
    let mut without = forge.remote();
    without.credential = None;
    main_of(&mirrors, &without).await.expect("http on this machine without a credential");
}

#[tokio::test(flavor = "multi_thread")]
async fn refs_move_back_vanish_and_turn_into_directories() {
    let forge = Forge::https().await;
    let (mirrors, remote) = (forge.mirrors(), forge.remote());
    forge.work.commit("a.yaml", "one");
    let second = forge.work.commit("a.yaml", "two");
    forge.push(&["main", "main:refs/heads/topic", "main:refs/pull/7/head"]);
    let names = ["refs/heads/main", "refs/heads/topic", "refs/pull/7/head", "refs/heads/none"].map(str::to_owned);
    let fetched = mirrors.fetch(&remote, &names, &never()).await.expect("fetched");
    let answers: Vec<_> = names.iter().map(|name| fetched[name].clone()).collect();
    assert_eq!(answers, [Some(second.clone()), Some(second.clone()), Some(second), None]);

    forge.work.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let forced = forge.work.commit("b.yaml", "other");
    forge.push(&["main", ":refs/heads/topic"]);
    forge.push(&["main:refs/heads/topic/sub"]);
    assert_eq!(main_of(&mirrors, &remote).await.expect("forced"), Some(forced.clone()));
    assert_eq!(fetch_one(&mirrors, &remote, "refs/heads/topic/sub").await.expect("below"), Some(forced));
    assert_eq!(fetch_one(&mirrors, &remote, "refs/heads/topic").await.expect("gone"), None);
    assert_eq!(mirrors.resolve(&repo(), "refs/heads/topic").await.expect("gone here too"), None);
    mirrors.forget(&repo(), &["refs/pull/7/head".to_owned()]).await.expect("forgotten");
    assert_eq!(mirrors.resolve(&repo(), "refs/pull/7/head").await.expect("forgotten"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_and_tags_are_listed_with_their_commits() {
    let forge = Forge::https().await;
    let commit = forge.work.commit("a.yaml", "one");
    forge.work.git(&["tag", "-a", "-m", "first", "v1"]);
    forge.push(&["main", "main:refs/heads/topic", "v1", "main:refs/pull/7/head"]);
    let (mirrors, remote) = (forge.mirrors(), forge.remote());
    let listed = mirrors.list_refs(&remote, &never()).await.expect("listed");
    let names: Vec<_> = listed.keys().map(String::as_str).collect();
    assert_eq!(names, ["HEAD", "refs/heads/main", "refs/heads/topic", "refs/tags/v1"]);
    assert!(listed.values().all(|listed| *listed == commit), "{listed:?}");
    assert_eq!(fetch_one(&mirrors, &remote, "refs/tags/v1").await.expect("a tag"), Some(commit));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_has_no_refs() {
    let forge = Forge::https().await;
    let (mirrors, remote) = (forge.mirrors(), forge.remote());
    assert!(mirrors.list_refs(&remote, &never()).await.expect("listed").is_empty());
    assert_eq!(main_of(&mirrors, &remote).await.expect("nothing there"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_refs_reach_nothing() {
    let forge = Forge::https().await;
    let (mirrors, before) = (forge.mirrors(), forge.faults.requests());
    let long = format!("refs/heads/{}", "x".repeat(10_000));
    for name in [
        "../x",
        "--upload-pack=touch x",
        "refs/heads/a\0b",
        "refs/heads/*",
        "refs/heads/a:refs/mirror/b",
        "+refs/heads/a",
        "HEAD",
        "",
        &long,
    ] {
        let error = fetch_one(&mirrors, &forge.remote(), name).await.expect_err(name);
        assert!(matches!(error, SourceError::Ref { .. }), "{name:?}: {error:?}");
        assert!(error.to_string().len() < 400, "the name is shortened");
        assert!(mirrors.resolve(&repo(), name).await.is_err(), "{name:?}");
    }
    assert_eq!(forge.faults.requests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_pack_is_cancelled_at_once() {
    let forge = Forge::https().await;
    fill(&forge);
    forge.push(&["main"]);
    let (mirrors, remote) = (forge.mirrors(), forge.remote());
    for fault in [GitFault::Slow { bytes: 64, pause: Duration::from_millis(50) }, GitFault::Hang] {
        forge.faults.always(Some(fault));
        let cancel = CancellationToken::new();
        let (token, names) = (cancel.clone(), ["refs/heads/main".to_owned()]);
        let later = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(700)).await;
            token.cancel();
            Instant::now()
        });
        let error = mirrors.fetch(&remote, &names, &cancel).await.expect_err("cancelled");
        assert_eq!(error.class(), Class::Cancelled, "{error:?}");
        let took = later.await.expect("cancelled").elapsed();
        // What is not cancelled hangs for half a minute.
        assert!(took < Duration::from_secs(5), "took {took:?}");
    }
    // The lock is free again only when Git's side has ended too.
    forge.faults.always(None);
    let started = Instant::now();
    assert!(main_of(&mirrors, &remote).await.expect("fetched").is_some());
    assert!(started.elapsed() < Duration::from_secs(20), "took {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_forge_and_an_endless_pack_are_given_up() {
    let forge = Forge::https().await;
    fill(&forge);
    forge.push(&["main"]);
    let mut config = forge.config();
    config.idle_timeout = Duration::from_millis(300);
    forge.faults.once(GitFault::Hang);
    let error = main_of(&forge.mirrors_with(config), &forge.remote()).await.expect_err("silent");
    assert!(matches!(error, SourceError::TimedOut { .. }), "{error:?}");

    let mut config = forge.config();
    config.timeout = Duration::from_millis(900);
    forge.faults.always(Some(GitFault::Slow { bytes: 64, pause: Duration::from_millis(50) }));
    let error = main_of(&forge.mirrors_with(config), &forge.remote()).await.expect_err("drips");
    assert!(matches!(error, SourceError::TimedOut { .. }), "{error:?}");
    forge.faults.always(None);

    let mut config = forge.config();
    config.max_pack_bytes = 100_000;
    let error = main_of(&forge.mirrors_with(config), &forge.remote()).await.expect_err("too much");
    assert!(matches!(error, SourceError::TooLarge { limit: 100_000, .. }), "{error:?}");
    assert_eq!(error.class(), Class::Fail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_is_tried_again_and_leaves_nothing() {
    let forge = Forge::https().await;
    fill(&forge);
    forge.push(&["main"]);
    let (mirrors, remote) = (forge.mirrors(), forge.remote());
    for after in [0, 10, 5_000, 200_000] {
        forge.faults.once(GitFault::ResetAfter(after));
        // The first answer to a POST is the listing of refs; the pack comes with the second.
        forge.faults.once(GitFault::ResetAfter(after));
        let error = main_of(&mirrors, &remote).await.expect_err("it broke off");
        assert!(matches!(error, SourceError::Network { .. }), "after {after}: {error:?}");
        assert!(error.class().is_retry());
        forge.faults.clear();
    }
    assert!(main_of(&mirrors, &remote).await.expect("the next try").is_some());
    let left: Vec<_> = std::fs::read_dir(forge.mirror_dir().join("objects/pack"))
        .expect("packs")
        .flatten()
        .map(|file| file.file_name())
        .collect();
    assert_eq!(left.len(), 2, "one pack and its index, not {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_forge_answers_is_classed() {
    let forge = Forge::https().await;
    forge.work.commit("a.yaml", "one");
    forge.push(&["main"]);
    let (mirrors, remote) = (forge.mirrors(), forge.remote());
    for status in [401, 403, 404, 429, 500, 502, 503] {
        forge.faults.once(GitFault::Status(StatusCode::from_u16(status).expect("a status")));
        let error = main_of(&mirrors, &remote).await.expect_err("an error");
        assert!(error.class().is_retry(), "{status}");
        let named = match &error {
            SourceError::Unauthenticated { status, .. }
            | SourceError::NotFound { status, .. }
            | SourceError::Status { status, .. } => *status,
            other => panic!("{status}: {other:?}"),
        };
        assert_eq!(named, status);
    }
    let mut elsewhere = remote.clone();
    elsewhere.url = elsewhere.url.replace("shop", "none");
    let error = main_of(&mirrors, &elsewhere).await.expect_err("no such repo");
    assert!(matches!(error, SourceError::NotFound { status: 404, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_greets_once_and_again_where_it_refuses() {
    let forge = Forge::https().await;
    let (mirrors, remote) = (forge.mirrors(), forge.remote());
    let requests = |expected: usize, what: &'static str| {
        let before = forge.faults.requests();
        let forge = &forge;
        move || assert_eq!(forge.faults.requests() - before, expected, "{what}")
    };
    forge.work.commit("a.yaml", "one");
    forge.push(&["main"]);
    let greeted = requests(3, "a greeting, a listing, a pack");
    main_of(&mirrors, &remote).await.expect("fetched");
    greeted();
    let second = forge.work.commit("a.yaml", "two");
    forge.push(&["main"]);
    let known = requests(2, "a listing, a pack");
    assert_eq!(main_of(&mirrors, &remote).await.expect("fetched"), Some(second.clone()));
    known();
    forge.faults.once(GitFault::Refuse(StatusCode::NOT_FOUND));
    let refused = requests(3, "refused, a greeting, a listing that brings nothing new");
    assert_eq!(main_of(&mirrors, &remote).await.expect("fetched"), Some(second));
    refused();
    forge.faults.once(GitFault::Refuse(StatusCode::SERVICE_UNAVAILABLE));
    let error = main_of(&mirrors, &remote).await.expect_err("it is not asked twice");
    assert!(matches!(error, SourceError::Status { status: 503, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_time_of_the_forge_is_passed_on() {
    let answer = || async { (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "17")], "slow down") };
    let (error, _) = against(Router::new().fallback(answer)).await;
    assert_eq!(error.class(), Class::Retry { after: Some(Duration::from_secs(17)) }, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_takes_no_credential_elsewhere() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let other = Router::new().fallback(move |request: Request| {
        record.lock().expect("requests").push(request.headers().contains_key("authorization"));
        async { StatusCode::NOT_FOUND }
    });
    let (tls, tasks) = (DevTls::new().expect("a certificate"), Tasks::new());
    let other = GitServer::serve(other, Some(&tls), &tasks).await.expect("a server");
    let target = format!("{}/moved.git", other.url());
    let moved = format!("{target}/info/refs?service=git-upload-pack");
    let (error, _) = against(Router::new().fallback(move || async move { Redirect::permanent(&moved) })).await;
    assert!(matches!(&error, SourceError::Redirected { to, .. } if *to == target), "{error:?}");
    assert!(seen.lock().expect("requests").is_empty(), "the other place was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_git_is_an_error() {
    for body in ["", "<html>welcome</html>", "0000", "ffff", "001e# service=git-upload-pack\n0000"] {
        let kind = [("content-type", "application/x-git-upload-pack-advertisement")];
        let (error, _) = against(Router::new().fallback(move || async move { (kind, body) })).await;
        assert!(matches!(error, SourceError::Protocol { .. }), "{body:?}: {error:?}");
    }
    let (error, _) = against(Router::new().fallback(|| async { "<html>sign in</html>" })).await;
    assert!(matches!(error, SourceError::Protocol { .. }), "{error:?}");
}

/// What a fetch from this server, which is no real one, ends with.
async fn against(router: Router) -> (SourceError, tempfile::TempDir) {
    crate::support::git::install_crypto();
    let (tls, tasks, dir) =
        (DevTls::new().expect("a certificate"), Tasks::new(), tempfile::tempdir().expect("a directory"));
    let files = tls.write(dir.path()).expect("its files");
    let server = GitServer::serve(router, Some(&tls), &tasks).await.expect("a server");
    let mut config = MirrorsConfig::new(dir.path().join("mirrors"));
    config.tls_ca = Some(files.ca);
    let credential = Credential { username: "driftless".to_owned(), password: "s3cret".to_owned().into() };
    let remote = Remote { repo: repo(), url: format!("{}/acme/shop.git", server.url()), credential: Some(credential) };
    let mirrors = Mirrors::new(config, &tasks).expect("mirrors");
    (main_of(&mirrors, &remote).await.expect_err("no real server"), dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_refs_that_are_needed_are_asked_for() {
    let forge = Forge::https().await;
    let commit = forge.work.commit("a.yaml", "one");
    let refs: Vec<_> = (0..3_000).map(|number| format!("create refs/pull/{number}/head {commit}\n")).collect();
    std::fs::write(forge.work.path().join(".git/refs.txt"), refs.concat()).expect("a file");
    forge.work.shell("git update-ref --stdin < .git/refs.txt");
    forge.push(&["refs/pull/*:refs/pull/*"]);
    let mut config = forge.config();
    config.max_pack_bytes = 50_000;
    let (mirrors, remote) = (forge.mirrors_with(config), forge.remote());
    assert_eq!(fetch_one(&mirrors, &remote, "refs/pull/7/head").await.expect("a few hundred bytes"), Some(commit));
    assert_eq!(fetch_one(&mirrors, &remote, "refs/pull/9999/head").await.expect("a few hundred bytes"), None);
}
