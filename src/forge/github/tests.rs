//! The client against answers that a test writes down: what each means, and what is sent.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use wiremock::matchers::{body_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::path::repo_path;
use super::{GitHub, GitHubConfig, GitHubCredentials};
use crate::clock::ManualClock;
use crate::forge::{Forge, ForgeError, NewStatus, PullState, StatusState};
use crate::secret::LiveSecret;

const NOW: i64 = 1_800_000_000;

fn client(server: &MockServer) -> GitHub {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = GitHubConfig {
        api_url: server.uri(),
        credentials: GitHubCredentials::Token(LiveSecret::fixed("s3cret")),
        ca: None,
        timeout: Duration::from_millis(500),
    };
    GitHub::new(config, Arc::new(ManualClock::at_millis(NOW * 1000))).expect("a sound configuration")
}

fn sha(digits: &str) -> crate::ids::Oid {
    digits.repeat(20).parse().expect("an id")
}

fn status(description: &str) -> NewStatus {
    NewStatus {
        sha: sha("a1"),
        context: "driftless".into(),
        state: StatusState::Success,
        description: description.into(),
        target_url: None,
    }
}

fn pull(number: u64) -> serde_json::Value {
    json!({
        "number": number, "state": "open", "title": "t", "user": null, "draft": false, "merged_at": null,
        "merge_commit_sha": "c3".repeat(20),
        "head": {"ref": "topic", "sha": "a1".repeat(20), "repo": {"id": 1}},
        "base": {"ref": "main", "sha": "b2".repeat(20), "repo": {"id": 1}},
    })
}

async fn answer(template: ResponseTemplate) -> ForgeError {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(template).mount(&server).await;
    client(&server).pull_request("o/r", 1).await.expect_err("an error")
}

fn wait(error: &ForgeError) -> Option<u64> {
    match error {
        ForgeError::Limited { after, .. } => Some(after.as_secs()),
        _ => None,
    }
}

#[tokio::test]
async fn limits_say_how_long_to_wait() {
    let limited = |code| ResponseTemplate::new(code).set_body_json(json!({"message": "API rate limit exceeded"}));
    assert_eq!(wait(&answer(limited(403).insert_header("retry-after", "7")).await), Some(7));
    let reset = limited(429)
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset", (NOW + 90).to_string().as_str());
    assert_eq!(wait(&answer(reset).await), Some(90));
    // A reset that has passed by our clock is waited for a moment all the same, and one of next year not until then.
    let past = limited(403).insert_header("x-ratelimit-remaining", "0").insert_header("x-ratelimit-reset", "5");
    assert_eq!(wait(&answer(past).await), Some(1));
    assert_eq!(wait(&answer(limited(403).insert_header("retry-after", "99999999")).await), Some(3600));
    assert_eq!(wait(&answer(limited(403)).await), Some(60));
    assert_eq!(wait(&answer(ResponseTemplate::new(429)).await), Some(60));
}

#[tokio::test]
async fn a_locked_conversation_and_an_archived_repository_are_no_matter_of_rights() {
    for text in ["Unable to create comment because issue is locked.", "Repository was archived so is read-only."] {
        let error = answer(ResponseTemplate::new(403).set_body_json(json!({"message": text}))).await;
        assert!(matches!(error, ForgeError::Rejected { .. }), "{error}");
    }
}

#[tokio::test]
async fn other_refusals_are_told_apart() {
    let of =
        |code| ResponseTemplate::new(code).set_body_json(json!({"message": "Resource not accessible\nby integration"}));
    let forbidden = answer(of(403)).await;
    assert!(
        matches!(&forbidden, ForgeError::Refused { message, .. } if message == "GET /repos/o/r/pulls/1: 403 Resource \
                                                                                not accessible by integration")
    );
    assert!(matches!(answer(of(401)).await, ForgeError::Refused { .. }));
    assert!(matches!(answer(of(404)).await, ForgeError::NotFound { .. }));
    assert!(matches!(answer(of(502)).await, ForgeError::Unavailable { .. }));
    assert!(matches!(answer(of(422)).await, ForgeError::Rejected { .. }));
    assert!(matches!(
        answer(ResponseTemplate::new(200).set_body_string("<html>")).await,
        ForgeError::Unavailable { .. }
    ));
}

