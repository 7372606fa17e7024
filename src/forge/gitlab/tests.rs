//! The client against answers that a test writes down, in the shapes of GitLab's documentation.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use wiremock::matchers::{body_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::inspect::{Token, judge};
use super::{GITLAB, GitLab, GitLabConfig};
use crate::clock::ManualClock;
use crate::forge::{CommentId, Forge, ForgeError, PullState};
use crate::secret::LiveSecret;

const NOW: i64 = 1_800_000_000;

pub(super) fn client_at(api_url: String) -> GitLab {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config =
        GitLabConfig { api_url, token: LiveSecret::fixed("s3cret"), ca: None, timeout: Duration::from_millis(500) };
    GitLab::new(&config, Arc::new(ManualClock::at_millis(NOW * 1000))).expect("a sound configuration")
}

pub(super) fn client(server: &MockServer) -> GitLab {
    client_at(server.uri())
}

pub(super) fn sha(digits: &str) -> crate::ids::Oid {
    digits.repeat(20).parse().expect("an id")
}

pub(super) fn merge(iid: u64) -> Value {
    json!({
        "id": 155_016_530, "iid": iid, "project_id": 15_513_260, "title": "Scale up", "state": "opened",
        "merged_by": null, "merge_user": null, "merged_at": null, "source_branch": "topic", "target_branch": "main",
        "author": {"id": 4_155_490, "username": "ann", "name": "Ann"},
        "source_project_id": 15_513_260, "target_project_id": 15_513_260, "draft": false, "work_in_progress": false,
        "sha": "a1".repeat(20), "merge_commit_sha": null, "squash_commit_sha": null, "head_pipeline": null,
    })
}

pub(super) async fn serve(server: &MockServer, at: &str, body: Value) {
    let answer = ResponseTemplate::new(200).set_body_json(body);
    Mock::given(method("GET")).and(path(format!("/api/v4{at}"))).respond_with(answer).mount(server).await;
}

async fn answer(template: ResponseTemplate) -> ForgeError {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(template).mount(&server).await;
    client(&server).pull_request("g/p", 1).await.expect_err("an error")
}

fn wait(error: &ForgeError) -> Option<u64> {
    match error {
        ForgeError::Limited { after, .. } => Some(after.as_secs()),
        _ => None,
    }
}

#[tokio::test]
async fn limits_say_how_long_to_wait() {
    let later = || ResponseTemplate::new(429).set_body_string("Retry later\n");
    assert_eq!(wait(&answer(later().insert_header("retry-after", "7")).await), Some(7));
    let reset = later()
        .insert_header("ratelimit-limit", "60")
        .insert_header("ratelimit-remaining", "0")
        .insert_header("ratelimit-reset", (NOW + 42).to_string().as_str());
    assert_eq!(wait(&answer(reset).await), Some(42));
    // Of notes there is no header, and the text is not always plain.
    let notes = json!({"message": {"error": "This endpoint has been requested too many times. Try again later."}});
    let error = answer(ResponseTemplate::new(429).set_body_json(notes)).await;
    assert_eq!(wait(&error), Some(60));
    assert!(error.to_string().contains("too many times"), "{error}");
    assert!(answer(later()).await.to_string().ends_with("429 Retry later"));
    assert_eq!(wait(&answer(later().insert_header("retry-after", "99999999")).await), Some(3600));
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let of = |code, text: &str| ResponseTemplate::new(code).set_body_json(json!({"message": text}));
    let error = answer(of(403, "403 Forbidden")).await;
    assert!(matches!(error, ForgeError::Refused { .. }), "{error}");
    let scope = json!({"error": "insufficient_scope", "error_description": "The request requires higher privileges"});
    let error = answer(ResponseTemplate::new(403).set_body_json(scope)).await.to_string();
    assert!(error.ends_with("403 insufficient_scope; The request requires higher privileges"), "{error}");
    let error = answer(of(401, "401 Unauthorized")).await;
    assert!(matches!(&error, ForgeError::Refused { message, .. } if message.contains("expired or revoked")), "{error}");
    let error = answer(of(404, "404 Project Not Found")).await;
    assert!(
        matches!(&error, ForgeError::NotFound { what, .. } if what == "/projects/g%2Fp/merge_requests/1 (or hides it from this token)"),
        "{error}"
    );
    assert!(matches!(answer(of(409, "409 Conflict")).await, ForgeError::Unavailable { .. }), "another holds the lock");
    assert!(matches!(answer(of(502, "")).await, ForgeError::Unavailable { .. }));
    let fields = json!({"message": {"description": ["is too long", "is odd"]}});
    let error = answer(ResponseTemplate::new(400).set_body_json(fields)).await;
    assert!(
        matches!(&error, ForgeError::Rejected { message, .. } if message.ends_with("400 description: is too long; \
                                                                                 description: is odd")),
        "{error}"
    );
    let error = answer(of(405, "Non GET methods are not allowed for moved projects")).await.to_string();
    assert!(error.ends_with("If the project was moved, correct `project` in the configuration"), "{error}");
    assert!(matches!(
        answer(ResponseTemplate::new(200).set_body_string("<html>")).await,
        ForgeError::Unavailable { .. }
    ));
    let page = answer(ResponseTemplate::new(500).set_body_string("<html>s3cret</html>")).await.to_string();
    assert!(page.ends_with("500 Internal Server Error"), "{page}");
}

