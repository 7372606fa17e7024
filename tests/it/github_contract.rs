//! Client and embedded forge against GitHub's own description of its API: every kind of request that the client makes
//! goes through a validating proxy (Prism, over `@octokit/openapi`), and whatever the proxy finds wrong, in a request
//! or an answer, fails.

use std::sync::Arc;
use std::time::Duration;

use driftless::clock::SystemClock;
use driftless::dev::forge::DevApp;
use driftless::forge::{
    Author, Forge as _, GitHub, GitHubConfig, GitHubCredentials, NewStatus, Reaction, Role, StatusState,
};

use crate::support::forge::{Forge, PROJECT, Setup, live};
use crate::support::prism::{Prism, node_modules};

fn client(url: &str, credentials: GitHubCredentials) -> GitHub {
    let config = GitHubConfig { api_url: url.to_owned(), credentials, ca: None, timeout: Duration::from_secs(20) };
    GitHub::new(config, Arc::new(SystemClock)).expect("a sound configuration")
}

#[tokio::test]
async fn every_request_and_answer_is_as_github_describes_it() {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).expect("a key");
    let app = DevApp { id: 4711, slug: "driftless-dev".into(), public_key_pem: key.public_key_pem() };
    let forge = Forge::with(Setup {
        app: Some(app),
        webhook_url: Some("http://127.0.0.1:9/webhooks/github".into()),
        ..Setup::default()
    })
    .await;
    let description = node_modules().join("@octokit/openapi/generated/api.github.com.json");
    let mut prism = Prism::start(&description, &forge.forge.api_url()).await;
    let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    let sha = forge.head("topic");
    let as_app = GitHubCredentials::App { id: 4711, private_key_pem: live(&key.serialize_pem()) };
    for (credentials, is_app) in [(GitHubCredentials::Token(live("t0ken")), false), (as_app, true)] {
        let github = client(&prism.url(), credentials);
        github.whoami().await.expect("who am I");
        github.git_credential(PROJECT).await.expect("a credential");
        github.pull_request(PROJECT, number).await.expect("a pull request");
        github.open_pull_requests(PROJECT).await.expect("pull requests");
        assert!(github.open_pull_requests(PROJECT).await.expect("pull requests, as they were").unchanged);
        for target_url in [None, Some("https://driftless.example/1".to_owned())] {
            let state = StatusState::Success;
            let status = NewStatus {
                sha: sha.clone(),
                context: "driftless".into(),
                state,
                description: "1 to update".into(),
                target_url,
            };
            github.set_status(PROJECT, &[number], &status).await.expect("a status");
            let shown = github.latest_status(PROJECT, &[number], &sha, "driftless").await.expect("the status");
            assert_eq!(shown, Some(status));
        }
        assert_eq!(github.hooks(PROJECT).await.expect("hooks").len(), 1);
        github.grants(PROJECT).await.expect("what is granted");
        forge.forge.set(|settings| settings.is_app_s = !settings.is_app_s);
        assert_eq!(github.hooks(PROJECT).await.expect("hooks").len(), usize::from(is_app), "the App's, or none");
        forge.forge.set(|settings| settings.is_app_s = !settings.is_app_s);
        let id = github.create_comment(PROJECT, number, "<!-- m -->\nhello").await.expect("a comment");
        assert_eq!(github.own_comments(PROJECT, number, "<!-- m -->").await.expect("comments").len(), 1);
        github.update_comment(PROJECT, &id, "<!-- m -->\nhello again").await.expect("an edit");
        let one = id.0.parse().expect("a number");
        let written = github.comment(PROJECT, number, one).await.expect("a comment");
        assert_eq!(written.body, "<!-- m -->\nhello again");
        github.comment(PROJECT, number + 1, one).await.expect_err("it is on another one");
        for reaction in [Reaction::Done, Reaction::Done, Reaction::Refused, Reaction::NotUnderstood] {
            github.react(PROJECT, number, one, reaction).await.expect("a reaction");
        }
        assert_eq!(forge.forge.comments(PROJECT, number)[0].reactions.len(), 3, "the same one counts once");
        forge.forge.set(|settings| settings.members.extend([(written.author.login.clone(), 40)]));
        assert_eq!(github.role(PROJECT, &written.author).await.expect("a role"), Role::Maintain);
        let renamed = Author { id: "7".into(), ..written.author };
        assert_eq!(github.role(PROJECT, &renamed).await.expect("a role"), Role::None, "another user of that name");
        github.delete_comment(PROJECT, &id).await.expect("a deletion");
        forge.forge.delivered().await;
        for of_app in [false, is_app] {
            forge.forge.set(|settings| settings.is_app_s = of_app);
            let sent = github.sent_deliveries(PROJECT, "/webhooks/github").await.expect("what was sent");
            assert!(
                !sent.is_empty() && sent.iter().all(|one| !one.accepted && one.hook.is_none() == of_app),
                "{sent:?}"
            );
            github.send_again(PROJECT, &sent[0]).await.expect("sent again");
            assert!(github.sent_deliveries(PROJECT, "/webhooks/other").await.expect("nothing").is_empty());
        }
        forge.forge.set(|settings| settings.is_app_s = false);
    }
    assert_eq!(prism.violations(), Vec::<String>::new());

    // The proxy does look: a request that the description does not allow is refused.
    let wrong = reqwest::Client::new()
        .post(format!("{}/repos/{PROJECT}/statuses/{sha}", prism.url()))
        .bearer_auth("t0ken")
        .json(&serde_json::json!({"state": "splendid"}))
        .send()
        .await
        .expect("an answer");
    assert_eq!(wrong.status().as_u16(), 422);
}
