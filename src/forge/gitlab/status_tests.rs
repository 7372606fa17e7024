//! Statuses land where GitLab looks for them.

use serde_json::{Value, json};
use wiremock::matchers::{body_json, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::tests::{client, merge, serve, sha};
use crate::forge::{Forge, ForgeError, NewStatus, StatusState};

fn status(state: StatusState, description: &str) -> NewStatus {
    NewStatus {
        sha: sha("a1"),
        context: "driftless".into(),
        state,
        description: description.into(),
        target_url: Some("https://driftless.example/".into()),
    }
}

fn pipeline(id: u64, commit: &str, name: &str, source: &str) -> Value {
    json!({"id": id, "iid": 1, "project_id": 15_513_260, "sha": commit.repeat(20), "ref": name, "source": source,
        "status": "running"})
}

/// What is posted for a merge request with this head pipeline: the commit and the body.
async fn posted(change: impl FnOnce(&mut Value)) -> (String, Value) {
    let server = MockServer::start().await;
    let mut merge = merge(7);
    change(&mut merge);
    serve(&server, "/projects/g%2Fp/merge_requests/7", merge).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(201).set_body_json(json!({}))).mount(&server).await;
    client(&server).set_status("g/p", &[7], &status(StatusState::Success, "1 to update")).await.expect("set");
    let sent = server.received_requests().await.expect("recorded").pop().expect("a request");
    let commit = sent.url.path().rsplit_once('/').expect("a path").1[..2].to_owned();
    (commit, serde_json::from_slice(&sent.body).expect("JSON"))
}

fn expected(place: &Value) -> Value {
    let mut body = json!({"state": "success", "name": "driftless", "description": "1 to update",
        "target_url": "https://driftless.example/"});
    for (key, value) in place.as_object().expect("fields") {
        body[key] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_merge_request_pipeline_gates_even_if_it_is_older() {
    let head = "refs/merge-requests/7/head";
    let detached = posted(|merge| merge["head_pipeline"] = pipeline(99, "a1", head, "merge_request_event")).await;
    assert_eq!(detached, ("a1".into(), expected(&json!({"pipeline_id": 99}))));
}

#[tokio::test]
async fn a_merged_results_pipeline_has_a_commit_of_its_own() {
    let tested = "refs/merge-requests/7/merge";
    let merged = posted(|merge| merge["head_pipeline"] = pipeline(99, "c3", tested, "merge_request_event")).await;
    assert_eq!(merged, ("c3".into(), expected(&json!({"pipeline_id": 99}))));
}

#[tokio::test]
async fn without_a_merge_request_pipeline_the_branch_gates() {
    let branch = ("a1".to_owned(), expected(&json!({"ref": "topic"})));
    assert_eq!(posted(|_| {}).await, branch);
    let of = async |pipeline: Value| posted(|merge| merge["head_pipeline"] = pipeline).await;
    assert_eq!(of(pipeline(98, "a1", "topic", "push")).await, branch);
    // The one that GitLab made for our own status.
    assert_eq!(of(pipeline(98, "a1", "topic", "external")).await, branch);
    let head = "refs/merge-requests/7/head";
    assert_eq!(of(pipeline(98, "a1", head, "external")).await, branch);
    // Of an older head, and of a merge train.
    assert_eq!(of(pipeline(98, "f0", head, "merge_request_event")).await, branch);
    assert_eq!(of(pipeline(98, "f0", "refs/merge-requests/7/train", "merge_request_event")).await, branch);
}

#[tokio::test]
async fn a_pipeline_is_not_that_of_another_head() {
    let moved = posted(|merge| {
        merge["sha"] = json!("b2".repeat(20));
        merge["head_pipeline"] = pipeline(99, "c3", "refs/merge-requests/7/merge", "merge_request_event");
    });
    assert_eq!(moved.await, ("a1".into(), expected(&json!({"ref": "topic"}))));
}

#[tokio::test]
async fn the_head_of_a_fork_has_no_branch_here() {
    let fork = posted(|merge| {
        merge["source_project_id"] = json!(99);
        merge["head_pipeline"] = pipeline(5, "a1", "refs/merge-requests/7/head", "merge_request_event");
        merge["head_pipeline"]["project_id"] = json!(99);
    });
    assert_eq!(fork.await, ("a1".into(), expected(&json!({"ref": "refs/merge-requests/7/head"}))));
}

#[tokio::test]
async fn each_merge_request_of_a_head_has_its_own_place() {
    let server = MockServer::start().await;
    for iid in [7, 8, 9] {
        let mut merge = merge(iid);
        if iid == 8 {
            merge["head_pipeline"] = pipeline(99, "a1", "refs/merge-requests/8/head", "merge_request_event");
        }
        serve(&server, &format!("/projects/g%2Fp/merge_requests/{iid}"), merge).await;
    }
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({})))
        .expect(2)
        .mount(&server)
        .await;
    let gitlab = client(&server);
    gitlab.set_status("g/p", &[7, 8, 9], &status(StatusState::Pending, "x")).await.expect("set");
}