#[tokio::test]
async fn the_address_of_the_site_and_that_of_the_api_are_the_same() {
    let server = MockServer::start().await;
    serve(&server, "/projects/g%2Fsub%2Fp/merge_requests/7", merge(7)).await;
    for url in [server.uri(), format!("{}/", server.uri()), format!("{}/api/v4/", server.uri())] {
        client_at(url).pull_request("g/sub/p", 7).await.expect("read");
    }
    let seen = server.received_requests().await.expect("recorded");
    assert!(seen.iter().all(|request| request.headers["private-token"] == "s3cret"));
    assert!(seen.iter().all(|request| !request.headers.contains_key("authorization")));
}

#[tokio::test]
async fn a_moved_project_is_followed_on_the_same_host_only() {
    let (server, other) = (MockServer::start().await, MockServer::start().await);
    let moved = |to: &MockServer| {
        let to = format!("{}/api/v4/projects/81/merge_requests/7", to.uri());
        ResponseTemplate::new(301).insert_header("location", to.as_str())
    };
    let at = |project: &str| path(format!("/api/v4/projects/{project}/merge_requests/7"));
    Mock::given(at("old%2Fp")).respond_with(moved(&server)).mount(&server).await;
    Mock::given(at("away%2Fp")).respond_with(moved(&other)).mount(&server).await;
    serve(&server, "/projects/81/merge_requests/7", merge(7)).await;
    client(&server).pull_request("old/p", 7).await.expect("followed");
    let error = client(&server).pull_request("away/p", 7).await.expect_err("refused").to_string();
    assert!(error.contains("another host"), "{error}");
    assert_eq!(other.received_requests().await.expect("recorded").len(), 0);
}

#[tokio::test]
async fn a_merge_request_is_read_with_what_may_be_missing() {
    let server = MockServer::start().await;
    let with = |iid, fields: Value| {
        let mut merge = merge(iid);
        for (key, value) in fields.as_object().expect("fields") {
            merge[key] = value.clone();
        }
        merge
    };
    let cases = [
        with(1, json!({})),
        with(2, json!({"state": "locked", "draft": null, "work_in_progress": true})),
        with(3, json!({"state": "closed", "source_project_id": null, "author": null})),
        with(4, json!({"state": "opened", "source_project_id": 99})),
        with(
            5,
            json!({"state": "merged", "merge_commit_sha": "c3".repeat(20), "squash_commit_sha": "d4".repeat(20),
            "merge_user": {"id": 1, "username": "bob"}}),
        ),
        with(
            6,
            json!({"state": "merged", "squash_commit_sha": "d4".repeat(20), "merged_by": {"id": 1, "username": "bob"}}),
        ),
        with(7, json!({"state": "merged"})),
        with(8, json!({"sha": null})),
    ];
    for case in cases {
        serve(&server, &format!("/projects/g%2Fp/merge_requests/{}", case["iid"]), case).await;
    }
    let gitlab = client(&server);
    let mut said = Vec::new();
    for number in 1..=7 {
        let pull = gitlab.pull_request("g/p", number).await.expect("read");
        assert_eq!((pull.head, pull.head_ref.as_str(), pull.base_ref.as_str()), (sha("a1"), "topic", "main"));
        let merged = pull.merge_commit.map(|commit| commit.as_str()[..2].to_owned());
        said.push((pull.state, pull.from_fork, pull.draft, pull.author, merged, pull.merged_by));
    }
    let ann = || "ann".to_owned();
    let bob = || Some("bob".to_owned());
    let merged = |commit: &str, by| (PullState::Merged, false, false, ann(), Some(commit.to_owned()), by);
    let expected = [
        (PullState::Open, false, false, ann(), None, None),
        (PullState::Open, false, true, ann(), None, None),
        (PullState::Closed, true, false, "ghost".to_owned(), None, None),
        (PullState::Open, true, false, ann(), None, None),
        merged("c3", bob()),
        merged("d4", bob()),
        merged("a1", None),
    ];
    assert_eq!(said, expected);
    let empty = gitlab.pull_request("g/p", 8).await.expect_err("no commits");
    assert!(matches!(empty, ForgeError::Unavailable { .. }), "{empty}");
}