#[tokio::test]
async fn a_silent_forge_is_not_waited_for() {
    let error = answer(ResponseTemplate::new(200).set_delay(Duration::from_secs(20))).await;
    assert!(matches!(&error, ForgeError::Unavailable { message, .. } if message.contains("within 500ms")), "{error}");
}

#[tokio::test]
async fn no_listener_is_told_with_its_cause_and_without_the_token() {
    let server = MockServer::start().await;
    let github = client(&server);
    drop(server);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let config = GitHubConfig {
        api_url: format!("http://{address}"),
        credentials: GitHubCredentials::Token(LiveSecret::fixed("s3cret")),
        ca: None,
        timeout: Duration::from_secs(5),
    };
    drop(github);
    let github = GitHub::new(config, Arc::new(ManualClock::at_millis(0))).expect("a sound configuration");
    let error = github.pull_request("o/r", 1).await.expect_err("nobody listens").to_string();
    assert!(error.contains("refused") && !error.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn a_write_follows_a_moved_repository_with_its_body() {
    let server = MockServer::start().await;
    let to = format!("{}/repositories/5/statuses/{}", server.uri(), sha("a1"));
    Mock::given(method("POST"))
        .and(path(format!("/repos/o/old/statuses/{}", sha("a1"))))
        .respond_with(ResponseTemplate::new(307).insert_header("location", to.as_str()))
        .mount(&server)
        .await;
    let body = json!({"state": "success", "context": "driftless", "description": "x".repeat(140), "target_url": null});
    Mock::given(method("POST"))
        .and(path(format!("/repositories/5/statuses/{}", sha("a1"))))
        .and(body_json(body))
        .and(header("authorization", "Bearer s3cret"))
        .and(header("x-github-api-version", "2022-11-28"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({})))
        .expect(1)
        .mount(&server)
        .await;
    client(&server).set_status("o/old", &[], &status(&"x".repeat(200))).await.expect("followed");
}

#[tokio::test]
async fn the_token_does_not_follow_to_another_host() {
    let (server, other) = (MockServer::start().await, MockServer::start().await);
    let to = format!("{}/repos/o/r/pulls/1", other.uri());
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(307).insert_header("location", to.as_str()))
        .mount(&server)
        .await;
    let error = client(&server).set_status("o/r", &[], &status("x")).await.expect_err("refused");
    assert!(error.to_string().contains("another host"), "{error}");
    assert_eq!(other.received_requests().await.expect("recorded").len(), 0);
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let server = MockServer::start().await;
    let to = format!("{}/repos/o/r/pulls/1", server.uri());
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(302).insert_header("location", to.as_str()))
        .mount(&server)
        .await;
    assert!(matches!(client(&server).pull_request("o/r", 1).await, Err(ForgeError::Unavailable { .. })));
}

#[tokio::test]
async fn a_pull_request_is_read_with_what_may_be_missing() {
    let server = MockServer::start().await;
    let mut gone = pull(2);
    gone["head"]["repo"] = json!(null);
    gone["state"] = json!("closed");
    let mut merged = pull(3);
    merged["state"] = json!("closed");
    merged["merged_at"] = json!("2026-01-01T00:00:00Z");
    for (number, body) in [(1, pull(1)), (2, gone), (3, merged)] {
        Mock::given(path(format!("/repos/o/r/pulls/{number}")))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&server)
            .await;
    }
    let github = client(&server);
    let one = github.pull_request("o/r", 1).await.expect("read");
    assert_eq!(
        (one.state, one.from_fork, one.merge_commit, one.author.as_str()),
        (PullState::Open, false, None, "ghost")
    );
    let two = github.pull_request("o/r", 2).await.expect("read");
    assert_eq!((two.state, two.from_fork), (PullState::Closed, true));
    let three = github.pull_request("o/r", 3).await.expect("read");
    assert_eq!((three.state, three.merge_commit), (PullState::Merged, Some(sha("c3"))));
}

#[tokio::test]
async fn a_project_can_name_nothing_else() {
    for project in ["", "o", "o/", "/r", "o/r/pulls", "../r", "o/..", "o/r?x=1", "o/r#", "o/%2e%2e", "ö/r"] {
        assert!(matches!(repo_path(project, "/pulls"), Err(ForgeError::Rejected { .. })), "{project}");
    }
    assert_eq!(repo_path("Own-er/a.b_c", "/pulls").expect("sound"), "/repos/Own-er/a.b_c/pulls");
}
