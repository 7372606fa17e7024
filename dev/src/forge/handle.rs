//! What can be asked of the running forge, and what it does: commits, pull requests, comments, statuses, deliveries.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use driftless_webhooks::Oid;
use secrecy::{ExposeSecret, SecretString};

use super::config::DevForgeConfig;
use super::deliver::{self, DeliveryFault};
use super::dialect::Dialect;
use super::error::DevForgeError;
use super::fault::Faults;
use super::occasion::{Occasion, Sender};
use super::record::{CommentKind, Pull, PullChange, Repo};
use super::settings::Settings;
use super::shown::{CommentView, PullView, StatusView};
use super::state::{NewComment, State, written};
use super::user::PERSON;
use super::view::View;
use super::{git, github, gitlab};
use crate::git_http::GitServer;
use driftless_base::clock::Clock;

/// A handle to the running forge; clones share it.
#[derive(Clone)]
pub struct DevForge(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub config: DevForgeConfig,
    pub address: SocketAddr,
    pub clock: Arc<dyn Clock>,
    pub state: Mutex<State>,
    pub faults: Faults,
    pub postman: deliver::Postman,
    pub git: OnceLock<GitServer>,
}

impl DevForge {
    /// Any user name with the token or an installation's token as the password, as at GitHub.
    pub(super) fn may_use_git(&self, password: &str) -> bool {
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
        format!("{}{}", self.url(), self.0.config.dialect.api())
    }

    /// The ref that holds the head of a pull request.
    pub fn head_ref(&self, number: u64) -> String {
        self.0.config.dialect.head_ref(number)
    }

    /// Makes an empty bare repository with `main` as its default branch, and a hook if an address was given.
    pub async fn create_repo(&self, project: &str) -> Result<PathBuf, DevForgeError> {
        let (owner, name) = project.split_once('/').ok_or_else(|| DevForgeError::Unknown(project.to_owned()))?;
        let dir = self.repo_dir(project);
        git::init(&dir).await?;
        self.state().add_repo(owner, name, self.0.clock.now());
        self.tell(project, Occasion::Hooked);
        Ok(dir)
    }

