//! The merge of a pull request, in memory: nothing is written to the mirror.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gix::merge::blob::builtin_driver::text::Labels;
use gix::merge::tree::TreatAsUnresolved;

use super::fetch::oid;
use super::tree::GitTree;
use super::{SourceError, history};
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

pub(super) fn merge(
    git: &gix::Repository,
    repo: &RepoName,
    base: &Oid,
    head: &Oid,
    suspect: Arc<AtomicBool>,
) -> Result<Merge, SourceError> {
    let failed = |error| SourceError::git(repo, "two commits could not be merged", error);
    let mut git = git.clone().with_object_memory();
    git.object_cache_size_if_unset(4 << 20);
    let ours = history::find(&git, repo, base)?.id;
    let theirs = history::find(&git, repo, head)?.id;
    if git.merge_base(ours, theirs).map_err(failed)?.is_none() {
        return Err(SourceError::Unrelated { repo: repo.clone(), base: base.clone(), head: head.clone() });
    }
    let labels = Labels { ancestor: None, current: Some("base".into()), other: Some("head".into()) };
    let options = git.tree_merge_options().map_err(failed)?;
    let mut merged = git.merge_commits(ours, theirs, labels, options.into()).map_err(failed)?.tree_merge;
    let paths = conflicts(&merged.conflicts);
    if !paths.is_empty() {
        return Ok(Merge::Conflict { paths });
    }
    let root = merged.tree.write().map_err(failed)?.detach();
    drop(merged);
    Ok(Merge::Clean { tree: Arc::new(GitTree::new(git, root, suspect)), tree_id: oid(root) })
}

fn conflicts(found: &[gix::merge::tree::Conflict]) -> Vec<String> {
    let unresolved = found.iter().filter(|conflict| conflict.is_unresolved(TreatAsUnresolved::git()));
    let paths = unresolved.flat_map(|conflict| [conflict.ours.location(), conflict.theirs.location()]);
    paths.map(ToString::to_string).collect::<BTreeSet<_>>().into_iter().collect()
}