#[tokio::test]
async fn lists_go_by_their_links_alone() {
    let server = MockServer::start().await;
    let at = "/api/v4/projects/g%2Fp/merge_requests";
    let next = format!("<{}{at}?page=2>; rel=\"next\", <{}{at}?page=1>; rel=\"first\"", server.uri(), server.uri());
    // Fewer than were asked for, and there is more.
    let first = ResponseTemplate::new(200).set_body_json(json!([merge(3), merge(1)]));
    let query = [("state", "opened"), ("order_by", "updated_at"), ("sort", "desc"), ("per_page", "100")];
    let mut mock = Mock::given(path(at));
    for (key, value) in query {
        mock = mock.and(query_param(key, value));
    }
    mock.respond_with(first.insert_header("link", next.as_str())).mount(&server).await;
    let mut empty = merge(4);
    empty["sha"] = Value::Null;
    let second = ResponseTemplate::new(200).set_body_json(json!([merge(3), merge(2), empty]));
    Mock::given(path(at)).and(query_param("page", "2")).respond_with(second).mount(&server).await;
    let listed = client(&server).open_pull_requests("g/p").await.expect("listed");
    assert_eq!(listed.items.iter().map(|pull| pull.number).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn what_was_merged_or_closed_last_is_found() {
    let server = MockServer::start().await;
    for (state, iid) in [("merged", 5), ("closed", 6)] {
        let mut one = merge(iid);
        one["state"] = json!(state);
        Mock::given(path("/api/v4/projects/g%2Fp/merge_requests"))
            .and(query_param("state", state))
            .and(query_param("order_by", "updated_at"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!([one])))
            .mount(&server)
            .await;
    }
    let found = client(&server).recently_closed("g/p").await.expect("listed");
    let states: Vec<_> = found.iter().map(|pull| (pull.number, pull.state)).collect();
    assert_eq!(states, [(5, PullState::Merged), (6, PullState::Closed)]);
}

#[tokio::test]
async fn only_our_notes_with_the_marker_are_ours() {
    let server = MockServer::start().await;
    serve(&server, "/user", json!({"id": 9, "username": "project_1_bot_abc"})).await;
    let note = |id: u64, author: &str, body: &str, system: bool| json!({"id": id, "body": body, "author": {"id": 1, "username": author}, "system": system, "type": null});
    let notes = json!([
        note(8, "project_1_bot_abc", "<!-- m --> newer", false),
        note(3, "project_1_bot_abc", "<!-- m --> older", false),
        note(4, "mallory", "<!-- m --> not ours", false),
        note(5, "project_1_bot_abc", "<!-- m --> GitLab's", true),
        note(6, "project_1_bot_abc", "a quote: <!-- m -->", false),
        json!({"id": 7, "body": null, "author": null, "system": false}),
    ]);
    serve(&server, "/projects/g%2Fp/merge_requests/7/notes", notes).await;
    let own = client(&server).own_comments("g/p", 7, "<!-- m -->").await.expect("listed");
    let ids: Vec<_> = own.iter().map(|comment| comment.id.0.as_str()).collect();
    assert_eq!(ids, ["7/3", "7/8"], "the oldest first, and with the merge request");
}

#[tokio::test]
async fn a_note_is_made_edited_and_deleted_by_its_id() {
    let server = MockServer::start().await;
    let made = ResponseTemplate::new(201).set_body_json(json!({"id": 301, "body": "x"}));
    let notes = "/api/v4/projects/g%2Fp/merge_requests/7/notes";
    Mock::given(method("POST"))
        .and(path(notes))
        .and(body_json(json!({"body": "x"})))
        .respond_with(made)
        .mount(&server)
        .await;
    let one = format!("{notes}/301");
    Mock::given(method("PUT"))
        .and(path(one.as_str()))
        .and(body_json(json!({"body": "y"})))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({})))
        .mount(&server)
        .await;
    let gone = || ResponseTemplate::new(404).set_body_json(json!({"message": "404 Not found"}));
    Mock::given(method("DELETE"))
        .and(path(one.as_str()))
        .respond_with(ResponseTemplate::new(204))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(method("DELETE")).respond_with(gone()).mount(&server).await;
    let gitlab = client(&server);
    let id = gitlab.create_comment("g/p", 7, "x").await.expect("made");
    assert_eq!(id, CommentId("7/301".into()));
    gitlab.update_comment("g/p", &id, "y").await.expect("edited");
    gitlab.delete_comment("g/p", &id).await.expect("deleted");
    gitlab.delete_comment("g/p", &id).await.expect("gone already");
    Mock::given(method("PUT")).respond_with(gone()).with_priority(1).mount(&server).await;
    assert!(matches!(gitlab.update_comment("g/p", &id, "y").await, Err(ForgeError::NotFound { .. })));
}