    /// Commits files to a branch, as a push of them would: a new branch begins at `main`, if that is there.
    pub async fn commit(
        &self,
        project: &str,
        branch: &str,
        message: &str,
        files: &[(&str, Option<&str>)],
    ) -> Result<(), DevForgeError> {
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

    /// To be called after each push, or whatever else changed refs: moves pull requests, and tells by webhook what
    /// happened.
    pub async fn refs_changed(&self, project: &str) -> Result<(), DevForgeError> {
        let refs = git::branches(&self.repo_dir(project)).await?;
        let moves = self.state().set_refs(project, refs);
        for moved in &moves {
            self.tell(project, Occasion::Pushed(moved));
        }
        let updated = self.state().move_pulls(project, &moves, self.0.clock.now());
        for (number, before) in updated {
            self.publish_head(project, number).await?;
            self.changed(project, number, &PullChange::Updated { before });
        }
        Ok(())
    }

    /// Opens a pull request from one branch to another and returns its number.
    pub async fn open_pull(&self, project: &str, head: &str, base: &str, title: &str) -> Result<u64, DevForgeError> {
        self.refs_changed(project).await?;
        let number = self
            .state()
            .open_pull(project, [head, base], title, self.0.clock.now())
            .ok_or_else(|| DevForgeError::Unknown(format!("branch {head} or {base} in {project}")))?;
        self.publish_head(project, number).await?;
        self.changed(project, number, &PullChange::Opened);
        Ok(number)
    }

    pub fn close_pull(&self, project: &str, number: u64) {
        self.state().close_pull(project, number, None, self.0.clock.now());
        self.changed(project, number, &PullChange::Closed);
    }

    /// Opens a closed one again, with the head that its branch has by now.
    pub async fn reopen_pull(&self, project: &str, number: u64) -> Result<(), DevForgeError> {
        if !self.state().reopen_pull(project, number, self.0.clock.now()) {
            return Err(DevForgeError::Unknown(format!("closed pull request {number} in {project}")));
        }
        self.publish_head(project, number).await?;
        self.changed(project, number, &PullChange::Reopened);
        Ok(())
    }

    /// Lets an open one go into another branch.
    pub fn retarget_pull(&self, project: &str, number: u64, base: &str) -> Result<(), DevForgeError> {
        let before = self.state().retarget_pull(project, number, base, self.0.clock.now());
        let before = before.ok_or_else(|| DevForgeError::Unknown(format!("pull request {number} or branch {base}")))?;
        self.changed(project, number, &PullChange::Retargeted { before });
        Ok(())
    }

    /// As if the head came from another repository.
    pub fn make_fork(&self, project: &str, number: u64) {
        self.state().pull_mut(project, number).into_iter().for_each(|pull| pull.fork = true);
    }

    /// All pull requests, oldest first.
    pub fn pulls(&self, project: &str) -> Vec<PullView> {
        let state = self.state();
        let view = |pull: &Pull| PullView { number: pull.number, title: pull.title.clone(), state: pull.state() };
        state.repo(project).into_iter().flat_map(Repo::pulls).map(view).collect()
    }

    /// Comments of a pull request, oldest first.
    pub fn comments(&self, project: &str, number: u64) -> Vec<CommentView> {
        self.state().comments(project, number)
    }

    /// Writes a comment as somebody.
    pub fn comment_as(&self, project: &str, number: u64, login: &str, body: &str) -> Option<u64> {
        let id = self.state().add_comment(project, number, written(login, body, self.0.clock.now()))?;
        self.noted(project, id);
        Some(id)
    }

    /// Changes a comment, as its author.
    pub fn edit_comment(&self, project: &str, id: u64, body: &str) {
        self.state().edit_comment(project, id, body, self.0.clock.now());
        self.noted(project, id);
    }

    /// Writes a comment that nobody sees, and that lists count.
    pub fn comment_hidden(&self, project: &str, number: u64) -> Option<u64> {
        let (kind, now) = (CommentKind::Hidden, self.0.clock.now());
        self.state().add_comment(project, number, NewComment { author: PERSON, body: "hidden", kind, now })
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

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn view(&self) -> View {
        let git = self.0.git.get().map(GitServer::url).unwrap_or_default();
        View { site: self.url(), api: self.api_url(), git: git.trim_end_matches('/').to_owned() }
    }

    pub(super) fn hook_of(&self, project: &str) -> Option<u64> {
        self.0.config.webhook_url.as_ref()?;
        self.state().repo(project).map(|repo| repo.hook)
    }

    /// Keeps the ref of the head, as the forge does.
    async fn publish_head(&self, project: &str, number: u64) -> Result<(), DevForgeError> {
        let head = self.state().pull(project, number).map(|pull| pull.head.clone());
        if let Some(head) = head {
            git::update_ref(&self.repo_dir(project), &self.head_ref(number), &head).await?;
        }
        Ok(())
    }

    /// Tells of what has happened to a pull request; GitLab writes it on the merge request as well.
    pub(super) fn changed(&self, project: &str, number: u64, change: &PullChange) {
        if let (Dialect::GitLab, Some(body)) = (self.0.config.dialect, gitlab::system_note(change)) {
            let text = NewComment { author: PERSON, body: &body, kind: CommentKind::System, now: self.0.clock.now() };
            self.state().add_comment(project, number, text);
        }
        self.tell(project, Occasion::Changed(number, change));
    }

    /// Tells of a comment, if the hook is set so.
    pub(super) fn noted(&self, project: &str, id: u64) {
        let is_sent = |event: &String| event == "note_events" || event == "issue_comment";
        if !self.state().settings().events.iter().any(is_sent) {
            return;
        }
        self.tell(project, Occasion::Noted(id));
    }

    /// Sends an event to the hook of a repository, if it has one.
    fn tell(&self, project: &str, of: Occasion<'_>) {
        let config = &self.0.config;
        let Some(url) = &config.webhook_url else { return };
        let view = self.view();
        let letter = {
            let state = self.state();
            let Some(repo) = state.repo(project) else { return };
            let from = Sender { view: &view, repo, url, secret: &config.webhook_secret, now: self.0.clock.now() };
            match config.dialect {
                Dialect::GitHub => github::letter(&from, of),
                Dialect::GitLab => gitlab::letter(&from, of),
            }
        };
        if let Some(letter) = letter {
            self.0.postman.post(letter);
        }
    }
}
