//! Commits: their content, their ancestry, and the changes between two of them.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;

use gix::ObjectId;
use gix::bstr::ByteSlice;
use gix::object::tree::diff::Change as Difference;

use super::error::SourceError;
use crate::ids::{Oid, RepoName};

/// What people see of a commit. All of it is the author's own text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    pub oid: Oid,
    pub author_name: String,
    pub author_email: Option<String>,
    /// The first paragraph of the message on one line, at most 200 characters.
    pub summary: String,
    /// When it was committed, in seconds since 1970.
    pub time_unix: i64,
}

/// A file that is not the same in two commits. A renamed one is a deletion and an addition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    Added(String),
    Modified(String),
    Deleted(String),
}

impl Change {
    pub fn path(&self) -> &str {
        match self {
            Self::Added(path) | Self::Modified(path) | Self::Deleted(path) => path,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Sorted by path.
    pub changes: Vec<Change>,
    /// There are more than were asked for.
    pub truncated: bool,
}

pub(super) fn find<'git>(
    git: &'git gix::Repository,
    repo: &RepoName,
    commit: &Oid,
) -> Result<gix::Commit<'git>, SourceError> {
    let missing = || SourceError::NoCommit { repo: repo.clone(), commit: commit.clone() };
    // An id of the other hash length is not in this mirror either.
    let id = ObjectId::from_hex(commit.as_str().as_bytes()).map_err(|_| missing())?;
    let found = git
        .try_find_object(id)
        .map_err(|error| SourceError::git(repo, "a commit cannot be read", error))?
        .ok_or_else(missing)?;
    found.try_into_commit().map_err(|_| missing())
}

pub(super) fn beginning(git: &gix::Repository, repo: &RepoName, digits: &str) -> Result<Vec<Oid>, SourceError> {
    // What is no beginning of an id begins none.
    let Ok(prefix) = gix::hash::Prefix::from_hex(digits) else { return Ok(Vec::new()) };
    let mut candidates = std::collections::HashSet::new();
    let failed = |error| SourceError::git(repo, "commits cannot be looked up", error);
    git.objects.lookup_prefix(prefix, Some(&mut candidates)).map_err(failed)?;
    let is_commit = |id: &ObjectId| git.find_header(*id).is_ok_and(|header| header.kind() == gix::object::Kind::Commit);
    let mut found: Vec<Oid> = candidates.into_iter().filter(is_commit).map(oid).collect();
    found.sort();
    Ok(found)
}

pub(super) fn tree_of(git: &gix::Repository, repo: &RepoName, commit: &Oid) -> Result<ObjectId, SourceError> {
    let commit = find(git, repo, commit)?;
    let tree = commit.tree_id().map_err(|error| SourceError::git(repo, "a commit cannot be read", error))?;
    Ok(tree.detach())
}

/// Reads a commit's tree as far as its root.
pub(super) fn check_tree(git: &gix::Repository, repo: &RepoName, commit: &Oid) -> Result<(), SourceError> {
    let tree = tree_of(git, repo, commit)?;
    let read = git.find_tree(tree).and_then(|tree| tree.decode().map(drop));
    read.map_err(|error| SourceError::git(repo, "a tree cannot be read", error))
}

pub(super) fn info(git: &gix::Repository, repo: &RepoName, id: &Oid) -> Result<CommitInfo, SourceError> {
    let failed = |error| SourceError::git(repo, "a commit cannot be read", error);
    let commit = find(git, repo, id)?;
    let author = commit.author().map_err(failed)?;
    let email = author.email.to_str_lossy().into_owned();
    let summary = commit.message().map_err(failed)?.summary().to_str_lossy().chars().take(200).collect();
    Ok(CommitInfo {
        oid: oid(commit.id),
        author_name: author.name.to_str_lossy().into_owned(),
        author_email: Some(email).filter(|email| !email.is_empty()),
        summary,
        time_unix: commit.time().map_err(failed)?.seconds,
    })
}

/// A mirror has the whole history of what it holds: a commit that is not in it is nobody's ancestor. So it is after a
/// forced push, once the commits that it left behind were cleaned away.
pub(super) fn is_ancestor(
    git: &gix::Repository,
    repo: &RepoName,
    ancestor: &Oid,
    descendant: &Oid,
) -> Result<bool, SourceError> {
    let descendant = find(git, repo, descendant)?.id;
    let ancestor = match find(git, repo, ancestor) {
        Err(SourceError::NoCommit { .. }) => return Ok(false),
        found => found?.id,
    };
    let base = git
        .merge_base(ancestor, descendant)
        .map_err(|error| SourceError::git(repo, "the history cannot be read", error))?;
    Ok(base.is_some_and(|base| base == ancestor))
}

/// The parents of a commit, first one first.
pub(super) fn parents(git: &gix::Repository, repo: &RepoName, commit: &Oid) -> Result<Vec<Oid>, SourceError> {
    Ok(find(git, repo, commit)?.parent_ids().map(|id| oid(id.detach())).collect())
}

