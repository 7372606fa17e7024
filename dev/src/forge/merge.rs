//! The merge button.

use std::path::Path;

use driftless_webhooks::Oid;

use super::dialect::Dialect;
use super::error::DevForgeError;
use super::git::{self, GitError};
use super::handle::DevForge;
use super::record::{Merged, Pull, PullChange};
use super::user::PERSON;

impl DevForge {
    /// Merges by a merge commit, as the button does. Fails on a conflict.
    pub async fn merge_pull(&self, project: &str, number: u64) -> Result<Oid, DevForgeError> {
        merge(self, project, number, false).await
    }

    /// Merges as one commit on the base.
    pub async fn squash_pull(&self, project: &str, number: u64) -> Result<Oid, DevForgeError> {
        merge(self, project, number, true).await
    }
}

/// By a merge commit, or with all of the pull request as one commit on its base. GitLab merges that one commit again,
/// unless it only moves the branch on.
async fn merge(forge: &DevForge, project: &str, number: u64, squash: bool) -> Result<Oid, DevForgeError> {
    forge.refs_changed(project).await?;
    let pull = forge.state().pull(project, number).filter(|pull| pull.open).cloned();
    let pull = pull.ok_or_else(|| DevForgeError::Unknown(format!("open pull request {number} in {project}")))?;
    let dir = forge.repo_dir(project);
    let (commits, at) = (commits(forge, &dir, &pull, squash).await?, forge.0.clock.now());
    git::move_branch(&dir, &pull.base_ref, &pull.base, &commits.tip).await?;
    let Commits { tip, merge, squash } = commits;
    let merged = Merged { tip: tip.clone(), merge, squash, by: PERSON.to_owned(), at };
    forge.state().close_pull(project, number, Some(merged), at);
    forge.refs_changed(project).await?;
    forge.changed(project, number, &PullChange::Merged);
    Ok(tip)
}

struct Commits {
    tip: Oid,
    merge: Option<Oid>,
    squash: Option<Oid>,
}

async fn commits(forge: &DevForge, dir: &Path, pull: &Pull, squash: bool) -> Result<Commits, GitError> {
    let (dialect, fast_forward) = (forge.0.config.dialect, forge.state().settings().fast_forward);
    let Pull { head, head_ref, base, base_ref, title, number, .. } = pull;
    let message = match dialect {
        Dialect::GitHub => format!("Merge pull request #{number} from {head_ref}\n\n{title}"),
        Dialect::GitLab => format!("Merge branch '{head_ref}' into '{base_ref}'\n\n{title}"),
    };
    let merge = git::merge(dir, base, head, &message).await?;
    let squashed = if squash {
        let title = if dialect == Dialect::GitHub { format!("{title} (#{number})") } else { title.clone() };
        Some(git::squash(dir, &merge, base, &title).await?)
    } else {
        None
    };
    Ok(match (squashed, dialect, fast_forward) {
        (Some(squash), Dialect::GitHub, _) => Commits { tip: squash, merge: None, squash: None },
        (Some(squash), _, true) => Commits { tip: squash.clone(), merge: None, squash: Some(squash) },
        (Some(squash), _, false) => {
            let merge = git::merge(dir, base, &squash, &message).await?;
            Commits { tip: merge.clone(), merge: Some(merge), squash: Some(squash) }
        }
        (None, _, true) => Commits { tip: head.clone(), merge: None, squash: None },
        (None, _, false) => Commits { tip: merge.clone(), merge: Some(merge), squash: None },
    })
}
