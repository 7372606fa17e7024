//! The merge button.

use driftless_webhooks::Oid;

use super::{DevForge, DevForgeError, git};

pub(super) async fn merge(forge: &DevForge, project: &str, number: u64) -> Result<Oid, DevForgeError> {
    forge.refs_changed(project).await?;
    let pull = forge.state().pull(project, number).filter(|pull| pull.open).cloned();
    let pull = pull.ok_or_else(|| DevForgeError::Unknown(format!("open pull request {number} in {project}")))?;
    let dir = forge.repo_dir(project);
    let message = format!("Merge pull request #{number} from {}\n\n{}", pull.head_ref, pull.title);
    let commit = git::merge(&dir, &pull.base, &pull.head, &message).await?;
    git::move_branch(&dir, &pull.base_ref, &pull.base, &commit).await?;
    forge.state().close_pull(project, number, Some(commit.clone()), forge.0.clock.now());
    forge.refs_changed(project).await?;
    forge.deliver_pull(project, number, "closed");
    Ok(commit)
}
