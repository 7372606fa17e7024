//! Stores the end of a sync for the pull requests that report it.

use super::known::is_defined_elsewhere;
use super::told::heard_after;
use crate::ids::{AppId, Oid, RepoName};
use crate::jobs::Context;
use crate::queue::{JobError, Key, Request, Trigger};
use crate::report::preview::AppEnd;
use crate::report::stored::END;
use crate::store::apps::{AppRow, AppState};

/// A sync of an app came to an end at a revision: pull requests whose merge is in it will say so.
pub(in crate::jobs) async fn ended(
    context: &Context,
    row: &AppRow,
    revision: &Oid,
    end: &AppEnd,
) -> Result<(), JobError> {
    let (app, source) = (&row.app.id, &row.app.source.repo);
    // An app that is removed is so by a commit of the repo that defined it.
    if row.state == AppState::Removed {
        return note(context, app, &app.repo, &[revision], end).await;
    }
    // What was merged where the definition comes from is the definition.
    let defined = is_defined_elsewhere(context, row).then_some(&row.definition_commit);
    if app.repo == *source {
        let revisions: Vec<&Oid> = std::iter::once(revision).chain(defined).collect();
        return note(context, app, source, &revisions, end).await;
    }
    note(context, app, source, &[revision], end).await?;
    match defined {
        Some(commit) => note(context, app, &app.repo, &[commit], end).await,
        None => Ok(()),
    }
}

/// What was applied of an app had not come to an end when a sync to another revision took its place. `healthy`: only
/// its deletions were not done.
pub(in crate::jobs) async fn replaced(
    context: &Context,
    row: &AppRow,
    by: &Oid,
    healthy: bool,
) -> Result<(), JobError> {
    let Some(applied) = &row.applied_revision else { return Ok(()) };
    let was = row.as_applied().unwrap_or_else(|| row.clone());
    if applied != by {
        let end = AppEnd::Replaced { by: by.clone(), healthy };
        note(context, &row.app.id, &was.app.source.repo, &[applied], &end).await?;
    }
    // What was merged where it is defined is its definition: that is replaced by another one.
    if is_defined_elsewhere(context, &was) && was.definition_commit != row.definition_commit {
        let end = AppEnd::Replaced { by: row.definition_commit.clone(), healthy };
        note(context, &row.app.id, &row.app.id.repo, &[&was.definition_commit], &end).await?;
    }
    Ok(())
}

/// A person has pinned the app to another revision than the one that was applied.
pub(in crate::jobs) async fn rolled_back(
    context: &Context,
    row: &AppRow,
    to: &Oid,
    by: Option<&str>,
) -> Result<(), JobError> {
    let Some(applied) = row.applied_revision.as_ref().filter(|applied| *applied != to) else { return Ok(()) };
    let end = AppEnd::RolledBack { to: to.clone(), by: by.map(str::to_owned) };
    note(context, &row.app.id, &row.app.source.repo, &[applied], &end).await
}

async fn note(
    context: &Context,
    app: &AppId,
    repo: &RepoName,
    revisions: &[&Oid],
    end: &AppEnd,
) -> Result<(), JobError> {
    context.store.put_end(app, repo, revisions, &END.write(end)?).await?;
    if context.store.awaits_ends(repo, heard_after(context)).await? {
        ask(context, repo, Key::Sync(app.clone())).await?;
    }
    Ok(())
}

pub(in crate::jobs) async fn ask(context: &Context, repo: &RepoName, follows: Key) -> Result<(), JobError> {
    Ok(context.queue.enqueue(&[Request::new(Key::Outcome(repo.clone()), Trigger::Follow { key: follows })]).await?)
}

/// Pull requests may wait to tell where an app stands: those of the repo that it is made from, and of the one that
/// defines it.
pub(in crate::jobs) async fn stands(context: &Context, row: &AppRow) -> Result<(), JobError> {
    let (app, source) = (&row.app.id, &row.app.source.repo);
    stands_elsewhere(context, source, Key::Sync(app.clone())).await?;
    if app.repo == *source {
        return Ok(());
    }
    stands_elsewhere(context, &app.repo, Key::Sync(app.clone())).await
}

/// Somebody's pull requests may wait to tell where an app of this repo stands.
pub(in crate::jobs) async fn stands_elsewhere(
    context: &Context,
    repo: &RepoName,
    follows: Key,
) -> Result<(), JobError> {
    if context.store.awaits_ends(repo, heard_after(context)).await? {
        ask(context, repo, follows).await?;
    }
    Ok(())
}
