//! Repositories made by the real `git`, with an environment that no machine's settings reach, served over real HTTPS.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Once, PoisonError};

use driftless::dev::git_http::{GitFaults, GitHttpConfig, GitServer, RefUpdate};
use driftless::dev::tls::DevTls;
use driftless::ids::{Oid, RepoName};
use driftless::lifecycle::Tasks;
use driftless::source::{Credential, Mirrors, MirrorsConfig, Remote};
use tempfile::TempDir;

/// The crypto provider that `main` installs.
pub fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}

/// Runs `git` and answers what it wrote, trimmed. Fails the test when git fails or is missing.
pub fn git(dir: &Path, args: &[&str]) -> String {
    let (status, out, err) = try_git(dir, args);
    assert!(status, "git {args:?} failed: {err}");
    out
}

/// Runs `git`; whether it succeeded, what it wrote, what it complained of.
pub fn try_git(dir: &Path, args: &[&str]) -> (bool, String, String) {
    let output = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "Ada")
        .env("GIT_AUTHOR_EMAIL", "ada@example.com")
        .env("GIT_COMMITTER_NAME", "Ada")
        .env("GIT_COMMITTER_EMAIL", "ada@example.com")
        .env("GIT_AUTHOR_DATE", "1700000000 +0000")
        .env("GIT_COMMITTER_DATE", "1700000000 +0000")
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .expect("git must be installed to run these tests");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// A repository with a working copy.
pub struct Work {
    dir: TempDir,
}

impl Work {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        git(dir.path(), &["init", "-q", "-b", "main"]);
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn git(&self, args: &[&str]) -> String {
        git(self.path(), args)
    }

    /// Runs a line of shell in the repository.
    pub fn shell(&self, line: &str) {
        let status = Command::new("sh").args(["-c", line]).current_dir(self.path()).status().expect("a shell");
        assert!(status.success(), "{line}");
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("its directory");
        std::fs::write(path, text).expect("a file");
    }

    /// Writes a file and commits all that changed.
    pub fn commit(&self, path: &str, text: &str) -> Oid {
        self.write(path, text);
        self.commit_all(&format!("change {path}"))
    }

    pub fn commit_all(&self, message: &str) -> Oid {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    pub fn head(&self) -> Oid {
        self.git(&["rev-parse", "HEAD"]).parse().expect("a commit id")
    }
}

/// What was pushed: the project, and its refs.
pub type Pushes = Arc<Mutex<Vec<(String, Vec<RefUpdate>)>>>;

/// A forge's Git, with one repository `acme/shop`, and mirrors that fetch from it.
pub struct Forge {
    pub tasks: Tasks,
    pub faults: GitFaults,
    pub work: Work,
    pub pushes: Pushes,
    /// Who may in; `None` lets everybody in.
    pub password: Arc<Mutex<Option<String>>>,
    server: GitServer,
    files: TempDir,
}

impl Forge {
    pub async fn https() -> Self {
        Self::start(true).await
    }

    pub async fn http() -> Self {
        Self::start(false).await
    }

    async fn start(https: bool) -> Self {
        install_crypto();
        let files = tempfile::tempdir().expect("a directory");
        let bare = files.path().join("repos/acme/shop.git");
        std::fs::create_dir_all(&bare).expect("a directory");
        git(&bare, &["init", "-q", "--bare", "-b", "main"]);
        let tls = DevTls::new().expect("a certificate");
        tls.write(files.path()).expect("its files");
        let (tasks, mut config) = (Tasks::new(), GitHttpConfig::new(files.path().join("repos")));
        let (pushes, password) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(None::<String>)));
        let (told, asked) = (Arc::clone(&pushes), Arc::clone(&password));
        config.on_push = Some(Arc::new(move |repo, updates| lock(&told).push((repo.to_owned(), updates.to_vec()))));
        config.auth = https.then(|| -> driftless::dev::git_http::Auth {
            Arc::new(move |user, password| match &*lock(&asked) {
                Some(wanted) => user == "driftless" && password == wanted,
                None => true,
            })
        });
        let faults = config.faults.clone();
        let server = GitServer::start(config, https.then_some(&tls), &tasks).await.expect("a server");
        Self { tasks, faults, work: Work::new(), pushes, password, server, files }
    }

    pub fn url(&self) -> String {
        format!("{}/acme/shop.git", self.server.url())
    }

    pub fn ca(&self) -> PathBuf {
        self.files.path().join("ca.pem")
    }

    /// Pushes over the wire, as a person would. Call it off the runtime's thread or on a runtime with several.
    pub fn push(&self, specs: &[&str]) {
        let ca = format!("http.sslCAInfo={}", self.ca().display());
        let password = lock(&self.password).clone().unwrap_or_else(|| "any".to_owned());
        let url = self.url().replace("https://", &format!("https://driftless:{password}@"));
        let mut args = vec!["-c", &ca, "push", "-q", "--force", &url];
        args.extend(specs);
        self.work.git(&args);
    }

    pub fn set_password(&self, password: &str) {
        *lock(&self.password) = Some(password.to_owned());
    }

    pub fn remote(&self) -> Remote {
        let password = lock(&self.password).clone().unwrap_or_else(|| "any".to_owned());
        self.remote_with(&password)
    }

    pub fn remote_with(&self, password: &str) -> Remote {
        let credential = Credential { username: "driftless".to_owned(), password: password.to_owned().into() };
        Remote { repo: repo(), url: self.url(), credential: Some(credential) }
    }

    pub fn config(&self) -> MirrorsConfig {
        let mut config = MirrorsConfig::new(self.files.path().join("mirrors"));
        config.tls_ca = Some(self.ca());
        config
    }

    pub fn mirrors(&self) -> Mirrors {
        self.mirrors_with(self.config())
    }

    pub fn mirrors_with(&self, config: MirrorsConfig) -> Mirrors {
        Mirrors::new(config, &self.tasks).expect("mirrors")
    }

    /// The repository of the forge.
    pub fn bare_dir(&self) -> PathBuf {
        self.files.path().join("repos/acme/shop.git")
    }

    pub fn mirror_dir(&self) -> PathBuf {
        self.files.path().join("mirrors/shop.git")
    }
}

pub fn repo() -> RepoName {
    RepoName::new("shop")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
