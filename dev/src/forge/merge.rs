//! The merge button.

use driftless_webhooks::Oid;

use super::error::DevForgeError;
use super::git;
use super::handle::DevForge;

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

/// By a merge commit, or with all of the pull request as one commit on its base.
async fn merge(forge: &DevForge, project: &str, number: u64, squash: bool) -> Result<Oid, DevForgeError> {
    forge.refs_changed(project).await?;
    let pull = forge.state().pull(project, number).filter(|pull| pull.open).cloned();
    let pull = pull.ok_or_else(|| DevForgeError::Unknown(format!("open pull request {number} in {project}")))?;
    let dir = forge.repo_dir(project);
    let message = format!("Merge pull request #{number} from {}\n\n{}", pull.head_ref, pull.title);
    let mut commit = git::merge(&dir, &pull.base, &pull.head, &message).await?;
    if squash {
        commit = git::squash(&dir, &commit, &pull.base, &format!("{} (#{number})", pull.title)).await?;
    }
    git::move_branch(&dir, &pull.base_ref, &pull.base, &commit).await?;
    forge.state().close_pull(project, number, Some(commit.clone()), forge.0.clock.now());
    forge.refs_changed(project).await?;
    forge.deliver_pull(project, number, "closed");
    Ok(commit)
}
