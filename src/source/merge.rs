//! The merge of a pull request as the forge would make it: its own test merge, otherwise Git's. Nothing is written to
//! the mirror.
//!
//! Git's merge (merge-ort) has its own rules for renames of files and directories, copies and several merge bases. A
//! second implementation would not always agree with it, so `git merge-tree` is used, as forges do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gix::objs::Write as _;
use tokio_util::sync::CancellationToken;

use super::program::{self, Answer, Call, ProgramError};
use super::tree::GitTree;
use super::{Mirrors, SourceError, history};
use crate::ids::{Oid, RepoName};
use crate::tree::Tree;

/// What merging gives.
#[derive(Clone)]
pub enum Merge {
    Clean {
        tree: Arc<dyn Tree>,
        tree_id: Oid,
    },
    /// The paths that both sides changed in ways that do not fit, sorted.
    Conflict {
        paths: Vec<String>,
    },
}

impl std::fmt::Debug for Merge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Clean { tree_id, .. } => f.debug_struct("Clean").field("tree_id", tree_id).finish_non_exhaustive(),
            Self::Conflict { paths } => f.debug_struct("Conflict").field("paths", paths).finish(),
        }
    }
}

/// What history alone tells of a merge.
enum Known {
    /// The commit whose tree the merge has: one side has nothing of its own, or the forge has made this very merge.
    Tree(Oid),
    Unknown,
}

impl Mirrors {
    /// Merges `head` into `base`. `tested` is the forge's own test merge, which counts where it is a merge of these
    /// two.
    pub async fn merge(
        &self,
        repo: &RepoName,
        base: &Oid,
        head: &Oid,
        tested: Option<&Oid>,
        cancel: &CancellationToken,
    ) -> Result<Merge, SourceError> {
        let (ours, theirs, tested) = (base.clone(), head.clone(), tested.cloned());
        match self.read(repo, move |git, repo| known(git, repo, &ours, &theirs, tested.as_ref())).await? {
            Known::Tree(commit) => {
                let tree_id = self.tree_id(repo, &commit).await?;
                Ok(Merge::Clean { tree: self.tree(repo, &commit).await?, tree_id })
            }
            // A mirror that is made compact or anew meanwhile takes objects away that Git had just seen.
            Known::Unknown => match self.merge_tree(repo, base, head, cancel).await {
                Err(SourceError::Git { .. }) => self.merge_tree(repo, base, head, cancel).await,
                result => result,
            },
        }
    }

    /// The id of a commit's tree: equal ids are equal content.
    pub async fn tree_id(&self, repo: &RepoName, commit: &Oid) -> Result<Oid, SourceError> {
        let commit = commit.clone();
        self.read(repo, move |git, repo| history::tree_of(git, repo, &commit).map(history::oid)).await
    }

    /// Which `git` there is, or what is wrong with it.
    pub async fn check_git(program: &Path) -> Result<String, SourceError> {
        program::version(program).await.map_err(|reason| SourceError::NoGit { reason })
    }

    /// The program that this one is configured with.
    pub async fn git_version(&self) -> Result<String, SourceError> {
        Self::check_git(&self.shared.config.git).await
    }

    async fn merge_tree(
        &self,
        repo: &RepoName,
        base: &Oid,
        head: &Oid,
        cancel: &CancellationToken,
    ) -> Result<Merge, SourceError> {
        let mirror = self.mirror(repo)?;
        // New objects go into a directory of their own, and from there into memory.
        let scratch = mirror.scratch()?;
        let args = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", base.as_str(), head.as_str()];
        let config = &self.shared.config;
        let call = Call {
            git: &config.git,
            dir: mirror.dir(),
            args: &args,
            objects: Some(scratch.path()),
            deadline: config.merge_timeout,
        };
        let answer = match program::run(&call, cancel).await {
            Ok(answer) => answer,
            Err(error) => return Err(Self::explain(repo, error)),
        };
        match (answer.code, parse(&answer)) {
            (Some(1), Some((_, paths))) => Ok(Merge::Conflict { paths }),
            (Some(0), Some((root, paths))) if paths.is_empty() => {
                let suspect = Arc::clone(&mirror.suspect);
                self.read(repo, move |git, repo| adopt(git, repo, scratch.path(), &root, suspect)).await
            }
            // A `git` that does not know the command says so in a way that differs from version to version.
            _ => match self.git_version().await {
                Ok(_) => Err(SourceError::git(repo, "two commits could not be merged", answer.complaint())),
                Err(error) => Err(error),
            },
        }
    }

