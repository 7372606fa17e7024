//! Git: one bare mirror per repo, fetched over HTTPS, read without a checkout. The only user of gix; `git` itself makes
//! the merges.
//!
//! A mirror contains only the requested refs, with their whole history, because merges need a merge base. Git's work is
//! blocking and runs on blocking threads; a cancelled or dropped operation stops there within a moment.

mod compact;
mod config;
mod error;
mod exchange;
mod failure;
mod fetch;
mod handshake;
mod history;
mod http;
mod merge;
mod mirror;
mod program;
mod remote;
mod stop;
mod tree;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

pub use config::MirrorsConfig;
pub use error::{Cause, SourceError};
pub use history::{Change, Changes, CommitInfo};
pub use merge::Merge;
pub use remote::{Credential, Remote};

use crate::ids::{Oid, RepoName};
use crate::lifecycle::Tasks;
use crate::tree::Tree;
use error::chain;
use mirror::{Mirror, OpenMirrors};
use stop::{Stop, StopOnDrop};

/// All mirrors of one process. Cheap to clone.
#[derive(Clone)]
pub struct Mirrors {
    shared: Arc<Shared>,
}

struct Shared {
    config: MirrorsConfig,
    client: reqwest::Client,
    tasks: Tasks,
    /// One per configured repo.
    mirrors: Mutex<HashMap<RepoName, Arc<Mirror>>>,
    open: OpenMirrors,
}

