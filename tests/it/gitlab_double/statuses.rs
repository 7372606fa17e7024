//! Statuses are jobs of pipelines, and a pipeline of a merge request decides alone.

use driftless::dev::forge::PipelineKind;
use http::Method;
use serde_json::{Value, json};

use super::rest::{Answer, ESCAPED, ask, forge};
use crate::support::forge::{Forge, PROJECT};

async fn set(forge: &Forge, sha: &str, body: Value) -> Answer {
    ask(forge, Method::POST, &format!("/projects/{ESCAPED}/statuses/{sha}"), Some(body)).await
}

async fn states(forge: &Forge, sha: &str, query: &str) -> Vec<String> {
    let path = format!("/projects/{ESCAPED}/repository/commits/{sha}/statuses{query}");
    let list = ask(forge, Method::GET, &path, None).await.json();
    let list = list.as_array().expect("a list");
    list.iter().map(|one| format!("{} {}", one["name"].as_str().unwrap_or("?"), one["status"])).collect()
}

#[tokio::test]
async fn a_status_changes_until_it_is_finished_and_is_not_repeated() {
    let forge = forge().await;
    let sha = forge.head("topic").to_string();
    let pending = json!({"state": "pending", "ref": "topic", "name": "driftless", "description": "a"});
    let first = set(&forge, &sha, pending.clone()).await;
    assert_eq!(
        (first.status, &first.json()["status"], &first.json()["ref"]),
        (201, &json!("pending"), &json!("topic"))
    );
    let again = set(&forge, &sha, pending.clone()).await;
    let text =
        "Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition via \"enqueue\")";
    assert_eq!((again.status, again.json()), (400, json!({"message": text})));
    let success = json!({"state": "success", "ref": "topic", "name": "driftless", "description": "b"});
    assert_eq!(set(&forge, &sha, success).await.json()["id"], first.json()["id"]);
    assert_ne!(set(&forge, &sha, pending).await.json()["id"], first.json()["id"]);
    assert_eq!(states(&forge, &sha, "").await, ["driftless \"pending\""]);
    assert_eq!(states(&forge, &sha, "?all=true").await, ["driftless \"success\"", "driftless \"pending\""]);
    assert_eq!(states(&forge, &sha, "?ref=main").await, Vec::<String>::new());
    let view = forge.forge.latest_status(PROJECT, &forge.head("topic"), "driftless").expect("set");
    assert_eq!((view.state.as_str(), view.description.as_str()), ("pending", "a"));
}

#[tokio::test]
async fn what_gitlab_does_not_take_is_refused_with_its_words() {
    let forge = forge().await;
    let sha = forge.head("topic").to_string();
    let long = "x".repeat(256);
    let too_long = json!(["is too long (maximum is 255 characters)"]);
    for (body, status, wanted) in [
        (json!({"ref": "topic"}), 400, json!({"error": "state is missing"})),
        (json!({"state": "failure"}), 400, json!({"error": "state does not have a valid value"})),
        (json!({"state": "success", "description": long}), 400, json!({"message": {"description": too_long}})),
        (
            json!({"state": "success", "ref": "topic", "pipeline_id": 1}),
            404,
            json!({"message": "404 Pipeline for pipeline_id, sha and ref Not Found"}),
        ),
    ] {
        let answer = set(&forge, &sha, body).await;
        assert_eq!((answer.status, answer.json()), (status, wanted));
    }
    let unknown = set(&forge, &"f".repeat(40), json!({"state": "success"})).await;
    assert_eq!((unknown.status, unknown.json()), (404, json!({"message": "404 Commit Not Found"})));

    // A commit that no branch has any more, without a ref to go by.
    let before = forge.head("topic").to_string();
    let dir = forge.forge.repo_dir(PROJECT);
    crate::support::forge::git(&dir, &["update-ref", "refs/heads/topic", "refs/heads/main"]);
    let lost = set(&forge, &before, json!({"state": "success"})).await;
    assert_eq!((lost.status, lost.json()), (404, json!({"message": "404 References for commit Not Found"})));
    assert_eq!(set(&forge, &before, json!({"state": "success", "ref": "topic"})).await.status, 201);

    forge.forge.set(|settings| settings.access_level = 20);
    assert_eq!(set(&forge, &sha, json!({"state": "success", "ref": "topic"})).await.status, 403);
}

#[tokio::test]
async fn a_pipeline_of_the_merge_request_outranks_the_one_that_holds_our_status() {
    let forge = forge().await;
    let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    let head = forge.head("topic").to_string();
    assert_eq!(forge.forge.gate(PROJECT, number), None, "nothing to wait for, and nothing to pass");
    let (theirs, merge) = forge.forge.add_pipeline(PROJECT, number, PipelineKind::MergedResult).await.expect("added");
    assert_eq!(set(&forge, &head, json!({"state": "failed", "ref": "topic"})).await.status, 201);
    assert_eq!(forge.forge.gate(PROJECT, number), Some("created"), "the failure on the branch is not looked at");
    let path = format!("/projects/{ESCAPED}/merge_requests/{number}");
    let pipeline = ask(&forge, Method::GET, &path, None).await.json()["head_pipeline"].clone();
    assert_eq!((&pipeline["id"], &pipeline["sha"]), (&json!(theirs), &json!(merge.as_str())));
    assert_ne!(merge.as_str(), head);
    let there = json!({"state": "failed", "pipeline_id": theirs, "name": "driftless"});
    assert_eq!(set(&forge, merge.as_str(), there).await.status, 201);
    assert_eq!(forge.forge.gate(PROJECT, number), Some("failed"));
    // It is told as the status of the head.
    assert_eq!(forge.forge.latest_status(PROJECT, &forge.head("topic"), "driftless").expect("set").state, "failed");
}
