//! Client and embedded forge against GitHub's own description of its API: every kind of request that the client makes
//! goes through a validating proxy (Prism, over `@octokit/openapi`), and whatever the proxy finds wrong, in a request
//! or an answer, fails.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use driftless::clock::SystemClock;
use driftless::dev::forge::DevApp;
use driftless::forge::{Forge as _, GitHub, GitHubConfig, GitHubCredentials, NewStatus, StatusState};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::support::forge::{Forge, PROJECT, Setup, live};

fn node_modules() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/node/node_modules")
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

struct Prism {
    lines: mpsc::UnboundedReceiver<String>,
    _child: Child,
}

impl Prism {
    /// Reads a description of twelve megabytes, which takes some seconds.
    async fn start(port: u16, upstream: &str) -> Self {
        let modules = node_modules();
        let prism = modules.join("@stoplight/prism-cli/dist/index.js");
        assert!(prism.is_file(), "{} is not there: run `npm ci` in tests/node", prism.display());
        let mut child = Command::new("node")
            .arg(prism)
            .args(["proxy", "--errors", "--port", &port.to_string()])
            .arg(modules.join("@octokit/openapi/generated/api.github.com.json"))
            .arg(upstream)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node is installed (20 or newer)");
        let mut output = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (sender, mut lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let ready = async {
            while let Some(line) = lines.recv().await {
                if line.contains("Prism is listening") {
                    return true;
                }
            }
            false
        };
        assert!(tokio::time::timeout(Duration::from_mins(2), ready).await.expect("prism starts"), "prism ended");
        Self { lines, _child: child }
    }

    fn violations(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        while let Ok(line) = self.lines.try_recv() {
            if line.contains("prism/errors#") {
                found.push(line);
            }
        }
        found
    }
}

fn client(port: u16, credentials: GitHubCredentials) -> GitHub {
    let config = GitHubConfig {
        api_url: format!("http://127.0.0.1:{port}"),
        credentials,
        ca: None,
        timeout: Duration::from_secs(20),
    };
    GitHub::new(config, Arc::new(SystemClock)).expect("a sound configuration")
}

#[tokio::test]
async fn every_request_and_answer_is_as_github_describes_it() {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).expect("a key");
    let app = DevApp { id: 4711, slug: "driftless-dev".into(), public_key_pem: key.public_key_pem() };
    let port = free_port();
    let forge = Forge::with(Setup {
        app: Some(app),
        webhook_url: Some("http://127.0.0.1:9/webhooks/github".into()),
        ..Setup::default()
    })
    .await;
    let mut prism = Prism::start(port, &forge.forge.api_url()).await;
    let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
    let sha = forge.head("topic");
    let as_app = GitHubCredentials::App { id: 4711, private_key_pem: live(&key.serialize_pem()) };
    for (credentials, is_app) in [(GitHubCredentials::Token(live("t0ken")), false), (as_app, true)] {
        let github = client(port, credentials);
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
            github.set_status(PROJECT, &status).await.expect("a status");
            assert_eq!(github.latest_status(PROJECT, &sha, "driftless").await.expect("the status"), Some(status));
        }
        assert_eq!(github.hooks(PROJECT).await.expect("hooks").len(), 1);
        github.grants(PROJECT).await.expect("what is granted");
        forge.forge.set(|settings| settings.is_app_s = !settings.is_app_s);
        assert_eq!(github.hooks(PROJECT).await.expect("hooks").len(), usize::from(is_app), "the App's, or none");
        forge.forge.set(|settings| settings.is_app_s = !settings.is_app_s);
        let id = github.create_comment(PROJECT, number, "<!-- m -->\nhello").await.expect("a comment");
        assert_eq!(github.own_comments(PROJECT, number, "<!-- m -->").await.expect("comments").len(), 1);
        github.update_comment(PROJECT, &id, "<!-- m -->\nhello again").await.expect("an edit");
        github.delete_comment(PROJECT, &id).await.expect("a deletion");
    }
    assert_eq!(prism.violations(), Vec::<String>::new());

    // The proxy does look: a request that the description does not allow is refused.
    let wrong = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{port}/repos/{PROJECT}/statuses/{sha}"))
        .bearer_auth("t0ken")
        .json(&serde_json::json!({"state": "splendid"}))
        .send()
        .await
        .expect("an answer");
    assert_eq!(wrong.status().as_u16(), 422);
}
