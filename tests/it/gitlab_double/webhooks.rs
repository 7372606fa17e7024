//! Webhooks have the headers and the fields of GitLab's, and the server's own parser reads them.

use std::collections::BTreeMap;

use driftless::dev::forge::Dialect;
use driftless_webhooks::{Event, Forge as Sender, PullRequestAction, RejectionKind, Secret, parse, verify};
use serde_json::Value;

use crate::support::forge::{Forge, PROJECT, Setup};
use crate::support::inbox::Inbox;

async fn forge(inbox: &Inbox) -> Forge {
    let webhook_url = Some(inbox.url.clone());
    Forge::with(Setup { dialect: Dialect::GitLab, webhook_url, ..Setup::default() }).await
}

fn secret(text: &str) -> [Secret; 1] {
    [Secret::new(text).expect("a secret")]
}

/// What the server makes of what came.
fn read(inbox: &Inbox) -> Vec<(Event, Value)> {
    let read = |(headers, body): (http::HeaderMap, axum::body::Bytes)| {
        let wrong = verify(Sender::GitLab, &headers, &body, &secret("another"), 0).expect_err("another secret");
        assert_eq!(wrong.kind, RejectionKind::BadSignature);
        let verified = verify(Sender::GitLab, &headers, &body, &secret("hook"), 0).expect("it is signed");
        for name in ["x-gitlab-event", "x-gitlab-event-uuid", "x-gitlab-webhook-uuid", "idempotency-key"] {
            assert!(headers.contains_key(name), "{name}");
        }
        (parse(verified).expect("it is read").event, serde_json::from_slice(&body).expect("JSON"))
    };
    inbox.take().into_iter().map(read).collect()
}

/// Each field by its path, with the type of its value; of lists the first item.
fn fields(value: &Value, at: &str, found: &mut BTreeMap<String, &'static str>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a flag",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(items) => {
            items.first().into_iter().for_each(|item| fields(item, &format!("{at}[]"), found));
            "a list"
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| fields(value, &format!("{at}.{name}"), found));
            "an object"
        }
    };
    found.insert(at.to_owned(), kind);
}

/// Fails for a field that a recorded payload has and ours has not, or the other way round, or of another type.
fn is_like(ours: &Value, recorded: &str) {
    let path = format!("{}/webhooks/fixtures/gitlab/{recorded}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a recorded payload");
    let theirs: Value = serde_json::from_str(&text).expect("JSON");
    let (mut a, mut b) = (BTreeMap::new(), BTreeMap::new());
    fields(ours, "", &mut a);
    fields(&theirs, "", &mut b);
    // Which files a commit has is not recorded here; what changed is different each time.
    let counts =
        |path: &str| !path.contains("[]") && !path.starts_with(".changes.") && !path.contains(".merge_request.");
    let differ = |path: &&String| match (a.get(*path), b.get(*path)) {
        (Some(one), Some(other)) => one != other && *one != "null" && *other != "null",
        _ => true,
    };
    let all: Vec<&String> = a.keys().chain(b.keys()).filter(|path| counts(path)).filter(differ).collect();
    assert!(all.is_empty(), "{recorded}: {all:?}");
}

#[tokio::test]
async fn what_happens_to_a_merge_request_is_told_as_gitlab_tells_it() {
    let inbox = Inbox::start().await;
    let forge = forge(&inbox).await;
    forge.forge.delivered().await;
    for (event, payload) in read(&inbox) {
        assert!(matches!(&event, Event::Push(push) if push.before.is_none() && push.project == PROJECT), "{event:?}");
        is_like(&payload, "push_new_branch");
    }
    let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    let before = forge.head("topic");
    let head = forge.push("topic", "more").await;
    crate::support::forge::git(&forge.forge.repo_dir(PROJECT), &["update-ref", "refs/heads/release", "main"]);
    forge.forge.refs_changed(PROJECT).await.expect("seen");
    forge.forge.retarget_pull(PROJECT, number, "release").expect("retargeted");
    forge.forge.close_pull(PROJECT, number);
    forge.forge.reopen_pull(PROJECT, number).await.expect("reopened");
    let merge = forge.forge.merge_pull(PROJECT, number).await.expect("merged");
    forge.forge.delivered().await;

    let told = read(&inbox);
    let pulls: Vec<_> = told
        .iter()
        .filter_map(|(event, payload)| match event {
            Event::PullRequest(pull) => Some((pull, payload)),
            _ => None,
        })
        .collect();
    let actions: Vec<_> = pulls.iter().map(|(pull, _)| pull.action).collect();
    let wanted = [
        PullRequestAction::Opened,
        PullRequestAction::Updated,
        PullRequestAction::Edited,
        PullRequestAction::Closed,
        PullRequestAction::Reopened,
        PullRequestAction::Merged,
    ];
    assert_eq!(actions, wanted);
    let recorded = ["open", "update_commits", "update_target", "close", "reopen", "merge"];
    for ((_, payload), name) in pulls.iter().zip(recorded) {
        is_like(payload, &format!("merge_request_{name}"));
    }
    assert_eq!(pulls[1].1["object_attributes"]["oldrev"], before.as_str());
    assert_eq!((&pulls[1].0.head, pulls[2].0.base_ref.as_str()), (&head, "refs/heads/release"));
    assert_eq!((&pulls[5].0.merge_commit, pulls[5].0.number), (&Some(merge), number));
    let pushes = told.iter().filter(|(event, _)| matches!(event, Event::Push(_))).count();
    assert_eq!(pushes, 3, "to the topic, of the new branch, and by the merge");
}

#[tokio::test]
async fn notes_are_told_if_the_hook_wants_them() {
    let inbox = Inbox::start().await;
    let forge = forge(&inbox).await;
    forge.forge.set(|settings| settings.events.retain(|event| event != "note_events"));
    let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    forge.forge.comment_as(PROJECT, number, "ada", "unheard").expect("written");
    forge.forge.delivered().await;
    assert!(!read(&inbox).iter().any(|(event, _)| matches!(event, Event::Comment(_))));
    forge.forge.set(|settings| settings.events.push("note_events".into()));
    forge.forge.comment_as(PROJECT, number, "ada", "/driftless plan").expect("written");
    forge.forge.delivered().await;
    let told = read(&inbox);
    let [(Event::Comment(comment), payload)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((comment.author.as_str(), comment.body.as_str(), comment.number), ("ada", "/driftless plan", number));
    is_like(payload, "note_merge_request");
}

#[tokio::test]
async fn a_hook_with_a_signing_key_signs() {
    let key = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let inbox = Inbox::start().await;
    let (dialect, webhook_url) = (Dialect::GitLab, Some(inbox.url.clone()));
    let forge = Forge::with(Setup { dialect, webhook_url, webhook_secret: Some(key), ..Setup::default() }).await;
    forge.forge.delivered().await;
    let (headers, body) = inbox.take().remove(0);
    assert!(!headers.contains_key("x-gitlab-token"), "the key is not sent");
    let now = headers["webhook-timestamp"].to_str().expect("text").parse().expect("a time");
    verify(Sender::GitLab, &headers, &body, &secret(key), now).expect("it is signed");
    let changed = [&body[..], b" "].concat();
    assert!(verify(Sender::GitLab, &headers, &changed, &secret(key), now).is_err());
}
