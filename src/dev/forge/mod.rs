//! A small GitHub on this machine: bare repositories, a REST API of GitHub's shape, signed webhooks, and a page to click on.
//!
//! It keeps state as GitHub does, so that a test reads like a story, and misbehaves on demand. `driftless dev` runs on it as well.

mod access;
mod api;
mod deliver;
mod fault;
mod git;
mod json;
mod merge;
mod page;
mod reply;
mod settings;
mod state;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use driftless_webhooks::Oid;
use secrecy::{ExposeSecret, SecretString};

use crate::clock::Clock;
use crate::dev::git_http::{GitFaults, GitHttp, GitHttpConfig, GitServer};
use crate::dev::tls::DevTls;
use crate::lifecycle::Tasks;

pub use deliver::DeliveryFault;
pub use fault::{ApiFault, Faults};
pub use git::GitError;
pub use settings::Settings;
pub use state::{CommentView, PullView, StatusView};

use state::State;

/// How the embedded forge is set up.
pub struct DevForgeConfig {
    /// Holds the repositories as `OWNER/NAME.git`.
    pub dir: PathBuf,
    /// `127.0.0.1:0` takes a free port.
    pub listen: SocketAddr,
    /// What the addresses in its answers begin with, if that is not where it listens: a proxy before it.
    pub public_url: Option<String>,
    pub webhook_url: Option<String>,
    pub webhook_secret: SecretString,
    pub token: SecretString,
    /// Who the token belongs to.
    pub login: String,
    pub app: Option<DevApp>,
    /// Serves Git over HTTPS with this certificate; else over HTTP.
    pub git_tls: Option<DevTls>,
    pub git_faults: GitFaults,
}

/// A GitHub App that is installed on every repository.
pub struct DevApp {
    pub id: u64,
    pub slug: String,
    /// PEM; the private half is the client's.
    pub public_key_pem: String,
}

#[derive(Debug, thiserror::Error)]
pub enum DevForgeError {
    #[error("the embedded forge cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the embedded forge knows no {0}")]
    Unknown(String),
    #[error(transparent)]
    Git(#[from] GitError),
}

/// A handle to the running forge; clones share it.
#[derive(Clone)]
pub struct DevForge(Arc<Inner>);

struct Inner {
    config: DevForgeConfig,
    address: SocketAddr,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    faults: Faults,
    postman: deliver::Postman,
    git: OnceLock<GitServer>,
}

/// Who commits, opens and merges here.
const PERSON: &str = "you";

/// What a request that has begun gets at the end.
const LAST_ANSWERS: std::time::Duration = std::time::Duration::from_secs(1);

impl DevForge {
    /// Serves until the tasks are stopped.
    pub async fn start(config: DevForgeConfig, clock: Arc<dyn Clock>, tasks: &Tasks) -> Result<Self, DevForgeError> {
        let listen = config.listen;
        let failed = move |source| DevForgeError::Listen { address: listen, source };
        let listener = tokio::net::TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let postman = deliver::Postman::start(tasks, clock.clone());
        let state = Mutex::new(State::new(&config.token));
        let forge = Self(Arc::new(Inner { config, address, clock, state, faults: Faults::default(), postman, git: OnceLock::new() }));
        forge.serve_git(tasks).await.map_err(failed)?;
        let router = api::router(forge.clone()).merge(page::router(forge.clone()));
        let stop = tasks.soft().clone();
        tasks.spawn("embedded forge", async move {
            let serve = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
            tokio::select! {
                ended = serve => if let Err(error) = ended {
                    tracing::error!(%error, "the embedded forge ended");
                },
                // Clients keep their connections open for as long as they may.
                () = async { stop.cancelled().await; tokio::time::sleep(LAST_ANSWERS).await } => {}
            }
        });
        Ok(forge)
    }

    /// Git has a listener of its own. Each push is looked at after it was answered, in order.
    async fn serve_git(&self, tasks: &Tasks) -> io::Result<()> {
        let (pushed, mut pushes) = tokio::sync::mpsc::unbounded_channel::<String>();
        let mut git = GitHttpConfig::new(&self.0.config.dir);
        git.faults = self.0.config.git_faults.clone();
        let forge = self.clone();
        git.auth = Some(Arc::new(move |_, password| forge.may_use_git(password)));
        git.on_push = Some(Arc::new(move |project, _| {
            // The receiver is gone when the forge has stopped.
            let _ = pushed.send(project.to_owned());
        }));
        let server = GitServer::serve(GitHttp::router(git), self.0.config.git_tls.as_ref(), tasks).await?;
        // It was empty: this is called once.
        let _ = self.0.git.set(server);
        let (forge, stop) = (self.clone(), tasks.soft().clone());
        tasks.spawn("pushes", async move {
            while let Some(Some(project)) = stop.run_until_cancelled(pushes.recv()).await {
                if let Err(error) = forge.refs_changed(&project).await {
                    tracing::warn!(project, %error, "a push was not seen");
                }
            }
        });
        Ok(())
    }

