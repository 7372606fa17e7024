//! GitLab's own pipelines, as a test makes them, and the gate that they make together with what others set.

use driftless_webhooks::Oid;

use super::pipelines::{Pipeline, PipelineKind};
use crate::forge::error::DevForgeError;
use crate::forge::git;
use crate::forge::handle::DevForge;

impl DevForge {
    /// Adds an empty pipeline for the head of a merge request, and returns its number and the commit that it is for.
    pub async fn add_pipeline(
        &self,
        project: &str,
        number: u64,
        kind: PipelineKind,
    ) -> Result<(u64, Oid), DevForgeError> {
        let pull = self.state().pull(project, number).cloned();
        let pull = pull.ok_or_else(|| DevForgeError::Unknown(format!("merge request {number} in {project}")))?;
        let (sha, name) = match kind {
            PipelineKind::Branch | PipelineKind::External => (pull.head.clone(), pull.head_ref.clone()),
            PipelineKind::MergeRequest => (pull.head.clone(), format!("refs/merge-requests/{number}/head")),
            PipelineKind::MergedResult => {
                let (dir, name) = (self.repo_dir(project), format!("refs/merge-requests/{number}/merge"));
                let merge = git::merge(&dir, &pull.base, &pull.head, "Merge for a pipeline").await?;
                git::update_ref(&dir, &name, &merge).await?;
                (merge, name)
            }
        };
        let mut state = self.state();
        let id = state.id();
        let (source, created) = (pull.head, self.0.clock.now());
        if let Some(repo) = state.repo_mut(project) {
            repo.pipelines.add(Pipeline { id, kind, sha: sha.clone(), source, name, jobs: Vec::new(), created });
        }
        Ok((id, sha))
    }

    /// The state of the pipeline that decides whether a merge request may be merged; none if there is no pipeline.
    pub fn gate(&self, project: &str, number: u64) -> Option<&'static str> {
        let state = self.state();
        let (repo, pull) = state.repo(project).zip(state.pull(project, number))?;
        let refs = format!("refs/merge-requests/{number}/");
        repo.pipelines.head(&pull.head, &pull.head_ref, &refs).map(Pipeline::state)
    }

    /// As while it is being merged, which takes GitLab some time.
    pub fn lock_pull(&self, project: &str, number: u64, locked: bool) {
        if let Some(pull) = self.state().pull_mut(project, number) {
            pull.locked = locked;
        }
    }

    /// Gives a repository another name. The old one leads to it.
    pub async fn move_repo(&self, from: &str, to: &str) -> Result<(), DevForgeError> {
        let (owner, name) = to.split_once('/').ok_or_else(|| DevForgeError::Unknown(to.to_owned()))?;
        let target = self.repo_dir(to);
        if let Some(parent) = target.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(git::GitError::from)?;
        }
        tokio::fs::rename(self.repo_dir(from), target).await.map_err(git::GitError::from)?;
        self.state().move_repo(from, owner, name);
        Ok(())
    }
}