#[tokio::test]
async fn the_credential_of_git_is_the_token() {
    let server = MockServer::start().await;
    let git = client(&server).git_credential("g/p").await.expect("asked").expect("there is one");
    assert_eq!((git.username.as_str(), git.password.expose_secret()), ("oauth2", "s3cret"));
}

#[tokio::test]
async fn webhooks_are_read_with_their_last_answer() {
    let server = MockServer::start().await;
    let hook = |id: u64, fields: Value| {
        let mut hook = json!({
            "id": id, "url": format!("https://d.example/webhooks/{id}"), "push_events": true,
            "merge_requests_events": false, "enable_ssl_verification": true, "alert_status": "executable",
        });
        for (key, value) in fields.as_object().expect("fields") {
            hook[key] = value.clone();
        }
        hook
    };
    let hooks = json!([
        hook(1, json!({"merge_requests_events": true})),
        hook(2, json!({"alert_status": "disabled", "enable_ssl_verification": false})),
        hook(3, json!({})),
    ]);
    serve(&server, "/projects/g%2Fp/hooks", hooks).await;
    let events = |id: u64| format!("/projects/g%2Fp/hooks/{id}/events");
    serve(
        &server,
        &events(1),
        json!([{"id": 1, "response_status": "401", "request_headers": {"X-Gitlab-Token": "t"}}]),
    )
    .await;
    serve(&server, &events(2), json!([{"id": 1, "response_status": "internal error"}])).await;
    Mock::given(header("private-token", "s3cret"))
        .respond_with(ResponseTemplate::new(404))
        .with_priority(9)
        .mount(&server)
        .await;
    let found = client(&server).hooks("g/p").await.expect("listed");
    let said: Vec<_> = found
        .into_iter()
        .map(|hook| {
            (
                hook.active,
                hook.verifies_tls,
                hook.events.join(", "),
                hook.last_answer.map(|one| (one.code, one.message)),
            )
        })
        .collect();
    let (push, both) = ("push events".to_owned(), "push events, merge request events".to_owned());
    let expected = [
        (true, true, both, Some((Some(401), String::new()))),
        (false, false, push.clone(), Some((None, "internal error".to_owned()))),
        (true, true, push, None),
    ];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn what_a_token_may_do_is_asked() {
    let server = MockServer::start().await;
    serve(&server, "/projects/g%2Fp", json!({"id": 1, "archived": false})).await;
    serve(&server, "/user", json!({"id": 9, "username": "bot"})).await;
    serve(&server, "/projects/g%2Fp/members/all/9", json!({"id": 9, "access_level": 20})).await;
    serve(&server, "/personal_access_tokens/self", json!({"scopes": ["read_api"], "active": true})).await;
    let grants = client(&server).grants("g/p").await.expect("asked");
    assert_eq!(grants.wrong.len(), 2, "{grants:?}");
}

#[test]
fn a_token_needs_the_role_developer_and_the_scope_api() {
    let token = |scopes: &[&str], expires: Option<&str>| Token {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        expires_at: expires.map(str::to_owned),
    };
    let api = token(&["api"], Some("2027-01-31"));
    let cases = [
        judge("bot", Some(30), Some(&api), false),
        judge("bot", Some(50), Some(&token(&["read_user", "api"], None)), false),
        judge("bot", Some(20), Some(&token(&["read_api", "read_repository"], None)), true),
        judge("bot", Some(25), Some(&token(&[], None)), false),
        judge("bot", None, None, false),
    ];
    let text = cases.map(|grants| {
        let lines = grants.wrong.iter().map(|text| format!("- {text}"));
        lines.chain(grants.notes.iter().map(|text| format!("  note: {text}"))).collect::<Vec<_>>().join("\n")
    });
    insta::assert_snapshot!(text.join("\n----\n"));
    assert_eq!(GITLAB.description_limit, 255);
}
