//! What the forge knows. Plain data under one lock; nothing here waits.

use std::collections::{BTreeMap, HashMap};

use driftless_webhooks::Oid;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::caller::Caller;
use super::git::Branches;
use super::settings::Settings;

/// Who commits, opens and merges here.
pub(super) const PERSON: &str = "you";

pub(super) struct State {
    repos: BTreeMap<String, Repo>,
    next_id: u64,
    token: String,
    /// Installation tokens and when they end.
    installation: HashMap<String, Timestamp>,
    settings: Settings,
}

pub(super) struct Repo {
    pub id: u64,
    pub owner: String,
    pub name: String,
    pub hook: u64,
    pub created: Timestamp,
    next_number: u64,
    branches: Branches,
    pulls: BTreeMap<u64, Pull>,
    comments: Vec<Comment>,
    statuses: Vec<Status>,
}

#[derive(Debug, Clone)]
pub(super) struct Pull {
    pub id: u64,
    pub number: u64,
    pub title: String,
    pub author: String,
    pub head_ref: String,
    pub head: Oid,
    pub base_ref: String,
    pub base: Oid,
    pub open: bool,
    pub merged: Option<(Oid, Timestamp)>,
    pub fork: bool,
    pub created: Timestamp,
    pub updated: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct Comment {
    pub id: u64,
    pub number: u64,
    pub author: String,
    pub body: String,
    pub created: Timestamp,
    pub updated: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct Status {
    pub id: u64,
    pub sha: Oid,
    pub state: String,
    pub context: String,
    pub description: Option<String>,
    pub target_url: Option<String>,
    pub creator: String,
    pub created: Timestamp,
}

/// A comment as tests and the page see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommentView {
    pub id: u64,
    pub author: String,
    pub body: String,
}

/// A status as tests and the page see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusView {
    pub state: String,
    pub context: String,
    pub description: String,
}

/// A pull request as `driftless dev` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullView {
    pub number: u64,
    pub title: String,
    /// `open`, `merged` or `closed`.
    pub state: &'static str,
}

/// A branch that was made, moved or deleted.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    pub branch: String,
    pub before: Option<Oid>,
    pub after: Option<Oid>,
}

impl Pull {
    pub(super) fn state(&self) -> &'static str {
        match (self.open, &self.merged) {
            (true, _) => "open",
            (false, Some(_)) => "merged",
            (false, None) => "closed",
        }
    }
}

impl Repo {
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    pub(super) fn pulls(&self) -> impl DoubleEndedIterator<Item = &Pull> {
        self.pulls.values()
    }

    pub(super) fn branches(&self) -> &Branches {
        &self.branches
    }
}

