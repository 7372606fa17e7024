//! What people do: commits, pushes and pull requests.

use driftless::ids::Oid;

use super::{PROJECT, World};
use crate::support::git::git;

/// Files to write and to remove.
#[derive(Default, Clone)]
pub struct Files {
    written: Vec<(String, String)>,
    removed: Vec<String>,
}

impl Files {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn file(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.written.push((path.into(), text.into()));
        self
    }

    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        self.removed.push(path.to_owned());
        self
    }
}

/// A pull request with the head that it was opened with.
#[derive(Debug, Clone)]
pub struct Pull {
    pub number: u64,
    pub head: Oid,
}

impl World {
    /// The definition of an app in the world's namespace, from a folder of the repository.
    pub fn app(&self, name: &str, path: &str) -> String {
        self.app_with(name, path, "")
    }

    /// The same with more lines of `spec`, each two spaces in.
    pub fn app_with(&self, name: &str, path: &str, more: &str) -> String {
        let namespace = &self.namespace;
        format!(
            "apiVersion: driftless.dev/v1\nkind: App\nmetadata:\n  name: {name}\nspec:\n  source: {{path: {path}}}\n  \
             destination: {{cluster: prod, namespace: {namespace}}}\n{more}"
        )
    }

    /// Commits to `main` and pushes it.
    pub async fn push(&self, files: Files) -> Oid {
        self.push_to("main", files).await
    }

    /// Commits to a branch, which begins at `main` if it is new, and pushes it.
    pub async fn push_to(&self, branch: &str, files: Files) -> Oid {
        let commit = self.commit(branch, &files);
        self.forge.refs_changed(PROJECT).await.expect("seen");
        commit
    }

    /// The same without a word to anybody.
    pub fn commit(&self, branch: &str, files: &Files) -> Oid {
        let bare = self.forge.repo_dir(PROJECT).display().to_string();
        self.work.git(&["fetch", "-q", &bare, "+refs/heads/*:refs/remotes/origin/*"]);
        let from = [format!("origin/{branch}"), "origin/main".to_owned()];
        let known = |name: &&String| !self.work.git(&["branch", "--remotes", "--list", name]).is_empty();
        if let Some(start) = from.iter().find(known) {
            self.work.git(&["checkout", "-q", "-f", "-B", branch, start]);
        }
        for path in &files.removed {
            self.work.git(&["rm", "-q", "-r", path]);
        }
        for (path, text) in &files.written {
            self.work.write(path, text);
        }
        let commit = self.work.commit_all(&format!("Change {branch}"));
        self.work.git(&["push", "-q", &bare, &format!("HEAD:refs/heads/{branch}")]);
        commit
    }

    /// Commits one after the other on `main`, all at the forge and on no branch of it yet.
    pub fn commit_hidden(&self, all: impl Iterator<Item = Files>) -> Vec<Oid> {
        let bare = self.forge.repo_dir(PROJECT).display().to_string();
        self.work.git(&["fetch", "-q", &bare, "main"]);
        self.work.git(&["checkout", "-q", "-f", "-B", "main", "FETCH_HEAD"]);
        let mut commits = Vec::new();
        for files in all {
            files.written.iter().for_each(|(path, text)| self.work.write(path, text));
            commits.push(self.work.commit_all("Change main"));
        }
        self.work.git(&["push", "-q", &bare, "HEAD:refs/hidden/main"]);
        commits
    }

    /// A merge commit of `main` and a pull request with files that neither side has, at the forge and on no branch of
    /// it yet.
    pub fn merge_with(&self, pull: &Pull, files: &Files) -> Oid {
        let bare = self.forge.repo_dir(PROJECT).display().to_string();
        self.work.git(&["fetch", "-q", &bare, "main"]);
        self.work.git(&["checkout", "-q", "-f", "--detach", "FETCH_HEAD"]);
        self.work.git(&["fetch", "-q", &bare, &self.forge.head_ref(pull.number)]);
        self.work.git(&["merge", "-q", "--no-ff", "--no-commit", "FETCH_HEAD"]);
        files.written.iter().for_each(|(path, text)| self.work.write(path, text));
        let commit = self.work.commit_all("Merge");
        self.work.git(&["push", "-q", &bare, "HEAD:refs/hidden/merge"]);
        commit
    }

    /// A branch that shares no commit with any other.
    pub fn commit_unrelated(&self, branch: &str, files: &Files) -> Oid {
        let bare = self.forge.repo_dir(PROJECT).display().to_string();
        self.work.git(&["checkout", "-q", "-f", "--orphan", branch]);
        self.work.git(&["rm", "-rfq", "--ignore-unmatch", "."]);
        files.written.iter().for_each(|(path, text)| self.work.write(path, text));
        let commit = self.work.commit_all("Out of nowhere");
        self.work.git(&["push", "-q", &bare, &format!("HEAD:refs/heads/{branch}")]);
        commit
    }

    /// `main` as it is, as one commit without a history.
    pub async fn rewrite_main(&self) -> Oid {
        let dir = self.forge.repo_dir(PROJECT);
        let commit = git(&dir, &["commit-tree", "-m", "Anew", "refs/heads/main^{tree}"]);
        git(&dir, &["update-ref", "refs/heads/main", &commit]);
        self.forge.refs_changed(PROJECT).await.expect("seen");
        commit.parse().expect("a commit")
    }

    pub async fn delete_branch(&self, branch: &str) {
        git(&self.forge.repo_dir(PROJECT), &["update-ref", "-d", &format!("refs/heads/{branch}")]);
        self.work.git(&["update-ref", "-d", &format!("refs/remotes/origin/{branch}")]);
        self.forge.refs_changed(PROJECT).await.expect("seen");
    }

    /// Moves `main` to a commit that the forge has, and tells.
    pub async fn show(&self, commit: &Oid) {
        git(&self.forge.repo_dir(PROJECT), &["update-ref", "refs/heads/main", commit.as_str()]);
        self.forge.refs_changed(PROJECT).await.expect("seen");
    }

    /// Pushes a new branch and opens a pull request for it.
    pub async fn open_pull(&self, branch: &str, files: Files) -> Pull {
        let head = self.commit(branch, &files);
        let number = self.forge.open_pull(PROJECT, branch, "main", &format!("Merge {branch}")).await.expect("opened");
        Pull { number, head }
    }

    /// Presses the button; the merge commit.
    pub async fn merge_pull(&self, number: u64) -> Oid {
        self.forge.merge_pull(PROJECT, number).await.expect("merged")
    }
}
