//! Errors, pages, and projects that have moved.

use driftless::dev::forge::{ApiFault, Dialect};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::support::forge::{Forge, PROJECT, Setup, git, secret};

pub const ESCAPED: &str = "shop%2Fdeploy";

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

pub async fn forge() -> Forge {
    Forge::with(Setup { dialect: Dialect::GitLab, ..Setup::default() }).await
}

pub async fn ask(forge: &Forge, method: Method, path: &str, body: Option<Value>) -> Answer {
    ask_as(forge, ("private-token", "t0ken"), method, path, body).await
}

async fn ask_as(forge: &Forge, (name, value): (&str, &str), method: Method, path: &str, body: Option<Value>) -> Answer {
    let client =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let request = client.request(method, format!("{}{path}", forge.forge.api_url())).header(name, value);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Answer { status, headers, text: answer.text().await.expect("a body") }
}

#[tokio::test]
async fn who_asks_is_told_what_is_wrong_as_gitlab_does() {
    let forge = forge().await;
    let refused = ask_as(&forge, ("private-token", "wrong"), Method::GET, "/user", None).await;
    assert_eq!((refused.status, refused.json()), (401, json!({"message": "401 Unauthorized"})));
    let as_bearer = ask_as(&forge, ("authorization", "Bearer t0ken"), Method::GET, "/user", None).await;
    assert_eq!((as_bearer.status, as_bearer.json()["username"].as_str()), (200, Some("driftless-bot")));
    assert_eq!(as_bearer.header("ratelimit-limit"), "2000");

    let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    let of = format!("/projects/{ESCAPED}/merge_requests");
    let notes = format!("{of}/{number}/notes");
    for (method, path, body, status, wanted) in [
        (Method::GET, "/projects/no%2Fwhere".into(), None, 404, json!({"message": "404 Project Not Found"})),
        (Method::GET, format!("{of}/99"), None, 404, json!({"message": "404 Not found"})),
        (Method::GET, format!("{of}?state=open"), None, 400, json!({"error": "state does not have a valid value"})),
        (Method::POST, notes.clone(), Some(json!({})), 400, json!({"error": "body is missing"})),
        (Method::PUT, format!("{notes}/1"), Some(json!({"body": "x"})), 404, json!({"message": "404 Not found"})),
        (Method::GET, "/nowhere".into(), None, 404, json!({"error": "404 Not Found"})),
    ] {
        let answer = ask(&forge, method, &path, body).await;
        assert_eq!((answer.status, answer.json()), (status, wanted), "{path}");
    }
    let theirs = forge.forge.comment_as(PROJECT, number, "ada", "mine").expect("written");
    let foreign = ask(&forge, Method::DELETE, &format!("{notes}/{theirs}"), None).await;
    assert_eq!((foreign.status, foreign.json()), (403, json!({"message": "403 Forbidden"})));

    forge.forge.set(|settings| settings.scopes = Some(vec!["read_api".into()]));
    assert_eq!(ask(&forge, Method::GET, &notes, None).await.status, 200);
    let refused = ask(&forge, Method::POST, &notes, Some(json!({"body": "x"}))).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (403, Some("insufficient_scope")));

    forge.forge.set(|settings| settings.access_level = 30);
    assert_eq!(ask(&forge, Method::GET, &format!("/projects/{ESCAPED}/hooks"), None).await.status, 403);
    forge.forge.rotate_token(&secret("other"));
    assert_eq!(ask(&forge, Method::GET, "/user", None).await.status, 401);
}

#[tokio::test]
async fn limits_are_told_in_plain_text_and_those_of_one_endpoint_without_a_time() {
    let forge = forge().await;
    let fault = |fault| forge.forge.faults().add(None, "/user", 1, fault);
    fault(ApiFault::PrimaryLimit { reset_after: 30 });
    let limited = ask(&forge, Method::GET, "/user", None).await;
    assert_eq!((limited.status, limited.text.as_str()), (429, "Retry later\n"));
    assert_eq!((limited.header("retry-after"), limited.header("ratelimit-remaining")), ("30", "0"));
    assert!(limited.header("content-type").starts_with("text/plain"));
    fault(ApiFault::SecondaryLimit { retry_after: None });
    let limited = ask(&forge, Method::GET, "/user", None).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, ""));
    fault(ApiFault::Unauthorized);
    assert_eq!(ask(&forge, Method::GET, "/user", None).await.json(), json!({"message": "401 Unauthorized"}));
}

