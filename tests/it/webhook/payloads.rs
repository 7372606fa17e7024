//! What a delivery may say, and how it may be signed.

use serde_json::{Value, json};

use super::server::{Request, SHA, Server, pull_request, push, secret};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_is_stored_before_it_is_answered() {
    let server = Server::start().await;
    let answer = server.deliver("push", &push().to_string()).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json(), json!({ "status": "accepted", "jobs": ["push:shop+refs/heads/main"] }));
    assert!(answer.headers.contains("x-request-id: 1"), "{answer:?}");
    assert_eq!(server.jobs().await, ["push:shop+refs/heads/main"]);
    let deliveries = server.queue.store().deliveries(10).await.expect("lists");
    assert_eq!(deliveries[0].project.as_deref(), Some("acme/shop"), "matched without regard to case");

    assert_eq!(server.deliver("push", &push().to_string()).await.outcome(), "duplicate");
    assert_eq!(server.deliveries().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_requests_and_merge_groups_get_previews() {
    let server = Server::start().await;
    assert_eq!(server.deliver("pull_request", &pull_request().to_string()).await.outcome(), "accepted");
    let group = json!({
        "action": "checks_requested",
        "repository": { "full_name": "acme/shop" },
        "merge_group": {
            "head_sha": SHA, "head_ref": "refs/heads/gh-readonly-queue/main/pr-7-0a",
            "base_sha": SHA, "base_ref": "refs/heads/main",
        },
    });
    let request = Request::github("merge_group", group.to_string().as_bytes()).header("X-GitHub-Delivery", "2");
    assert_eq!(server.send(&request).await.outcome(), "accepted");
    let mut jobs = server.jobs().await;
    jobs.sort();
    assert_eq!(jobs, ["group:shop+refs/heads/gh-readonly-queue/main/pr-7-0a", "preview:shop#7"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gitlab_is_understood_under_its_own_hook_alone() {
    let server = Server::start().await;
    let body = json!({
        "object_kind": "push", "ref": "refs/heads/main", "before": SHA, "after": SHA,
        "project": { "path_with_namespace": "acme/shop" },
    });
    let mut request = Request::github("push", body.to_string().as_bytes())
        .header("X-Gitlab-Event", "Push Hook")
        .header("Idempotency-Key", "6f8a")
        .header("X-Gitlab-Token", "It's a Secret to Everybody");
    request.line = "POST /webhooks/gitlab HTTP/1.1".into();
    assert_eq!(server.send(&request).await.outcome(), "accepted");
    let wrong = request.clone().header("X-Gitlab-Token", "it's a secret to everybody");
    server.send(&wrong).await.refused(401);
    server.send(&request.clone().without("X-Gitlab-Token")).await.refused(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_our_secret_opens_the_door() {
    let server = Server::start().await;
    let body = push().to_string();
    let good = Request::github("push", body.as_bytes());
    let signature = secret().github_signature(body.as_bytes());
    let hex = signature.strip_prefix("sha256=").expect("a prefix");
    let name = "X-Hub-Signature-256";
    let bad = [
        good.clone().without(name),
        good.clone().without(name).header("X-Hub-Signature", "sha1=0123456789012345678901234567890123456789"),
        good.clone().header(name, ""),
        good.clone().header(name, "sha256="),
        good.clone().header(name, &signature[..signature.len() - 2]),
        good.clone().header(name, &format!("sha256={}", hex.to_uppercase())),
        good.clone().header(name, hex),
        good.clone().header(name, &format!("sha256={}", "0".repeat(64))),
        good.clone()
            .header(name, &driftless_webhooks::Secret::new("x").expect("not empty").github_signature(body.as_bytes())),
    ];
    for request in bad {
        let error = server.send(&request).await.refused(401);
        assert!(!error.contains(hex), "{error}");
    }
    let mut twice = good.clone();
    twice.headers.push((name.into(), signature.clone()));
    server.send(&twice).await.refused(401);

    let mut tampered = good.clone();
    tampered.body[10] ^= 1;
    server.send(&tampered).await.refused(401);
    assert_eq!((server.deliveries().await, server.jobs().await.len()), (0, 0), "nothing of it was stored");
    assert_eq!(server.send(&good).await.outcome(), "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_make_no_sense_are_refused() {
    let server = Server::start().await;
    let whole = push().to_string();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [&[u8]; 8] = [
        b"",
        b"null",
        b"[]",
        b"{}",
        &whole.as_bytes()[..whole.len() / 2],
        deep.as_bytes(),
        b"{\"ref\": \"\xff\xfe\"}",
        b"payload=%7B%7D",
    ];
    for body in bodies {
        let answer = server.send(&Request::github("push", body)).await;
        answer.refused(400);
    }
    let gzip = Request::github("push", whole.as_bytes()).header("Content-Encoding", "gzip");
    server.send(&gzip).await.refused(400);
    let text = Request::github("push", whole.as_bytes()).header("Content-Type", "text/plain");
    server.send(&text).await.refused(400);
    assert_eq!(server.deliveries().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_is_read_as_github_sends_it() {
    let server = Server::start().await;
    let json = push().to_string();
    let body: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &json).finish();
    let request = Request::github("push", body.as_bytes()).header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(server.send(&request).await.outcome(), "accepted");
}

/// The payload with one field changed; `None` takes it away.
fn with(mut payload: Value, pointer: &str, value: Option<Value>) -> String {
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    let object = payload.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    match value {
        Some(value) => object.insert(field.to_owned(), value),
        None => object.shift_remove(field),
    };
    payload.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_that_are_needed_are_checked() {
    let server = Server::start().await;
    let pushes = [
        ("/repository", Some(Value::Null)),
        ("/repository", None),
        ("/repository/full_name", Some(json!("../../etc/passwd\u{0}"))),
        ("/repository/full_name", Some(json!(7))),
        ("/ref", Some(json!(""))),
        ("/ref", None),
        ("/ref", Some(json!("refs/heads/../x"))),
        ("/ref", Some(json!("--upload-pack=/bin/sh"))),
        ("/ref", Some(json!("refs/heads/a\u{0}b"))),
        ("/ref", Some(json!(format!("refs/heads/{}", "x".repeat(10_000))))),
        ("/after", Some(json!("not a commit"))),
        ("/after", Some(json!(-1))),
    ];
    for (pointer, value) in pushes {
        let body = with(push(), pointer, value.clone());
        let answer = server.deliver("push", &body).await;
        assert_eq!(answer.status, 400, "{pointer} {value:?}: {answer:?}");
        answer.refused(400);
    }
    for number in [json!(-7), json!("7"), json!(1.5), Value::Null] {
        let body = with(pull_request(), "/number", Some(number));
        server.deliver("pull_request", &body).await.refused(400);
    }
    assert_eq!(server.jobs().await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_that_are_not_used_may_be_odd() {
    let server = Server::start().await;
    let commits: Vec<Value> =
        (0..2_048).map(|number| json!({ "id": SHA, "message": format!("commit {number}") })).collect();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = push().to_string().replace("\"commits\":[]", &format!("\"commits\":{deep}"));
    let bodies = [
        ("push", with(push(), "/commits", Some(json!(commits)))),
        ("push", with(push(), "/commits", None)),
        ("push", with(push(), "/commits", Some(Value::Null))),
        ("push", with(push(), "/repository/clone_url", Some(json!("boom")))),
        ("push", with(push(), "/forced", Some(json!(true)))),
        ("push", with(push(), "/after", Some(json!("0".repeat(40))))),
        ("push", deep),
        ("pull_request", with(pull_request(), "/pull_request/head/repo", Some(Value::Null))),
    ];
    for (number, (event, body)) in bodies.iter().enumerate() {
        let request = Request::github(event, body.as_bytes()).header("X-GitHub-Delivery", &number.to_string());
        let answer = server.send(&request).await;
        assert_eq!(answer.outcome(), "accepted", "{event} {number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_authentic_and_of_no_use_is_no_error() {
    let server = Server::start().await;
    let reason = |answer: super::server::Answer| {
        assert_eq!(answer.outcome(), "ignored");
        answer.json()["reason"].as_str().expect("a reason").to_owned()
    };
    assert_eq!(reason(server.deliver("ping", r#"{"zen": "x"}"#).await), "the webhook works");
    let star = reason(server.deliver("star", "{}").await);
    assert!(star.starts_with("star: "), "{star}");
    let foreign = with(push(), "/repository/full_name", Some(json!("acme/other")));
    let foreign = reason(server.deliver("push", &foreign).await);
    assert_eq!(foreign, "no repo of this hook has the project acme/other. Add it to the configuration");
    let labelled = with(pull_request(), "/action", Some(json!("labeled")));
    reason(server.deliver("pull_request", &labelled).await);
    assert_eq!(server.deliveries().await, 0);
}
