//! What the forge knows. Plain data under one lock; nothing here waits.

use std::collections::{BTreeMap, HashMap};

use driftless_webhooks::Oid;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::git::Branches;
use super::gitlab::Pipelines;
use super::record::{Comment, CommentKind, Merged, Moved, Pull, Repo, Status};
use super::settings::Settings;
use super::shown::{CommentView, StatusView};
use super::user::{OWNER, PERSON};

pub(super) struct State {
    repos: BTreeMap<String, Repo>,
    next_id: u64,
    token: String,
    /// Installation tokens and when they end.
    installation: HashMap<String, Timestamp>,
    /// The names that repositories had, and what they are called now.
    moved: HashMap<String, String>,
    settings: Settings,
}

/// A comment that is to be written.
#[derive(Clone, Copy)]
pub(super) struct NewComment<'a> {
    pub author: &'a str,
    pub body: &'a str,
    pub kind: CommentKind,
    pub now: Timestamp,
}

/// As somebody's words.
pub(super) fn written<'a>(author: &'a str, body: &'a str, now: Timestamp) -> NewComment<'a> {
    NewComment { author, body, kind: CommentKind::Written, now }
}

impl State {
    pub(super) fn new(token: &SecretString, settings: Settings) -> Self {
        let token = token.expose_secret().to_owned();
        Self {
            repos: BTreeMap::new(),
            next_id: 1000,
            token,
            installation: HashMap::new(),
            moved: HashMap::new(),
            settings,
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// One that nothing had before.
    pub(super) fn id(&mut self) -> u64 {
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
            pipelines: Pipelines::default(),
        };
        self.repos.insert(format!("{owner}/{name}").to_lowercase(), repo);
    }

    pub(super) fn repos(&self) -> impl Iterator<Item = &Repo> {
        self.repos.values()
    }

    pub(super) fn repo(&self, project: &str) -> Option<&Repo> {
        self.repos.get(&project.to_lowercase())
    }

    /// By its number, or by a path, which may be one that it had before: then its present one comes with it.
    pub(super) fn find(&self, id: &str) -> Option<(&Repo, bool)> {
        if let Ok(id) = id.parse::<u64>() {
            return self.repos.values().find(|repo| repo.id == id).map(|repo| (repo, false));
        }
        let moved = || self.repo(self.moved.get(&id.to_lowercase())?).map(|repo| (repo, true));
        self.repo(id).map(|repo| (repo, false)).or_else(moved)
    }

    /// Gives a repository another name; the old one leads to it.
    pub(super) fn move_repo(&mut self, from: &str, owner: &str, name: &str) {
        let Some(mut repo) = self.repos.remove(&from.to_lowercase()) else { return };
        owner.clone_into(&mut repo.owner);
        name.clone_into(&mut repo.name);
        let to = repo.full_name().to_lowercase();
        self.moved.insert(from.to_lowercase(), to.clone());
        self.repos.insert(to, repo);
    }

    pub(super) fn repo_mut(&mut self, project: &str) -> Option<&mut Repo> {
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

    /// Gives open pull requests their new heads and bases; returns those whose head moved, with the one before.
    pub(super) fn move_pulls(&mut self, project: &str, moves: &[Moved], now: Timestamp) -> Vec<(u64, Oid)> {
        let Some(repo) = self.repo_mut(project) else { return Vec::new() };
        let mut updated = Vec::new();
        for pull in repo.pulls.values_mut().filter(|pull| pull.open) {
            for moved in moves {
                let Some(after) = &moved.after else { continue };
                if moved.branch == pull.head_ref {
                    let before = std::mem::replace(&mut pull.head, after.clone());
                    pull.updated = now;
                    updated.push((pull.number, before));
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
            locked: false,
            merged: None,
            fork: false,
            created: now,
            updated: now,
        };
        repo.pulls.insert(number, pull);
        Some(number)
    }

    pub(super) fn close_pull(&mut self, project: &str, number: u64, merged: Option<Merged>, now: Timestamp) {
        if let Some(pull) = self.pull_mut(project, number) {
            pull.open = false;
            pull.merged = merged;
            pull.updated = now;
        }
    }

    /// Returns the branch that it went into before; none if there is no such pull request or branch.
    pub(super) fn retarget_pull(&mut self, project: &str, number: u64, to: &str, now: Timestamp) -> Option<String> {
        let repo = self.repo_mut(project)?;
        let base = repo.branches.get(to)?.clone();
        let pull = repo.pulls.get_mut(&number).filter(|pull| pull.open)?;
        (pull.base, pull.updated) = (base, now);
        Some(std::mem::replace(&mut pull.base_ref, to.to_owned()))
    }

    /// Whether it was closed and unmerged. Its head is where its branch is by now.
    pub(super) fn reopen_pull(&mut self, project: &str, number: u64, now: Timestamp) -> bool {
        let Some(repo) = self.repo_mut(project) else { return false };
        let Some(pull) = repo.pulls.get_mut(&number).filter(|pull| !pull.open && pull.merged.is_none()) else {
            return false;
        };
        (pull.open, pull.updated) = (true, now);
        if let Some(head) = repo.branches.get(&pull.head_ref) {
            pull.head = head.clone();
        }
        true
    }

    pub(super) fn add_comment(&mut self, project: &str, number: u64, text: NewComment<'_>) -> Option<u64> {
        self.pull(project, number)?;
        let id = self.id();
        let NewComment { author, body, kind, now } = text;
        let (author, body) = (author.to_owned(), body.to_owned());
        let (created, updated, reactions) = (now, now, Vec::new());
        self.repo_mut(project)?.comments.push(Comment { id, number, author, body, kind, created, updated, reactions });
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

    /// None if there is no such comment; false if it has this reaction already.
    pub(super) fn react(&mut self, project: &str, id: u64, login: &str, content: &str) -> Option<bool> {
        let comment = self.repo_mut(project)?.comments.iter_mut().find(|comment| comment.id == id)?;
        let reaction = (login.to_owned(), content.to_owned());
        let is_new = !comment.reactions.contains(&reaction);
        if is_new {
            comment.reactions.push(reaction);
        }
        Some(is_new)
    }

    /// What somebody may do, as GitLab's levels say it; the person who owns everything here may do all.
    pub(super) fn level(&self, login: &str) -> u64 {
        let known = if login == PERSON { OWNER } else { 0 };
        self.settings.members.get(login).copied().unwrap_or(known)
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
            reactions: comment.reactions.iter().map(|(_, content)| content.clone()).collect(),
        };
        self.comments_of(project, number).filter(|comment| comment.kind == CommentKind::Written).map(view).collect()
    }

    /// Newest first, in whichever dialect they were set.
    pub(super) fn statuses(&self, project: &str, sha: &Oid) -> Vec<StatusView> {
        let view = |status: &Status| StatusView {
            state: status.state.clone(),
            context: status.context.clone(),
            description: status.description.clone().unwrap_or_default(),
        };
        let jobs = self.repo(project).into_iter().flat_map(|repo| repo.pipelines.shown(sha));
        self.statuses_of(project, sha).map(view).chain(jobs).collect()
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
