//! The GitHub client against the embedded forge: as a user, as an App, and when things go wrong.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driftless::clock::SystemClock;
use driftless::dev::forge::{ApiFault, DeliveryFault, DevApp};
use driftless::dev::git_http::GitServer;
use driftless::dev::tls::DevTls;
use driftless::forge::{
    Forge as _, ForgeError, GitHub, GitHubConfig, GitHubCredentials, NewStatus, PullState, StatusState,
};
use driftless::ids::Oid;
use driftless::lifecycle::Tasks;
use driftless::secret::LiveSecret;
use http::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::support::forge::{Forge, PROJECT, Setup, live, secret};
use crate::support::receiver::Receiver;

fn status(sha: &Oid) -> NewStatus {
    NewStatus {
        sha: sha.clone(),
        context: "driftless".into(),
        state: StatusState::Success,
        description: "3 to update".into(),
        target_url: Some("https://driftless.example/1".into()),
    }
}

#[tokio::test]
async fn a_pull_request_from_opening_to_merging() {
    let forge = Forge::start().await;
    let github = forge.client();
    let number = forge.forge.open_pull(PROJECT, "topic", "main", "Change it").await.expect("opened");
    let pull = github.pull_request(PROJECT, number).await.expect("read");
    assert_eq!(
        (pull.state, pull.from_fork, pull.base_ref.as_str(), pull.title.as_str()),
        (PullState::Open, false, "main", "Change it")
    );
    assert_eq!(forge.head(&format!("refs/pull/{number}/head")), pull.head);
    let pushed = forge.push("topic", "third").await;
    assert_eq!(github.pull_request(PROJECT, number).await.expect("read").head, pushed);
    assert_eq!(forge.head(&format!("refs/pull/{number}/head")), pushed);
    let commit = forge.forge.merge_pull(PROJECT, number).await.expect("merged");
    let pull = github.pull_request(PROJECT, number).await.expect("read");
    assert_eq!((pull.state, pull.merge_commit), (PullState::Merged, Some(commit.clone())));
    assert_eq!(forge.head("main"), commit);
    assert!(matches!(github.pull_request(PROJECT, 99).await, Err(ForgeError::NotFound { .. })));
}

#[tokio::test]
async fn open_pull_requests_over_many_pages_cost_nothing_while_nothing_changes() {
    let forge = Forge::start().await;
    let github = forge.client();
    for n in 0..105 {
        forge.forge.open_pull(PROJECT, "topic", "main", &format!("n {n}")).await.expect("opened");
    }
    let first = github.open_pull_requests(PROJECT).await.expect("listed");
    assert_eq!((first.items.len(), first.unchanged), (105, false));
    let before = forge.forge.faults().requests().len();
    let second = github.open_pull_requests(PROJECT).await.expect("listed");
    assert!(second.unchanged && second.items == first.items);
    assert_eq!(forge.forge.faults().requests().len() - before, 2, "one question for each page");
    // The oldest stands on the last page.
    forge.forge.close_pull(PROJECT, 1);
    let third = github.open_pull_requests(PROJECT).await.expect("listed");
    assert_eq!((third.items.len(), third.unchanged), (104, false));
}

#[tokio::test]
async fn statuses_and_comments_are_written_and_found_again() {
    let forge = Forge::start().await;
    let github = forge.client();
    let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    let head = forge.head("topic");
    assert_eq!(github.latest_status(PROJECT, &[], &head, "driftless").await.expect("asked"), None);
    github.set_status(PROJECT, &[], &status(&head)).await.expect("set");
    assert_eq!(github.latest_status(PROJECT, &[], &head, "DRIFTLESS").await.expect("asked"), Some(status(&head)));
    let unknown: Oid = "f".repeat(40).parse().expect("an id");
    assert!(matches!(github.set_status(PROJECT, &[], &status(&unknown)).await, Err(ForgeError::Rejected { message,
            .. }) if message.contains("No commit found")));

    forge.forge.comment_as(PROJECT, number, "mallory", "<!-- mine -->\nnot ours");
    for n in 0..120 {
        forge.forge.comment_as(PROJECT, number, "alice", &format!("chat {n}"));
    }
    let id = github.create_comment(PROJECT, number, "<!-- mine -->\nours").await.expect("made");
    github.create_comment(PROJECT, number, "no marker").await.expect("made");
    let own = github.own_comments(PROJECT, number, "<!-- mine -->").await.expect("listed");
    assert_eq!(own.iter().map(|comment| &comment.id).collect::<Vec<_>>(), [&id]);
    github.update_comment(PROJECT, &id, "<!-- mine -->\nnew").await.expect("edited");
    github.delete_comment(PROJECT, &id).await.expect("deleted");
    github.delete_comment(PROJECT, &id).await.expect("it is gone, which is what was wanted");
    assert!(matches!(github.update_comment(PROJECT, &id, "x").await, Err(ForgeError::NotFound { .. })));
    assert!(matches!(
        github.create_comment(PROJECT, number, &"x".repeat(65_537)).await,
        Err(ForgeError::Rejected { .. })
    ));
}

