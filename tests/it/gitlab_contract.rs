//! Client and embedded forge in GitLab's dialect against GitLab's own description of its API: requests go through a
//! validating proxy (Prism, over `tests/gitlab/openapi2.json`), and whatever the proxy finds wrong, in a request or an
//! answer, fails.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driftless::clock::SystemClock;
use driftless::dev::forge::{Dialect, PipelineKind};
use driftless::forge::{Author, Forge as _, GitLab, GitLabConfig, NewStatus, PullState, Reaction, Role, StatusState};
use http::Method;
use serde_json::{Value, json};

use crate::support::forge::{Forge, PROJECT, Setup, live};
use crate::support::prism::Prism;

struct Api {
    base: String,
    client: reqwest::Client,
}

impl Api {
    fn at(url: &str) -> Self {
        Self { base: url.to_owned(), client: reqwest::Client::builder().no_proxy().build().expect("a client") }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request =
            self.client.request(method, format!("{}/api/v4{path}", self.base)).header("PRIVATE-TOKEN", "t0ken");
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

async fn forge_behind_prism() -> (Forge, Prism) {
    let webhook_url = Some("http://127.0.0.1:9/webhooks/gitlab".into());
    let forge = Forge::with(Setup { dialect: Dialect::GitLab, webhook_url, ..Setup::default() }).await;
    let description = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/gitlab/openapi2.json");
    let prism = Prism::start(&description, &forge.forge.url()).await;
    (forge, prism)
}

#[tokio::test]
async fn every_request_and_answer_is_as_gitlab_describes_it() {
    let (forge, mut prism) = forge_behind_prism().await;
    let api = Api::at(&prism.url());
    let open = async |title: &str| forge.forge.open_pull(PROJECT, "topic", "main", title).await.expect("opened");
    let (number, other, third) = (open("t").await, open("Draft: u").await, open("v").await);
    let sha = forge.head("topic");
    let project = format!("/projects/{}", PROJECT.replace('/', "%2F"));
    let of = format!("{project}/merge_requests/{number}");

    let me = api.get("/user").await;
    api.get("/personal_access_tokens/self").await;
    let id = api.get(&project).await["id"].clone();
    assert_eq!(api.get(&format!("/projects/{id}")).await["path_with_namespace"], PROJECT);
    api.get(&format!("{project}/members/all/{}", me["id"])).await;
    assert_eq!(api.get(&format!("{project}/repository/branches")).await[0]["name"], "main");
    let hooks = api.get(&format!("{project}/hooks")).await;
    let hook = format!("/projects/{id}/hooks/{}", hooks[0]["id"]);
    forge.forge.delivered().await;
    let events = api.get(&format!("{hook}/events")).await;
    let (status, _) = api.ask(Method::POST, &format!("{hook}/events/{}/resend", events[0]["id"]), None).await;
    assert_eq!(status, 201);

    for (method, path, body, wanted) in [
        (Method::POST, format!("{of}/notes"), Some(json!({"body": "hello"})), 201),
        (Method::POST, format!("{project}/statuses/{sha}"), Some(json!({"state": "pending", "ref": "topic"})), 201),
        (
            Method::POST,
            format!("{project}/statuses/{sha}"),
            Some(json!({"state": "success", "ref": "topic", "name": "driftless", "description": "1 update",
                "target_url": "https://driftless.example/1"})),
            201,
        ),
    ] {
        let (status, body) = api.ask(method, &path, body).await;
        assert_eq!(status, wanted, "{path}: {body}");
    }
    for path in ["", "?order_by=id&sort=asc&all=true&name=driftless", "?ref=topic&page=1&per_page=100"] {
        api.get(&format!("{project}/repository/commits/{sha}/statuses{path}")).await;
    }
    forge.forge.add_pipeline(PROJECT, number, PipelineKind::MergeRequest).await.expect("added");
    assert_eq!(api.get(&of).await["head_pipeline"]["source"], "merge_request_event");
    assert_eq!(api.get(&format!("{of}/pipelines")).await.as_array().map(Vec::len), Some(2));

    let note = api.get(&format!("{of}/notes?sort=asc&per_page=100")).await[0]["id"].clone();
    let at = format!("{of}/notes/{note}");
    api.get(&at).await;
    assert_eq!(api.ask(Method::PUT, &at, Some(json!({"body": "again"}))).await.0, 200);
    assert_eq!(api.ask(Method::DELETE, &at, None).await.0, 204);

    forge.forge.merge_pull(PROJECT, number).await.expect("merged");
    forge.forge.close_pull(PROJECT, other);
    forge.push("topic", "more").await;
    forge.forge.squash_pull(PROJECT, third).await.expect("merged");
    let locked = open("w").await;
    forge.forge.lock_pull(PROJECT, locked, true);
    let list = format!("{project}/merge_requests?order_by=updated_at&sort=asc&per_page=100&page=1");
    for (state, count) in [("opened", 0), ("merged", 2), ("closed", 1), ("locked", 1), ("all", 4)] {
        let found = api.get(&format!("{list}&state={state}&updated_after=2020-01-01T00:00:00.000Z")).await;
        assert_eq!(found.as_array().map(Vec::len), Some(count), "{state}");
    }
    for number in [number, other, third, locked] {
        api.get(&format!("{project}/merge_requests/{number}")).await;
    }
    assert_eq!(prism.violations(), Vec::<String>::new());

    // The proxy does look: a request that the description does not allow is refused.
    let (status, _) =
        api.ask(Method::POST, &format!("{project}/statuses/{sha}"), Some(json!({"state": "splendid"}))).await;
    assert_eq!(status, 422);
}

#[tokio::test]
async fn every_request_of_the_client_is_as_gitlab_describes_it() {
    let (forge, mut prism) = forge_behind_prism().await;
    let config =
        GitLabConfig { api_url: prism.url(), token: live("t0ken"), ca: None, timeout: Duration::from_secs(20) };
    let gitlab = GitLab::new(&config, Arc::new(SystemClock)).expect("a sound configuration");
    let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    let sha = forge.head("topic");
    assert_eq!(gitlab.whoami().await.expect("who am I").login, "driftless-bot");
    gitlab.git_credential(PROJECT).await.expect("a credential");
    assert_eq!(gitlab.pull_request(PROJECT, number).await.expect("a merge request").head, sha);
    assert_eq!(gitlab.open_pull_requests(PROJECT).await.expect("merge requests").items.len(), 1);
    // The second one goes to a pipeline of GitLab's own.
    for (state, target_url) in
        [(StatusState::Pending, None), (StatusState::Success, Some("https://driftless.example/1".to_owned()))]
    {
        let (context, description) = ("driftless".to_owned(), "1 to update".to_owned());
        let status = NewStatus { sha: sha.clone(), context, state, description, target_url };
        gitlab.set_status(PROJECT, &[number], &status).await.expect("a status");
        let latest = gitlab.latest_status(PROJECT, &[number], &sha, "driftless").await.expect("the status");
        assert_eq!(latest, Some(status));
        forge.forge.add_pipeline(PROJECT, number, PipelineKind::MergeRequest).await.expect("added");
    }
    assert_eq!(gitlab.hooks(PROJECT).await.expect("hooks").len(), 1);
    gitlab.grants(PROJECT).await.expect("what is granted");
    forge.forge.delivered().await;
    let sent = gitlab.sent_deliveries(PROJECT, "/webhooks/gitlab").await.expect("what was sent");
    assert!(!sent.is_empty() && sent.iter().all(|one| !one.accepted), "{sent:?}");
    gitlab.send_again(PROJECT, &sent[0]).await.expect("sent again");
    let id = gitlab.create_comment(PROJECT, number, "<!-- m -->\nhello").await.expect("a note");
    assert_eq!(gitlab.own_comments(PROJECT, number, "<!-- m -->").await.expect("notes").len(), 1);
    gitlab.update_comment(PROJECT, &id, "<!-- m -->\nhello again").await.expect("an edit");
    let one = id.0.split_once('/').expect("two numbers").1.parse().expect("a number");
    let written = gitlab.comment(PROJECT, number, one).await.expect("a comment");
    assert_eq!(written.body, "<!-- m -->\nhello again");
    gitlab.comment(PROJECT, number + 1, one).await.expect_err("it is on another one");
    for reaction in [Reaction::Done, Reaction::Done, Reaction::Refused, Reaction::NotUnderstood] {
        gitlab.react(PROJECT, number, one, reaction).await.expect("a reaction");
    }
    assert_eq!(forge.forge.comments(PROJECT, number)[0].reactions.len(), 3, "the same one counts once");
    forge.forge.set(|settings| settings.members.extend([(written.author.login.clone(), 40)]));
    assert_eq!(gitlab.role(PROJECT, &written.author).await.expect("a role"), Role::Maintain);
    let renamed = Author { id: "7".into(), ..written.author };
    assert_eq!(gitlab.role(PROJECT, &renamed).await.expect("a role"), Role::None, "another user of that name");
    gitlab.delete_comment(PROJECT, &id).await.expect("a deletion");
    forge.forge.merge_pull(PROJECT, number).await.expect("merged");
    let closed = gitlab.recently_closed(PROJECT).await.expect("those that were closed");
    assert_eq!(closed.iter().map(|pull| pull.state).collect::<Vec<_>>(), [PullState::Merged]);
    assert_eq!(prism.violations(), Vec::<String>::new());
}