    fn explain(repo: &RepoName, error: ProgramError) -> SourceError {
        match error {
            ProgramError::Cancelled => SourceError::Cancelled { repo: repo.clone() },
            ProgramError::TimedOut(limit) => {
                SourceError::MergeTimedOut { repo: repo.clone(), seconds: limit.as_secs() }
            }
            ProgramError::Missing(_) => SourceError::NoGit { reason: error.to_string() },
            ProgramError::Io(error) => SourceError::io(repo, "git could not be run", error),
        }
    }
}

fn known(
    git: &gix::Repository,
    repo: &RepoName,
    base: &Oid,
    head: &Oid,
    tested: Option<&Oid>,
) -> Result<Known, SourceError> {
    let failed = |error| SourceError::git(repo, "the history cannot be read", error);
    let ours = history::find(git, repo, base)?.id;
    let theirs = history::find(git, repo, head)?.id;
    if let Some(tested) = tested
        && let Ok(commit) = history::find(git, repo, tested)
        && commit.parent_ids().map(gix::Id::detach).eq([ours, theirs])
    {
        return Ok(Known::Tree(tested.clone()));
    }
    let Some(ancestor) = git.merge_base(ours, theirs).map_err(failed)? else {
        return Err(SourceError::Unrelated { repo: repo.clone(), base: base.clone(), head: head.clone() });
    };
    Ok(match ancestor.detach() {
        ancestor if ancestor == theirs => Known::Tree(base.clone()),
        ancestor if ancestor == ours => Known::Tree(head.clone()),
        _ => Known::Unknown,
    })
}

/// The tree and the paths in conflict, each ended by a zero byte. Names that are not UTF-8 keep a mark in the place of
/// the bytes.
fn parse(answer: &Answer) -> Option<(String, Vec<String>)> {
    let text = String::from_utf8_lossy(&answer.stdout);
    let mut parts = text.split_terminator('\0');
    let root = parts.next()?.to_owned();
    let mut paths: Vec<String> = parts.map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Some((root, paths))
}

/// Takes the objects that the merge made into memory, where they live as long as the tree.
fn adopt(
    git: &gix::Repository,
    repo: &RepoName,
    scratch: &Path,
    root: &str,
    suspect: Arc<AtomicBool>,
) -> Result<Merge, SourceError> {
    let failed = |error| SourceError::git(repo, "a merge cannot be read", error);
    let root = gix::ObjectId::from_hex(root.as_bytes())
        .map_err(|_| SourceError::git(repo, "a merge cannot be read", "git named no tree"))?;
    let mut git = git.clone().with_object_memory();
    git.object_cache_size_if_unset(4 << 20);
    let made = gix::odb::loose::Store::at(scratch, git.object_hash());
    let mut buffer = Vec::new();
    for id in made.iter() {
        let id = id.map_err(|error| SourceError::git(repo, "a merge cannot be read", error))?;
        if let Some(object) = made.try_find(&id, &mut buffer).map_err(failed)? {
            let kind = object.kind;
            git.write_buf(kind, object.data).map_err(failed)?;
        }
    }
    // What cannot be read now cannot be read later either.
    git.find_tree(root).map_err(failed)?;
    Ok(Merge::Clean { tree: Arc::new(GitTree::new(git, root, suspect)), tree_id: history::oid(root) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_sorted_and_once() {
        let answer = |text: &str| Answer::of(text);
        let paths = |text: &str| parse(&answer(text)).map(|(_, paths)| paths);
        assert_eq!(paths("aa\0"), Some(vec![]));
        assert_eq!(paths("aa\0b\nx\0a\0a\0"), Some(vec!["a".to_owned(), "b\nx".to_owned()]));
        assert_eq!(paths(""), None);
    }
}