#[tokio::test]
async fn an_app_writes_as_its_bot_and_gets_a_new_token_when_the_old_one_is_revoked() {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).expect("a key");
    let app = DevApp { id: 4711, slug: "driftless-dev".into(), public_key_pem: key.public_key_pem() };
    let forge = Forge::with(Setup { app: Some(app), ..Setup::default() }).await;
    let github = forge.client_as(GitHubCredentials::App { id: 4711, private_key_pem: live(&key.serialize_pem()) });
    assert_eq!(github.whoami().await.expect("asked").login, "driftless-dev[bot]");
    let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    github.create_comment(PROJECT, number, "<!-- m -->").await.expect("made");
    assert_eq!(forge.forge.comments(PROJECT, number)[0].author, "driftless-dev[bot]");
    assert_eq!(github.own_comments(PROJECT, number, "<!-- m -->").await.expect("listed").len(), 1);
    let first = github.git_credential(PROJECT).await.expect("asked").expect("there is one");
    assert!(first.username == "x-access-token" && first.password.expose_secret().len() > 40);

    forge.forge.rotate_token(&secret("other"));
    github.create_comment(PROJECT, number, "again").await.expect("with a new token");
    let second = github.git_credential(PROJECT).await.expect("asked").expect("there is one");
    assert_ne!(first.password.expose_secret(), second.password.expose_secret());
    let minted = forge.forge.faults().requests().iter().filter(|line| line.contains("access_tokens")).count();
    assert_eq!(minted, 2, "a token is made once and kept");
}

#[tokio::test]
async fn a_rotated_token_is_refused_with_a_reason_and_without_the_token() {
    let forge = Forge::start().await;
    let github = forge.client();
    forge.forge.rotate_token(&secret("other"));
    let error = github.open_pull_requests(PROJECT).await.expect_err("refused");
    assert!(matches!(error, ForgeError::Refused { .. }));
    assert!(error.to_string().contains("expired or revoked") && !error.to_string().contains("t0ken"), "{error}");
}

#[tokio::test]
async fn a_token_that_was_rotated_in_its_file_is_used_at_once() {
    let forge = Forge::start().await;
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("token");
    std::fs::write(&file, "t0ken\n").expect("written");
    let github = forge.client_as(GitHubCredentials::Token(LiveSecret::in_file(&file).expect("a token")));
    assert_eq!(github.whoami().await.expect("asked").login, "driftless-bot");

    forge.forge.rotate_token(&secret("another"));
    let asked = forge.forge.faults().requests().len();
    assert!(matches!(github.open_pull_requests(PROJECT).await, Err(ForgeError::Refused { .. })));
    assert_eq!(forge.forge.faults().requests().len(), asked + 1, "the same token is not tried twice");

    std::fs::write(&file, "another\n").expect("written");
    github.open_pull_requests(PROJECT).await.expect("with the token that is there now");
    assert_eq!(
        github.git_credential(PROJECT).await.expect("asked").expect("there is one").password.expose_secret(),
        "another"
    );
    github.whoami().await.expect("asked again, as a token may be another person's");
    assert_eq!(forge.forge.faults().requests().last().map(String::as_str), Some("GET /user"));

    // While a request is under way: it is refused, and made once more with what the file holds by then.
    forge.forge.faults().add(None, "/pulls", 1, ApiFault::Slow(Duration::from_millis(300)));
    let asked = forge.forge.faults().requests().len();
    let rotated = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        std::fs::write(&file, "athird").expect("written");
        forge.forge.rotate_token(&secret("athird"));
    };
    let (listed, ()) = tokio::join!(github.open_pull_requests(PROJECT), rotated);
    listed.expect("listed");
    assert_eq!(forge.forge.faults().requests().len(), asked + 2);
}

#[tokio::test]
async fn an_app_s_key_that_was_replaced_in_its_file_signs_at_once() {
    let new_key =
        || rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).expect("a key");
    let (old, key) = (new_key(), new_key());
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("app.pem");
    std::fs::write(&file, old.serialize_pem()).expect("written");
    let app = DevApp { id: 4711, slug: "driftless-dev".into(), public_key_pem: key.public_key_pem() };
    let forge = Forge::with(Setup { app: Some(app), ..Setup::default() }).await;
    let private_key_pem = LiveSecret::in_file(&file).expect("a key");
    let github = forge.client_as(GitHubCredentials::App { id: 4711, private_key_pem });
    assert!(matches!(github.whoami().await, Err(ForgeError::Refused { .. })));
    std::fs::write(&file, key.serialize_pem()).expect("written");
    github.open_pull_requests(PROJECT).await.expect("with the key that is there now");
}

