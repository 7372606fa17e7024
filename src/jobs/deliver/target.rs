//! The revision that an app should be at.

use super::goal::Intent;
use crate::class::{Class, Classified};
use crate::ids::Oid;
use crate::jobs::Context;
use crate::jobs::revision::is_on_fetched_ref;
use crate::queue::{JobError, RunningJob};
use crate::store::apps::AppRow;

/// The revision that an app should be at, if there is one.
pub(in crate::jobs) enum Target {
    At(Oid),
    /// Its ref does not exist. That has to be fixed in the repo, and is no failure of a sync.
    NoRef,
}

#[derive(Debug, thiserror::Error)]
enum SyncProblem {
    #[error("{revision:?} is not a commit of repo {repo} that can be fetched. Use its full id")]
    NoRevision { repo: String, revision: String },
}

impl Classified for SyncProblem {
    fn class(&self) -> Class {
        Class::Fail
    }
}

/// The revision that the app should be at: the requested one, the one that it is pinned to, or its ref as last fetched.
pub(in crate::jobs) async fn target(
    context: &Context,
    row: &AppRow,
    intent: &Intent,
    running: &RunningJob,
) -> Result<Target, JobError> {
    let source = &row.app.source;
    if let Some(revision) = intent.revision() {
        let oid = revision.parse::<Oid>().ok();
        let known = match &oid {
            // It was looked for before it was promised; a mirror that was made anew since has it after a fetch.
            Some(oid) if context.mirrors.has_commit(&source.repo, oid).await => true,
            Some(oid) => {
                refresh(context, row, running).await?;
                context.mirrors.has_commit(&source.repo, oid).await
            }
            None => false,
        };
        let oid = oid
            .filter(|_| known)
            .ok_or_else(|| SyncProblem::NoRevision { repo: source.repo.to_string(), revision: revision.to_owned() })?;
        context.store.pin(&row.app.id, &oid, intent.pinned_by()).await?;
        let is_on_ref = is_on_fetched_ref(context, source, &oid).await?;
        context.store.set_pinned_off_branch(&row.app.id, !is_on_ref).await?;
        return Ok(Target::At(oid));
    }
    if intent.resumes() {
        // Also here, as a run that was under way may have pinned the app after it was let go.
        context.store.unpin(&row.app.id).await?;
    } else if let Some(pinned) = &row.pinned_revision {
        return Ok(Target::At(pinned.clone()));
    }
    // A push has fetched for all of its apps; who comes by another way looks for itself.
    let known =
        if intent.manual.is_some() { None } else { context.store.ref_head(&source.repo, &source.ref_name).await? };
    let resolved = match known {
        Some(oid) if context.mirrors.has_commit(&source.repo, &oid).await => Some(oid),
        _ => refresh(context, row, running).await?,
    };
    Ok(resolved.map_or(Target::NoRef, Target::At))
}

async fn refresh(context: &Context, row: &AppRow, running: &RunningJob) -> Result<Option<Oid>, JobError> {
    let source = &row.app.source;
    context.permitted(&row.app)?;
    let repo = context.repo(&source.repo)?;
    let refs = std::slice::from_ref(&source.ref_name);
    let mut fetched = context.mirrors.fetch(&context.remote(repo).await?, refs, &running.cancel).await?;
    let head = fetched.remove(&source.ref_name).flatten();
    if let Some(head) = &head {
        context.store.see_ref(&source.repo, &source.ref_name, head).await?;
    }
    Ok(head)
}