#[tokio::test]
async fn what_has_moved_is_found_by_its_number_and_only_read() {
    let forge = forge().await;
    let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    forge.forge.move_repo(PROJECT, "shop/elsewhere").await.expect("moved");
    let of = format!("/projects/{ESCAPED}/merge_requests");
    let moved = ask(&forge, Method::GET, &format!("{of}?state=opened&page=1"), None).await;
    let id = ask(&forge, Method::GET, "/projects/shop%2Felsewhere", None).await.json()["id"].clone();
    let to = format!("{}/projects/{id}/merge_requests?state=opened&page=1", forge.forge.api_url());
    assert_eq!((moved.status, moved.header("location")), (301, to.as_str()));
    let refused = ask(&forge, Method::POST, &format!("{of}/{number}/notes"), Some(json!({"body": "x"}))).await;
    let text = "Non GET methods are not allowed for moved projects";
    assert_eq!((refused.status, refused.json()), (405, json!({"message": text})));
    let by_number = format!("/projects/{id}/merge_requests/{number}/notes");
    assert_eq!(ask(&forge, Method::POST, &by_number, Some(json!({"body": "x"}))).await.status, 201);
}

#[tokio::test]
async fn pages_of_notes_may_hold_fewer_than_were_asked_for() {
    let forge = forge().await;
    let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    forge.forge.comment_as(PROJECT, number, "ada", "first").expect("written");
    forge.forge.comment_hidden(PROJECT, number).expect("written");
    forge.forge.close_pull(PROJECT, number);
    let path = format!("/projects/{ESCAPED}/merge_requests/{number}/notes?sort=asc&per_page=2");
    let first = ask(&forge, Method::GET, &path, None).await;
    let bodies = |answer: &Answer| -> Vec<(String, bool)> {
        let notes = answer.json();
        let notes = notes.as_array().expect("a list").iter();
        notes.map(|note| (note["body"].to_string(), note["system"] == true)).collect()
    };
    assert_eq!(bodies(&first), [("\"first\"".into(), false)]);
    let next = format!("<{}{path}&page=2>; rel=\"next\"", forge.forge.api_url());
    assert!(first.header("link").contains(&next), "{}", first.header("link"));
    assert_eq!(first.header("x-next-page"), "2");
    let second = ask(&forge, Method::GET, &format!("{path}&page=2"), None).await;
    assert_eq!(bodies(&second), [("\"closed\"".into(), true)]);
    assert!(!second.header("link").contains("next"), "{}", second.header("link"));
    // People see what people wrote.
    assert_eq!(forge.forge.comments(PROJECT, number).len(), 1);
}

#[tokio::test]
async fn merges_leave_the_commits_that_gitlab_makes() {
    let forge = forge().await;
    let merged = async |title: &str, squash: bool| {
        forge.push("topic", title).await;
        let number = forge.forge.open_pull(PROJECT, "topic", "main", title).await.expect("opened");
        let tip = if squash {
            forge.forge.squash_pull(PROJECT, number).await.expect("merged")
        } else {
            forge.forge.merge_pull(PROJECT, number).await.expect("merged")
        };
        assert_eq!(forge.head("main"), tip);
        assert_eq!(forge.head(&format!("refs/merge-requests/{number}/head")), forge.head("topic"));
        let path = format!("/projects/{ESCAPED}/merge_requests/{number}");
        let found = ask(&forge, Method::GET, &path, None).await.json();
        assert_eq!((&found["state"], &found["merge_user"]["username"]), (&json!("merged"), &json!("you")));
        let is_tip = |name: &str| found[name].as_str().map(|commit| commit == tip.as_str());
        (is_tip("merge_commit_sha"), is_tip("squash_commit_sha"))
    };
    assert_eq!(merged("a", false).await, (Some(true), None));
    // The squashed commit is merged once more.
    assert_eq!(merged("b", true).await, (Some(true), Some(false)));
    forge.forge.set(|settings| settings.fast_forward = true);
    assert_eq!(merged("c", true).await, (None, Some(true)));
    let dir = forge.forge.repo_dir(PROJECT);
    let main = git(&dir, &["rev-parse", "main"]);
    git(&dir, &["update-ref", "refs/heads/topic", &main]);
    forge.forge.refs_changed(PROJECT).await.expect("seen");
    assert_eq!(merged("d", false).await, (None, None));
}