#[tokio::test]
async fn a_commit_without_a_merge_request_has_its_status_too() {
    let server = MockServer::start().await;
    let body = json!({"state": "failed", "name": "driftless", "description": "x".repeat(255)});
    Mock::given(method("POST"))
        .and(path(format!("/api/v4/projects/g%2Fp/statuses/{}", sha("a1"))))
        .and(body_json(body))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({})))
        .expect(1)
        .mount(&server)
        .await;
    let long = format!("https://driftless.example/{}", "x".repeat(255));
    // GitLab has no word for our errors, and would refuse the whole status for an address that is too long.
    let status = NewStatus { target_url: Some(long), ..status(StatusState::Error, &"x".repeat(300)) };
    client(&server).set_status("g/p", &[], &status).await.expect("set");
}

async fn refused(state: StatusState, text: &str) -> Result<(), ForgeError> {
    let server = MockServer::start().await;
    let refusal = ResponseTemplate::new(400).set_body_json(json!({"message": text}));
    Mock::given(method("POST")).respond_with(refusal).mount(&server).await;
    client(&server).set_status("g/p", &[], &status(state, "another text")).await
}

#[tokio::test]
async fn a_state_that_is_there_already_is_a_success() {
    let text = |event: &str, from: &str| {
        format!(
            "Cannot transition status via :{event} from :{from} (Reason(s): Status cannot transition via \"{event}\")"
        )
    };
    refused(StatusState::Pending, &text("enqueue", "pending")).await.expect("it is pending");
    refused(StatusState::Success, &text("succeed", "success")).await.expect("it succeeded");
    refused(StatusState::Error, &text("drop", "failed")).await.expect("it failed");
    for from in ["running", "success", "pending_more"] {
        let error = refused(StatusState::Pending, &text("enqueue", from)).await.expect_err(from);
        assert!(matches!(error, ForgeError::Rejected { .. }), "{error}");
    }
    refused(StatusState::Pending, "target_url is blocked from :pending").await.expect_err("something else");
}

async fn shown(found: Value) -> Option<NewStatus> {
    let server = MockServer::start().await;
    serve(&server, "/projects/g%2Fp/merge_requests/7", merge(7)).await;
    Mock::given(path(format!("/api/v4/projects/g%2Fp/repository/commits/{}/statuses", sha("a1"))))
        .and(query_param("name", "driftless"))
        .and(query_param("ref", "topic"))
        .respond_with(ResponseTemplate::new(200).set_body_json(found))
        .mount(&server)
        .await;
    client(&server).latest_status("g/p", &[7], &sha("a1"), "driftless").await.expect("read")
}

#[tokio::test]
async fn the_newest_status_of_the_place_counts() {
    let one = |id: u64, status: &str, name: &str| json!({"id": id, "status": status, "name": name, "description": "d", "target_url": null, "sha": "a1".repeat(20)});
    assert_eq!(shown(json!([])).await, None);
    let found = shown(json!([one(2, "pending", "driftless"), one(5, "failed", "driftless"), one(9, "success", "x")]));
    let found = found.await.expect("there is one");
    assert_eq!((found.state, found.description.as_str()), (StatusState::Failure, "d"));
    assert_eq!(shown(json!([one(1, "skipped", "driftless")])).await, None);
}