/// The commits nearest behind a branch's head, up to where it was before on each line, and no more than a push has.
pub(super) fn newest(
    git: &gix::Repository,
    repo: &RepoName,
    now: &Oid,
    before: &Oid,
) -> Result<BTreeSet<Oid>, SourceError> {
    let (mut found, mut next) = (BTreeSet::new(), VecDeque::from([now.clone()]));
    while let Some(commit) = next.pop_front() {
        if commit == *before || found.len() == LOOKED_THROUGH || !found.insert(commit.clone()) {
            continue;
        }
        next.extend(parents(git, repo, &commit)?);
    }
    Ok(found)
}

/// So far a merge is looked for behind the head of its branch.
const LOOKED_THROUGH: usize = 1000;

/// The commit of a branch that brought `head` into it: the first one of its own line with it in its history.
pub(super) fn merged_by(git: &gix::Repository, repo: &RepoName, head: &Oid, branch: &Oid) -> Result<Oid, SourceError> {
    let mut at = branch.clone();
    for _ in 0..LOOKED_THROUGH {
        let Some(before) = parents(git, repo, &at)?.into_iter().next() else { break };
        if !is_ancestor(git, repo, head, &before)? {
            break;
        }
        at = before;
    }
    Ok(at)
}

/// How far back a change is looked for.
const FAR: usize = 5_000;

/// The commit by which a path came to be what it is at `at`, or to be gone, along the first parents: a merge counts as
/// the change. None where that is too long ago.
pub(super) fn last_change(
    git: &gix::Repository,
    repo: &RepoName,
    path: &str,
    at: &Oid,
) -> Result<Option<Oid>, SourceError> {
    let failed = |error| SourceError::git(repo, "the history cannot be read", error);
    let entry = |commit: &gix::Commit<'_>| -> Result<Option<ObjectId>, SourceError> {
        let tree = commit.tree().map_err(|error| SourceError::git(repo, "a tree cannot be read", error))?;
        let found =
            tree.lookup_entry_by_path(path).map_err(|error| SourceError::git(repo, "a tree cannot be read", error))?;
        Ok(found.map(|entry| entry.object_id()))
    };
    let mut commit = find(git, repo, at)?;
    let now = entry(&commit)?;
    for _ in 0..FAR {
        let Some(parent) = commit.parent_ids().next() else { return Ok(None) };
        let parent = git.find_commit(parent.detach()).map_err(failed)?;
        if entry(&parent)? != now {
            return Ok(Some(oid(commit.id)));
        }
        commit = parent;
    }
    Ok(None)
}

/// So many differences are looked at, folders included: a few trees that name each other many times have more of these
/// than anybody can count.
const LOOKED_AT: usize = 200_000;

pub(super) fn changes(
    git: &gix::Repository,
    repo: &RepoName,
    from: &Oid,
    to: &Oid,
    limit: usize,
) -> Result<Changes, SourceError> {
    let failed = |error| SourceError::git(repo, "two trees cannot be compared", error);
    let old = find(git, repo, from)?.tree().map_err(failed)?;
    let new = find(git, repo, to)?.tree().map_err(failed)?;
    let mut found = Changes { changes: Vec::new(), truncated: false };
    let mut platform = old.changes().map_err(failed)?;
    platform.options(|options| {
        options.track_path();
        options.track_rewrites(None);
    });
    let mut looked_at = 0;
    let walked = platform.for_each_to_obtain_tree(&new, |difference| {
        looked_at += 1;
        let change = change(&difference);
        if change.is_none() && looked_at < LOOKED_AT {
            return Ok(ControlFlow::Continue(()));
        }
        let Some(change) = change.filter(|_| found.changes.len() < limit && looked_at < LOOKED_AT) else {
            found.truncated = true;
            return Ok(ControlFlow::Break(()));
        };
        found.changes.push(change);
        Ok(ControlFlow::Continue(()))
    });
    // A walk that we broke off ends with an error too.
    if !found.truncated {
        walked.map_err(failed)?;
    }
    found.changes.sort_by(|a, b| a.path().cmp(b.path()));
    Ok(found)
}

/// Directories are left out: what is in them is told file by file.
fn change(difference: &Difference<'_, '_, '_>) -> Option<Change> {
    let path = difference.location().to_str_lossy().into_owned();
    match difference {
        Difference::Addition { entry_mode, .. } if !entry_mode.is_tree() => Some(Change::Added(path)),
        Difference::Deletion { entry_mode, .. } if !entry_mode.is_tree() => Some(Change::Deleted(path)),
        Difference::Modification { entry_mode, .. } if !entry_mode.is_tree() => Some(Change::Modified(path)),
        _ => None,
    }
}

pub(super) fn oid(id: gix::ObjectId) -> Oid {
    id.to_hex().to_string().parse().expect("Git's ids are hex and never zero for an object")
}