impl Mirrors {
    /// The default crypto provider of rustls must have been installed.
    pub fn new(config: MirrorsConfig, tasks: &Tasks) -> Result<Self, SourceError> {
        mirror::remove_left_overs(&config.dir);
        let client = http::client(config.tls_ca.as_deref(), config.idle_timeout)?;
        let open = OpenMirrors::new(&config);
        let shared = Shared { config, client, tasks: tasks.clone(), mirrors: Mutex::default(), open };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The commits of all branches and tags of the forge (`refs/heads/…`, `refs/tags/…`), and of `HEAD`. Tags are
    /// followed to their commit.
    pub async fn list_refs(
        &self,
        remote: &Remote,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<String, Oid>, SourceError> {
        let url = remote.checked()?;
        let (mirror, remote, this) = (self.mirror(&remote.repo)?, remote.clone(), self.clone());
        self.blocking(&remote.repo.clone(), cancel, move |stop| {
            mirror.list(&this.shared.open, &this.connection(&mirror, &remote, url, stop))
        })
        .await
    }

    /// Brings these refs (full names, also `refs/pull/7/head`) up to date and answers their commits.
    ///
    /// A ref that the forge does not have is `None`, and is forgotten here. One fetch runs per repo at a time; others
    /// wait for it.
    pub async fn fetch(
        &self,
        remote: &Remote,
        refs: &[String],
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<String, Option<Oid>>, SourceError> {
        let url = remote.checked()?;
        for name in refs {
            remote::check_ref(&remote.repo, name)?;
        }
        if refs.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mirror = self.mirror(&remote.repo)?;
        let lock = tokio::select! {
            lock = mirror.hold(self.shared.config.wait) => lock?,
            () = cancel.cancelled() => return Err(SourceError::Cancelled { repo: remote.repo.clone() }),
        };
        let (names, this, owned) = (refs.iter().cloned().collect(), self.clone(), remote.clone());
        let of = Arc::clone(&mirror);
        let fetched = self
            .blocking(&remote.repo, cancel, move |stop| {
                // Held until Git's side has really ended, also when nobody waits for it any more.
                let _lock = lock;
                of.fetch(&this.shared.open, &this.connection(&of, &owned, url, stop), &names)
            })
            .await?;
        self.compact_if_due(&mirror, remote);
        Ok(fetched)
    }

    /// The commit of a ref as it was last fetched.
    pub async fn resolve(&self, repo: &RepoName, ref_name: &str) -> Result<Option<Oid>, SourceError> {
        remote::check_ref(repo, ref_name)?;
        let name = ref_name.to_owned();
        self.read(repo, move |git, repo| fetch::resolve(git, repo, &name)).await
    }

    /// Forgets fetched refs, as those of a pull request that was closed. Their objects go when the mirror is next made
    /// compact.
    pub async fn forget(&self, repo: &RepoName, refs: &[String]) -> Result<(), SourceError> {
        for name in refs {
            remote::check_ref(repo, name)?;
        }
        let names: Vec<String> = refs.to_vec();
        let _lock = self.mirror(repo)?.hold(self.shared.config.wait).await?;
        self.read(repo, move |git, repo| fetch::delete(git, repo, names.iter().map(String::as_str))).await
    }

    /// The same where it is only about room: what cannot be forgotten now is forgotten with the mirror.
    pub async fn forget_quietly(&self, repo: &RepoName, refs: &[String]) {
        match self.forget(repo, refs).await {
            Ok(()) | Err(SourceError::NotMirrored { .. } | SourceError::Ref { .. }) => {}
            Err(error) => tracing::warn!(%repo, ?refs, error = chain(&error), "unused refs could not be removed"),
        }
    }

    /// Keeps a commit although no ref of the forge may reach it any more, under a name of the caller's (at most 100
    /// letters, digits, `-`); `None` lets it go. The revision that an app runs at must outlive a forced push.
    pub async fn keep(&self, repo: &RepoName, name: &str, commit: Option<&Oid>) -> Result<(), SourceError> {
        let (name, commit) = (name.to_owned(), commit.cloned());
        let _lock = self.mirror(repo)?.hold(self.shared.config.wait).await?;
        self.read(repo, move |git, repo| fetch::keep(git, repo, &name, commit.as_ref())).await
    }

    pub async fn has_commit(&self, repo: &RepoName, commit: &Oid) -> bool {
        let commit = commit.clone();
        self.read(repo, move |git, repo| history::find(git, repo, &commit).map(drop)).await.is_ok()
    }

    /// The commits that are here and whose ids begin with these hex digits, sorted.
    pub async fn commits_from(&self, repo: &RepoName, digits: &str) -> Result<Vec<Oid>, SourceError> {
        let digits = digits.to_owned();
        self.read(repo, move |git, repo| history::beginning(git, repo, &digits)).await
    }

    /// The tree of a commit. It stays readable while the mirror is fetched into and made compact.
    pub async fn tree(&self, repo: &RepoName, commit: &Oid) -> Result<Arc<dyn Tree>, SourceError> {
        let mirror = self.mirror(repo)?;
        if let Some(tree) = mirror.tree_in_use(commit) {
            return Ok(tree);
        }
        let (owned, suspect) = (commit.clone(), Arc::clone(&mirror.suspect));
        let tree = self.read(repo, move |git, repo| tree::of_commit(git.clone(), repo, &owned, suspect)).await?;
        mirror.use_tree(commit, &tree);
        Ok(tree)
    }

    pub async fn commit(&self, repo: &RepoName, commit: &Oid) -> Result<CommitInfo, SourceError> {
        let commit = commit.clone();
        self.read(repo, move |git, repo| history::info(git, repo, &commit)).await
    }

    /// Whether `descendant` has `ancestor` in its history. A commit is its own ancestor.
    pub async fn is_ancestor(&self, repo: &RepoName, ancestor: &Oid, descendant: &Oid) -> Result<bool, SourceError> {
        let (ancestor, descendant) = (ancestor.clone(), descendant.clone());
        self.read(repo, move |git, repo| history::is_ancestor(git, repo, &ancestor, &descendant)).await
    }

    /// The parents of a commit, first one first.
    pub async fn parents(&self, repo: &RepoName, commit: &Oid) -> Result<Vec<Oid>, SourceError> {
        let commit = commit.clone();
        self.read(repo, move |git, repo| history::parents(git, repo, &commit)).await
    }

    /// The commits nearest behind a branch's head, a thousand of them at most; `before` is where it was.
    pub async fn newest(&self, repo: &RepoName, now: &Oid, before: &Oid) -> Result<BTreeSet<Oid>, SourceError> {
        let (now, before) = (now.clone(), before.clone());
        self.read(repo, move |git, repo| history::newest(git, repo, &now, &before)).await
    }

    /// The commit of a branch that brought `head` into it.
    pub async fn merged_by(&self, repo: &RepoName, head: &Oid, branch: &Oid) -> Result<Oid, SourceError> {
        let (head, branch) = (head.clone(), branch.clone());
        self.read(repo, move |git, repo| history::merged_by(git, repo, &head, &branch)).await
    }

    /// The files that differ between two commits, at most `limit` of them, sorted by path.
    pub async fn changed_paths(
        &self,
        repo: &RepoName,
        from: &Oid,
        to: &Oid,
        limit: usize,
    ) -> Result<Changes, SourceError> {
        let (from, to) = (from.clone(), to.clone());
        self.read(repo, move |git, repo| history::changes(git, repo, &from, &to, limit)).await
    }

    /// The commit by which a path came to be what it is at `at`, or to be gone.
    pub async fn last_change(&self, repo: &RepoName, path: &str, at: &Oid) -> Result<Option<Oid>, SourceError> {
        let (path, at) = (path.to_owned(), at.clone());
        self.read(repo, move |git, repo| history::last_change(git, repo, &path, &at)).await
    }

    fn mirror(&self, repo: &RepoName) -> Result<Arc<Mirror>, SourceError> {
        let mut mirrors = self.shared.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mirror) = mirrors.get(repo) {
            return Ok(Arc::clone(mirror));
        }
        let mirror = Arc::new(Mirror::new(&self.shared.config.dir, repo)?);
        mirrors.insert(repo.clone(), Arc::clone(&mirror));
        Ok(mirror)
    }

    fn connection(&self, mirror: &Mirror, remote: &Remote, url: url::Url, stop: &Stop) -> fetch::Connection {
        let config = &self.shared.config;
        let limits = failure::Limits { total: config.timeout, idle: config.idle_timeout, bytes: config.max_pack_bytes };
        fetch::Connection {
            remote: remote.clone(),
            url,
            client: self.shared.client.clone(),
            limits,
            runtime: tokio::runtime::Handle::current(),
            stop: stop.clone(),
            max_object_bytes: config.max_object_bytes,
            greeting: Arc::clone(&mirror.greeting),
        }
    }

    /// Reads from a mirror that is there. A failure of the mirror makes the next fetch look closer.
    async fn read<T: Send + 'static>(
        &self,
        repo: &RepoName,
        work: impl FnOnce(&gix::Repository, &RepoName) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let (mirror, shared, name) = (self.mirror(repo)?, Arc::clone(&self.shared), repo.clone());
        self.blocking(repo, &CancellationToken::new(), move |_| {
            let git = mirror.open(&shared.open)?.ok_or_else(|| SourceError::NotMirrored { repo: name.clone() })?;
            let result = work(&git, &name);
            if result.as_ref().is_err_and(SourceError::blames_mirror) {
                mirror.suspect.store(true, Ordering::SeqCst);
            }
            result
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        repo: &RepoName,
        cancel: &CancellationToken,
        work: impl FnOnce(&Stop) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let stop = Stop::with(cancel);
        let _stop_on_drop = StopOnDrop(stop.clone());
        let done = tokio::task::spawn_blocking(move || work(&stop));
        tokio::select! {
            result = done => result.map_err(|error| SourceError::git(repo, "its task failed", error))?,
            () = cancel.cancelled() => Err(SourceError::Cancelled { repo: repo.clone() }),
        }
    }
}
