//! The revision that an app should be at.

use super::wish::Wish;
use crate::class::{Class, Classified};
use crate::ids::Oid;
use crate::jobs::Engine;
use crate::jobs::revision::is_on_fetched_ref;
use crate::queue::{JobContext, JobError};
use crate::store::apps::AppRow;

/// Where an app should be.
pub(in crate::jobs) enum Wanted {
    At(Oid),
    /// Its ref is not there: for it to come back is for the repo, and no failure of a sync.
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

/// The revision that the app should be at: what a person asks for, what it is pinned to, or its ref as it was last
/// fetched.
pub(in crate::jobs) async fn wanted(
    engine: &Engine,
    row: &AppRow,
    wish: &Wish,
    ctx: &JobContext,
) -> Result<Wanted, JobError> {
    let source = &row.app.source;
    if let Some(revision) = wish.revision() {
        let oid = revision.parse::<Oid>().ok();
        let known = match &oid {
            // It was looked for before it was promised; a mirror that was made anew since has it after a fetch.
            Some(oid) if engine.mirrors.has_commit(&source.repo, oid).await => true,
            Some(oid) => {
                refresh(engine, row, ctx).await?;
                engine.mirrors.has_commit(&source.repo, oid).await
            }
            None => false,
        };
        let oid = oid
            .filter(|_| known)
            .ok_or_else(|| SyncProblem::NoRevision { repo: source.repo.to_string(), revision: revision.to_owned() })?;
        engine.store.pin(&row.app.id, &oid, wish.pinned_by()).await?;
        let is_on_ref = is_on_fetched_ref(engine, source, &oid).await?;
        engine.store.set_pinned_off_branch(&row.app.id, !is_on_ref).await?;
        return Ok(Wanted::At(oid));
    }
    if wish.resumes() {
        // Also here, as a run that was under way may have pinned the app after it was let go.
        engine.store.unpin(&row.app.id).await?;
    } else if let Some(pinned) = &row.pinned_revision {
        return Ok(Wanted::At(pinned.clone()));
    }
    // A push has fetched for all of its apps; who comes by another way looks for itself.
    let known =
        if wish.manual.is_some() { None } else { engine.store.ref_head(&source.repo, &source.ref_name).await? };
    let resolved = match known {
        Some(oid) if engine.mirrors.has_commit(&source.repo, &oid).await => Some(oid),
        _ => refresh(engine, row, ctx).await?,
    };
    Ok(resolved.map_or(Wanted::NoRef, Wanted::At))
}

async fn refresh(engine: &Engine, row: &AppRow, ctx: &JobContext) -> Result<Option<Oid>, JobError> {
    let source = &row.app.source;
    engine.permitted(&row.app)?;
    let repo = engine.repo(&source.repo)?;
    let refs = std::slice::from_ref(&source.ref_name);
    let mut fetched = engine.mirrors.fetch(&engine.remote(repo).await?, refs, &ctx.cancel).await?;
    let head = fetched.remove(&source.ref_name).flatten();
    if let Some(head) = &head {
        engine.store.see_ref(&source.repo, &source.ref_name, head).await?;
    }
    Ok(head)
}
