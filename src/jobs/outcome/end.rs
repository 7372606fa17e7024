//! The end of a sync, noted for the pull requests that wait to tell it.

use super::known::is_defined_elsewhere;
use super::told::{heard_after, json};
use crate::ids::{AppId, Oid, RepoName};
use crate::jobs::Engine;
use crate::queue::{Cause, JobError, Key, Request};
use crate::report::preview::AppEnd;
use crate::store::apps::{AppRow, AppState};

/// A sync of an app came to an end at a revision: pull requests whose merge is in it will say so.
pub(in crate::jobs) async fn ended(
    engine: &Engine,
    row: &AppRow,
    revision: &Oid,
    end: &AppEnd,
) -> Result<(), JobError> {
    let (app, source) = (&row.app.id, &row.app.source.repo);
    // An app that is removed is so by a commit of the repo that defined it.
    if row.state == AppState::Removed {
        return note(engine, app, &app.repo, &[revision], end).await;
    }
    // What was merged where the definition comes from is the definition.
    let defined = is_defined_elsewhere(engine, row).then_some(&row.definition_commit);
    if app.repo == *source {
        let revisions: Vec<&Oid> = std::iter::once(revision).chain(defined).collect();
        return note(engine, app, source, &revisions, end).await;
    }
    note(engine, app, source, &[revision], end).await?;
    match defined {
        Some(commit) => note(engine, app, &app.repo, &[commit], end).await,
        None => Ok(()),
    }
}

/// What was applied of an app had not come to an end when a sync to another revision took its place. `healthy`: only
/// its deletions were not done.
pub(in crate::jobs) async fn replaced(engine: &Engine, row: &AppRow, by: &Oid, healthy: bool) -> Result<(), JobError> {
    let Some(applied) = &row.applied_revision else { return Ok(()) };
    let was = row.as_applied().unwrap_or_else(|| row.clone());
    if applied != by {
        let end = AppEnd::Replaced { by: by.clone(), healthy };
        note(engine, &row.app.id, &was.app.source.repo, &[applied], &end).await?;
    }
    // What was merged where it is defined is its definition: that is replaced by another one.
    if is_defined_elsewhere(engine, &was) && was.definition_commit != row.definition_commit {
        let end = AppEnd::Replaced { by: row.definition_commit.clone(), healthy };
        note(engine, &row.app.id, &row.app.id.repo, &[&was.definition_commit], &end).await?;
    }
    Ok(())
}

/// A person has pinned the app to another revision than the one that was applied.
pub(in crate::jobs) async fn rolled_back(
    engine: &Engine,
    row: &AppRow,
    to: &Oid,
    by: Option<&str>,
) -> Result<(), JobError> {
    let Some(applied) = row.applied_revision.as_ref().filter(|applied| *applied != to) else { return Ok(()) };
    let end = AppEnd::RolledBack { to: to.clone(), by: by.map(str::to_owned) };
    note(engine, &row.app.id, &row.app.source.repo, &[applied], &end).await
}

async fn note(engine: &Engine, app: &AppId, repo: &RepoName, revisions: &[&Oid], end: &AppEnd) -> Result<(), JobError> {
    engine.store.put_end(app, repo, revisions, &json(end)?).await?;
    if engine.store.awaits_ends(repo, heard_after(engine)).await? {
        ask(engine, repo, Key::Sync(app.clone())).await?;
    }
    Ok(())
}

pub(in crate::jobs) async fn ask(engine: &Engine, repo: &RepoName, follows: Key) -> Result<(), JobError> {
    Ok(engine.queue.enqueue(&[Request::new(Key::Outcome(repo.clone()), Cause::Follow { key: follows })]).await?)
}

/// Pull requests may wait to tell where an app stands: those of the repo that it is made from, and of the one that
/// defines it.
pub(in crate::jobs) async fn stands(engine: &Engine, row: &AppRow) -> Result<(), JobError> {
    let (app, source) = (&row.app.id, &row.app.source.repo);
    stands_elsewhere(engine, source, Key::Sync(app.clone())).await?;
    if app.repo == *source {
        return Ok(());
    }
    stands_elsewhere(engine, &app.repo, Key::Sync(app.clone())).await
}

/// Somebody's pull requests may wait to tell where an app of this repo stands.
pub(in crate::jobs) async fn stands_elsewhere(engine: &Engine, repo: &RepoName, follows: Key) -> Result<(), JobError> {
    if engine.store.awaits_ends(repo, heard_after(engine)).await? {
        ask(engine, repo, follows).await?;
    }
    Ok(())
}
