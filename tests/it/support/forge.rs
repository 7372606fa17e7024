//! The embedded forge with one repository, and a client for it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use driftless::clock::SystemClock;
use driftless::dev::forge::{DevApp, DevForge, DevForgeConfig, Dialect};
use driftless::dev::git_http::GitFaults;
use driftless::forge::{GitHub, GitHubConfig, GitHubCredentials};
use driftless::ids::Oid;
use driftless::lifecycle::Tasks;
use driftless::secret::LiveSecret;
use secrecy::SecretString;

pub const PROJECT: &str = "shop/deploy";

pub struct Forge {
    #[allow(clippy::struct_field_names, reason = "what it is")]
    pub forge: DevForge,
    _tasks: Tasks,
    _dir: tempfile::TempDir,
}

/// What a test sets otherwise.
#[derive(Default)]
pub struct Setup {
    pub dialect: Dialect,
    pub webhook_url: Option<String>,
    pub webhook_secret: Option<&'static str>,
    pub app: Option<DevApp>,
    pub public_url: Option<String>,
    pub port: u16,
}

pub fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

pub fn live(text: &str) -> LiveSecret {
    LiveSecret::fixed(text)
}

impl Forge {
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().expect("a directory");
        let tasks = Tasks::new();
        let config = DevForgeConfig {
            dialect: setup.dialect,
            dir: dir.path().to_owned(),
            listen: ([127, 0, 0, 1], setup.port).into(),
            public_url: setup.public_url,
            webhook_url: setup.webhook_url,
            webhook_secret: secret(setup.webhook_secret.unwrap_or("hook")),
            token: secret("t0ken"),
            login: "driftless-bot".into(),
            app: setup.app,
            git_tls: None,
            git_faults: GitFaults::default(),
        };
        let forge = DevForge::start(config, Arc::new(SystemClock), &tasks).await.expect("the forge starts");
        let bare = forge.create_repo(PROJECT).await.expect("a repository");
        commit(&bare, "main", None, "first");
        commit(&bare, "topic", Some("main"), "second");
        forge.refs_changed(PROJECT).await.expect("seen");
        Self { forge, _tasks: tasks, _dir: dir }
    }

    pub fn client(&self) -> GitHub {
        self.client_as(GitHubCredentials::Token(live("t0ken")))
    }

    pub fn client_as(&self, credentials: GitHubCredentials) -> GitHub {
        let config =
            GitHubConfig { api_url: self.forge.api_url(), credentials, ca: None, timeout: Duration::from_secs(2) };
        GitHub::new(config, Arc::new(SystemClock)).expect("a sound configuration")
    }

    /// Adds a commit to a branch, as a push would.
    pub async fn push(&self, branch: &str, text: &str) -> Oid {
        let oid = commit(&self.forge.repo_dir(PROJECT), branch, Some(branch), text);
        self.forge.refs_changed(PROJECT).await.expect("seen");
        oid
    }

    pub fn head(&self, branch: &str) -> Oid {
        git(&self.forge.repo_dir(PROJECT), &["rev-parse", branch]).parse().expect("an id")
    }
}

/// Commits one file named after the text.
fn commit(bare: &Path, branch: &str, parent: Option<&str>, text: &str) -> Oid {
    let blob = git_in(bare, &["hash-object", "-w", "--stdin"], text);
    let mut entries = parent.map(|parent| git(bare, &["ls-tree", parent])).unwrap_or_default();
    entries.push_str(&format!("\n100644 blob {blob}\t{text}\n"));
    let tree = git_in(bare, &["mktree"], entries.trim_start());
    let mut args = vec!["commit-tree", &tree, "-m", text];
    let parent = parent.map(|parent| git(bare, &["rev-parse", parent]));
    if let Some(parent) = &parent {
        args.extend(["-p", parent]);
    }
    let commit = git(bare, &args);
    git(bare, &["update-ref", &format!("refs/heads/{branch}"), &commit]);
    commit.parse().expect("an id")
}

pub fn git(dir: &Path, args: &[&str]) -> String {
    git_in(dir, args, "")
}

fn git_in(dir: &Path, args: &[&str], input: &str) -> String {
    use std::io::Write;
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(args).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Test").env(format!("GIT_{who}_EMAIL"), "test@localhost");
    }
    let mut child = command.spawn().expect("git is installed");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("git ends");
    assert!(output.status.success(), "git {args:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