    /// Any user name with the token or an installation's token as the password, as at GitHub.
    fn may_use_git(&self, password: &str) -> bool {
        let state = self.state();
        state.is_token(password) || state.is_installation_token(password, self.0.clock.now())
    }

    /// Where Git clones this repository from.
    pub fn clone_url(&self, project: &str) -> String {
        let base = self.0.git.get().map(GitServer::url).unwrap_or_default();
        format!("{}/{project}.git", base.trim_end_matches('/'))
    }

    /// The same with the token in it, for a person's `git push` on this machine.
    pub fn push_url(&self, project: &str) -> String {
        let token = self.0.config.token.expose_secret();
        self.clone_url(project).replacen("://", &format!("://dev:{token}@"), 1)
    }

    /// Where the pages are.
    pub fn url(&self) -> String {
        self.0.config.public_url.clone().unwrap_or_else(|| format!("http://{}", self.0.address))
    }

    /// What a client takes as the address of the API.
    pub fn api_url(&self) -> String {
        format!("{}/api/v3", self.url())
    }

    /// Makes an empty bare repository with `main` as its default branch, and a hook if an address was given.
    pub async fn create_repo(&self, project: &str) -> Result<PathBuf, DevForgeError> {
        let (owner, name) = project.split_once('/').ok_or_else(|| DevForgeError::Unknown(project.to_owned()))?;
        let dir = self.repo_dir(project);
        git::init(&dir).await?;
        self.state().add_repo(owner, name, self.0.clock.now());
        if let Some(hook) = self.hook_of(project) {
            self.deliver(project, "ping", serde_json::json!({"zen": "Keep it logically awesome.", "hook_id": hook}));
        }
        Ok(dir)
    }

    /// Commits files to a branch, as a push of them would: a new branch begins at `main`, if that is there.
    pub async fn commit(&self, project: &str, branch: &str, message: &str, files: &[(&str, Option<&str>)]) -> Result<(), DevForgeError> {
        let dir = self.repo_dir(project);
        let branches = git::branches(&dir).await?;
        let from = branches.contains_key("main").then_some("main");
        let continues = branches.contains_key(branch);
        let commit = git::NewCommit { branch, from, continues, message, author: PERSON, files };
        git::commit(&dir, &commit, self.0.clock.now().as_second()).await?;
        self.refs_changed(project).await
    }

    pub fn repo_dir(&self, project: &str) -> PathBuf {
        self.0.config.dir.join(format!("{project}.git"))
    }

    /// To be called after each push, or whatever else changed refs: moves pull requests, and tells by webhook what happened.
    pub async fn refs_changed(&self, project: &str) -> Result<(), DevForgeError> {
        let refs = git::branches(&self.repo_dir(project)).await?;
        let moves = self.state().set_refs(project, refs);
        for moved in &moves {
            self.deliver(project, "push", json::push(&self.view(), project, moved));
        }
        let updated = self.state().move_pulls(project, &moves, self.0.clock.now());
        for number in updated {
            self.publish_head(project, number).await?;
            self.deliver_pull(project, number, "synchronize");
        }
        Ok(())
    }

    /// Opens a pull request from one branch to another and returns its number.
    pub async fn open_pull(&self, project: &str, head: &str, base: &str, title: &str) -> Result<u64, DevForgeError> {
        self.refs_changed(project).await?;
        let number = self
            .state()
            .open_pull(project, head, base, title, PERSON, self.0.clock.now())
            .ok_or_else(|| DevForgeError::Unknown(format!("branch {head} or {base} in {project}")))?;
        self.publish_head(project, number).await?;
        self.deliver_pull(project, number, "opened");
        Ok(number)
    }

    /// Merges by a merge commit, as the button does. Fails on a conflict.
    pub async fn merge_pull(&self, project: &str, number: u64) -> Result<Oid, DevForgeError> {
        merge::merge(self, project, number, false).await
    }