impl State {
    pub(super) fn new(token: &SecretString) -> Self {
        let token = token.expose_secret().to_owned();
        Self {
            repos: BTreeMap::new(),
            next_id: 1000,
            token,
            installation: HashMap::new(),
            settings: Settings::default(),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    pub(super) fn may_see_hooks(&self, caller: &Caller) -> bool {
        match caller {
            Caller::Login(login) => self.settings.show_hooks(login.ends_with("[bot]")),
            Caller::App => false,
        }
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn add_repo(&mut self, owner: &str, name: &str, now: Timestamp) {
        let (id, hook) = (self.id(), self.id());
        let repo = Repo {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            hook,
            created: now,
            next_number: 1,
            branches: Branches::new(),
            pulls: BTreeMap::new(),
            comments: Vec::new(),
            statuses: Vec::new(),
        };
        self.repos.insert(format!("{owner}/{name}").to_lowercase(), repo);
    }

    pub(super) fn repos(&self) -> impl Iterator<Item = &Repo> {
        self.repos.values()
    }

    pub(super) fn repo(&self, project: &str) -> Option<&Repo> {
        self.repos.get(&project.to_lowercase())
    }

    fn repo_mut(&mut self, project: &str) -> Option<&mut Repo> {
        self.repos.get_mut(&project.to_lowercase())
    }

    pub(super) fn pull(&self, project: &str, number: u64) -> Option<&Pull> {
        self.repo(project)?.pulls.get(&number)
    }

    pub(super) fn pull_mut(&mut self, project: &str, number: u64) -> Option<&mut Pull> {
        self.repo_mut(project)?.pulls.get_mut(&number)
    }

    /// Takes over what the repository has, and returns what is different.
    pub(super) fn set_refs(&mut self, project: &str, branches: Branches) -> Vec<Moved> {
        let Some(repo) = self.repo_mut(project) else { return Vec::new() };
        let before = std::mem::replace(&mut repo.branches, branches);
        let names: std::collections::BTreeSet<&String> = before.keys().chain(repo.branches.keys()).collect();
        names
            .into_iter()
            .map(|name| Moved {
                branch: name.clone(),
                before: before.get(name).cloned(),
                after: repo.branches.get(name).cloned(),
            })
            .filter(|moved| moved.before != moved.after)
            .collect()
    }

    /// Gives open pull requests their new heads and bases; returns those whose head moved.
    pub(super) fn move_pulls(&mut self, project: &str, moves: &[Moved], now: Timestamp) -> Vec<u64> {
        let Some(repo) = self.repo_mut(project) else { return Vec::new() };
        let mut updated = Vec::new();
        for pull in repo.pulls.values_mut().filter(|pull| pull.open) {
            for moved in moves {
                let Some(after) = &moved.after else { continue };
                if moved.branch == pull.head_ref {
                    pull.head = after.clone();
                    pull.updated = now;
                    updated.push(pull.number);
                }
                if moved.branch == pull.base_ref {
                    pull.base = after.clone();
                }
            }
        }
        updated
    }

    pub(super) fn open_pull(&mut self, project: &str, branches: [&str; 2], title: &str, now: Timestamp) -> Option<u64> {
        let id = self.id();
        let repo = self.repo_mut(project)?;
        let [head, base] = branches;
        let (head_oid, base_oid) = (repo.branches.get(head)?.clone(), repo.branches.get(base)?.clone());
        let number = repo.next_number;
        repo.next_number += 1;
        let pull = Pull {
            id,
            number,
            title: title.to_owned(),
            author: PERSON.to_owned(),
            head_ref: head.to_owned(),
            head: head_oid,
            base_ref: base.to_owned(),
            base: base_oid,
            open: true,
            merged: None,
            fork: false,
            created: now,
            updated: now,
        };
        repo.pulls.insert(number, pull);
        Some(number)
    }

    pub(super) fn close_pull(&mut self, project: &str, number: u64, merged: Option<Oid>, now: Timestamp) {
        if let Some(pull) = self.pull_mut(project, number) {
            pull.open = false;
            pull.merged = merged.map(|oid| (oid, now));
            pull.updated = now;
        }
    }

    pub(super) fn add_comment(
        &mut self,
        project: &str,
        number: u64,
        author: &str,
        body: &str,
        now: Timestamp,
    ) -> Option<u64> {
        self.pull(project, number)?;
        let id = self.id();
        let comment =
            Comment { id, number, author: author.to_owned(), body: body.to_owned(), created: now, updated: now };
        self.repo_mut(project)?.comments.push(comment);
        Some(id)
    }

    pub(super) fn comment(&self, project: &str, id: u64) -> Option<&Comment> {
        self.repo(project)?.comments.iter().find(|comment| comment.id == id)
    }

    pub(super) fn comments_of(&self, project: &str, number: u64) -> impl Iterator<Item = &Comment> {
        self.repo(project).into_iter().flat_map(|repo| &repo.comments).filter(move |comment| comment.number == number)
    }

    pub(super) fn edit_comment(&mut self, project: &str, id: u64, body: &str, now: Timestamp) -> bool {
        let found = self.repo_mut(project).and_then(|repo| repo.comments.iter_mut().find(|comment| comment.id == id));
        found.is_some_and(|comment| {
            body.clone_into(&mut comment.body);
            comment.updated = now;
            true
        })
    }

    pub(super) fn delete_comment(&mut self, project: &str, id: u64) -> bool {
        self.repo_mut(project).is_some_and(|repo| {
            let before = repo.comments.len();
            repo.comments.retain(|comment| comment.id != id);
            repo.comments.len() < before
        })
    }

    pub(super) fn add_status(&mut self, project: &str, mut status: Status) -> Option<Status> {
        status.id = self.id();
        self.repo_mut(project)?.statuses.push(status.clone());
        Some(status)
    }

    /// Newest first.
    pub(super) fn statuses_of(&self, project: &str, sha: &Oid) -> impl Iterator<Item = &Status> {
        self.repo(project)
            .into_iter()
            .flat_map(|repo| repo.statuses.iter().rev())
            .filter(move |status| status.sha == *sha)
    }

    pub(super) fn comments(&self, project: &str, number: u64) -> Vec<CommentView> {
        let view = |comment: &Comment| CommentView {
            id: comment.id,
            author: comment.author.clone(),
            body: comment.body.clone(),
        };
        self.comments_of(project, number).map(view).collect()
    }

    pub(super) fn statuses(&self, project: &str, sha: &Oid) -> Vec<StatusView> {
        let view = |status: &Status| StatusView {
            state: status.state.clone(),
            context: status.context.clone(),
            description: status.description.clone().unwrap_or_default(),
        };
        self.statuses_of(project, sha).map(view).collect()
    }

    pub(super) fn rotate(&mut self, token: &SecretString) {
        token.expose_secret().clone_into(&mut self.token);
        self.installation.clear();
    }

    pub(super) fn is_token(&self, token: &str) -> bool {
        self.token == token
    }

    pub(super) fn is_installation_token(&self, token: &str, now: Timestamp) -> bool {
        self.installation.get(token).is_some_and(|expires| now < *expires)
    }

    pub(super) fn add_installation_token(&mut self, token: String, expires: Timestamp) {
        self.installation.insert(token, expires);
    }
}