#[tokio::test]
async fn faults_are_told_apart() {
    let forge = Forge::start().await;
    let github = forge.client();
    let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    for (fault, wanted) in [
        (ApiFault::PrimaryLimit { reset_after: 120 }, "limited"),
        (ApiFault::SecondaryLimit { retry_after: Some(3) }, "limited"),
        (ApiFault::SecondaryLimit { retry_after: None }, "limited"),
        (ApiFault::Status(502), "unavailable"),
        (ApiFault::Hang, "unavailable"),
        (ApiFault::Reset, "unavailable"),
        (ApiFault::LoseAnswer, "unavailable"),
        (ApiFault::Unauthorized, "refused"),
    ] {
        forge.forge.faults().add(None, "/pulls/", 1, fault.clone());
        let seen = match github.pull_request(PROJECT, number).await {
            Err(ForgeError::Limited { after, .. }) => {
                assert!((1..=120).contains(&after.as_secs()));
                "limited"
            }
            Err(ForgeError::Unavailable { .. }) => "unavailable",
            Err(ForgeError::Refused { .. }) => "refused",
            other => panic!("{fault:?} gave {other:?}"),
        };
        assert_eq!(seen, wanted, "{fault:?}");
        github.pull_request(PROJECT, number).await.expect("it is over");
    }
    let to = format!("/repos/{PROJECT}/issues/{number}/comments");
    forge.forge.faults().add(Some(Method::POST), "/old/name/", 1, ApiFault::Redirect { to });
    github.create_comment("old/name", number, "moved").await.expect("followed with its body");
    assert_eq!(forge.forge.comments(PROJECT, number)[0].body, "moved");
}

#[tokio::test]
async fn webhooks_are_signed_and_fail_as_they_are_told_to() {
    let receiver = Receiver::start("hook").await;
    let forge = Forge::with(Setup { webhook_url: Some(receiver.url.clone()), ..Setup::default() }).await;
    forge.forge.delivered().await;
    assert_eq!(receiver.take(), ["ping", "push", "push"]);
    forge.forge.fail_deliveries([
        DeliveryFault::None,
        DeliveryFault::Double,
        DeliveryFault::Reorder,
        DeliveryFault::None,
        DeliveryFault::Drop,
    ]);
    forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    forge.push("topic", "a").await;
    forge.push("main", "b").await;
    forge.push("main", "c").await;
    forge.forge.delivered().await;
    // Opened, the push twice, then the push to main before the update of the pull request; the last is lost.
    assert_eq!(receiver.take(), ["pull_request opened", "push", "push", "push", "pull_request synchronize"]);
    forge.forge.fail_deliveries([DeliveryFault::Tamper]);
    forge.push("main", "d").await;
    forge.forge.delivered().await;
    assert_eq!(receiver.take(), ["bad signature"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_over_http_are_seen() {
    let forge = Forge::start().await;
    let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    let work = tempfile::tempdir().expect("a directory");
    let clone = forge.forge.push_url(PROJECT);
    let run = |args: &[&str]| {
        let done =
            std::process::Command::new("git").arg("-C").arg(work.path()).args(args).output().expect("git is installed");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let steps: [&[&str]; 4] = [
        &["clone", "--quiet", "--branch", "topic", &clone, "."],
        &["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--allow-empty", "-m", "x"],
        &["push", "--quiet", "origin", "topic"],
        &["fetch", "--quiet", "origin", &format!("refs/pull/{number}/head")],
    ];
    for step in steps {
        tokio::task::block_in_place(|| run(step));
    }
    let head = forge.head("topic");
    for _ in 0..100 {
        if forge.client().pull_request(PROJECT, number).await.expect("read").head == head {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the push was not seen");
}

/// W4: `ca` is trusted for the forge's API as it is for its Git, and an authority that cannot be read is said so at the
/// start.
#[tokio::test]
async fn an_api_behind_an_authority_of_its_own_is_trusted_by_its_ca() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (folder, tasks) = (tempfile::tempdir().expect("a folder"), Tasks::new());
    let tls = DevTls::new().expect("a certificate");
    let ca = tls.write(folder.path()).expect("its files").ca;
    let user = async || axum::Json(json!({"login": "driftless-bot", "id": 1, "type": "User"}));
    let server = GitServer::serve(axum::Router::new().route("/user", axum::routing::get(user)), Some(&tls), &tasks)
        .await
        .expect("serves");
    let client = |ca: Option<PathBuf>| {
        let credentials = GitHubCredentials::Token(live("t0ken"));
        GitHub::new(
            GitHubConfig { api_url: server.url(), credentials, ca, timeout: Duration::from_secs(5) },
            Arc::new(SystemClock),
        )
    };
    let Ok(trusted) = client(Some(ca)) else { panic!("a sound configuration") };
    assert_eq!(trusted.whoami().await.expect("answered").login, "driftless-bot");
    let Ok(untrusted) = client(None) else { panic!("a sound configuration") };
    let untrusted = untrusted.whoami().await.expect_err("not trusted").to_string();
    assert!(untrusted.to_lowercase().contains("certificate"), "{untrusted}");
    let missing = client(Some(folder.path().join("nothing.pem"))).err().expect("no such file").to_string();
    assert!(missing.contains("nothing.pem cannot be used: it cannot be read"), "{missing}");
}