    /// Merges as one commit on the base.
    pub async fn squash_pull(&self, project: &str, number: u64) -> Result<Oid, DevForgeError> {
        merge::merge(self, project, number, true).await
    }

    pub fn close_pull(&self, project: &str, number: u64) {
        self.state().close_pull(project, number, None, self.0.clock.now());
        self.deliver_pull(project, number, "closed");
    }

    /// As if the head came from another repository.
    pub fn make_fork(&self, project: &str, number: u64) {
        self.state().pull_mut(project, number).into_iter().for_each(|pull| pull.fork = true);
    }

    /// All pull requests, oldest first.
    pub fn pulls(&self, project: &str) -> Vec<PullView> {
        let state = self.state();
        let view = |pull: &state::Pull| PullView { number: pull.number, title: pull.title.clone(), state: pull.state() };
        state.repo(project).into_iter().flat_map(state::Repo::pulls).map(view).collect()
    }

    /// Comments of a pull request, oldest first.
    pub fn comments(&self, project: &str, number: u64) -> Vec<CommentView> {
        self.state().comments(project, number)
    }

    /// Writes a comment as somebody.
    pub fn comment_as(&self, project: &str, number: u64, login: &str, body: &str) -> Option<u64> {
        self.state().add_comment(project, number, login, body, self.0.clock.now())
    }

    pub fn delete_comment(&self, project: &str, id: u64) -> bool {
        self.state().delete_comment(project, id)
    }

    /// All statuses of a commit, newest first.
    pub fn statuses(&self, project: &str, sha: &Oid) -> Vec<StatusView> {
        self.state().statuses(project, sha)
    }

    /// The status that counts for each context.
    pub fn latest_status(&self, project: &str, sha: &Oid, context: &str) -> Option<StatusView> {
        self.statuses(project, sha).into_iter().find(|status| status.context.eq_ignore_ascii_case(context))
    }

    /// From now on only `token` is taken, and all installation tokens are gone.
    pub fn rotate_token(&self, token: &SecretString) {
        self.state().rotate(token);
    }

    /// Changes how the hook is set and what callers were granted.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(self.state().settings_mut());
    }

    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// What happens to the next deliveries, one each.
    pub fn fail_deliveries(&self, faults: impl IntoIterator<Item = DeliveryFault>) {
        self.0.postman.fail(faults);
    }

    /// Waits until every delivery that was due is answered.
    pub async fn delivered(&self) {
        self.0.postman.idle().await;
    }

    /// How the newest delivery of a repository was answered, if it was.
    pub fn last_answer(&self, project: &str) -> Option<u16> {
        let hook = self.hook_of(project)?;
        self.0.postman.log(hook).first()?.status
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> json::View {
        json::View { site: self.url(), api: self.api_url() }
    }

    fn hook_of(&self, project: &str) -> Option<u64> {
        self.0.config.webhook_url.as_ref()?;
        self.state().repo(project).map(|repo| repo.hook)
    }

    /// Keeps `refs/pull/N/head`, as GitHub does.
    async fn publish_head(&self, project: &str, number: u64) -> Result<(), DevForgeError> {
        let head = self.state().pull(project, number).map(|pull| pull.head.clone());
        if let Some(head) = head {
            git::update_ref(&self.repo_dir(project), &format!("refs/pull/{number}/head"), &head).await?;
        }
        Ok(())
    }

    fn deliver_pull(&self, project: &str, number: u64, action: &str) {
        let payload = {
            let state = self.state();
            let Some((repo, pull)) = state.repo(project).zip(state.pull(project, number)) else { return };
            json::pull_event(&self.view(), repo, pull, action)
        };
        self.deliver(project, "pull_request", payload);
    }

    /// Sends an event to the hook of a repository, if it has one.
    fn deliver(&self, project: &str, event: &str, mut payload: serde_json::Value) {
        let Some((hook, url)) = self.hook_of(project).zip(self.0.config.webhook_url.clone()) else { return };
        {
            let state = self.state();
            let Some(repo) = state.repo(project) else { return };
            payload["repository"] = json::repo(&self.view(), repo);
            payload["sender"] = json::user(&self.view(), PERSON);
        }
        self.0.postman.post(deliver::Letter::new(url, hook, event, payload.to_string(), &self.0.config.webhook_secret));
    }
}
