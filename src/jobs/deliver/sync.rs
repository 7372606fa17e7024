//! `sync:REPO/APP`: the app should be what Git says. Render, plan, apply; health is then waited for without this job.

use futures::FutureExt;

use super::attempt::{Aim, Attempt};
use super::goal::{Wanted, wanted};
use super::wish::{Decision, Wish, decide};
use super::{confirmed, failing, finish, head, left_clusters, missing};
use crate::app::{App, SyncPolicy};
use crate::class::Class;
use crate::ids::{AppId, Oid};
use crate::jobs::history::History;
use crate::jobs::ownership::{leave, left};
use crate::jobs::preview::rests;
use crate::jobs::refs::missing_ref;
use crate::jobs::{Engine, outcome};
use crate::queue::{Cause, Job, JobContext, JobError, Key};
use crate::report::preview::AppEnd;
use crate::store::apps::{AppHealth, AppRow, AppState};
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::store::runs::{RunKind, RunState};

pub(in crate::jobs) async fn run(engine: &Engine, id: &AppId, job: &Job, ctx: &JobContext) -> Result<(), JobError> {
    let done = work(engine, id, job, ctx).await;
    // Whatever came of it: the previews that rest on what it changed are old. That they could not be told is no failure
    // of this app, and what is left is told by the next sync or resync.
    if let Err(error) = rests::spread(engine).await {
        tracing::warn!(error = error.message(), "pull requests could not be told yet that their previews are old");
    }
    done
}

async fn work(engine: &Engine, id: &AppId, job: &Job, ctx: &JobContext) -> Result<(), JobError> {
    one(engine, id, job, ctx).await?;
    // Last: a cluster that the app has left may be away for long, and nothing must wait for it.
    left_clusters::prune(engine, id, ctx).await
}

async fn one(engine: &Engine, id: &AppId, job: &Job, ctx: &JobContext) -> Result<(), JobError> {
    let mut row = engine.app_row(id).await?;
    engine.attempted.forget(id);
    // Only jobs of this key begin and forget waits of the app: what is read here is about what is applied now.
    for ended in engine.store.ended_waits(id).await? {
        finish::act(engine, &row.at_applied_definition(), &ended, ctx).await?;
        row = engine.app_row(id).await?;
    }
    let job = &confirming(engine, id, job).await?;
    let wish = Wish::of(&Key::Sync(id.clone()), &job.causes);
    let missing = engine.store.replaced_of(id).await?;
    let (aim, revision) = match decide(&row, &wish) {
        Decision::Leave
            if wish.manual.is_none()
                && wish.is_news()
                && row.state == AppState::Active
                && row.app.sync != SyncPolicy::Never =>
        {
            missing::look(engine, &row, &missing).await?;
            return head::look(engine, &row, ctx).await;
        }
        Decision::Leave => {
            missing::look(engine, &row, &missing).await?;
            return left_alone(engine, &row, &wish, job).await;
        }
        Decision::Apply => match wanted(engine, &row, &wish, ctx).await {
            Ok(Wanted::At(revision)) => (Aim::Apply, revision),
            Ok(Wanted::NoRef) => {
                missing::look(engine, &row, &missing).await?;
                return without_ref(engine, &row, &wish, job).await;
            }
            Err(error) => {
                let error = missing::told(engine, &row, &missing, error).await?;
                return Err(recorded(engine, id, &wish, job, error).await?);
            }
        },
        Decision::Heal { revision, report_only } => (Aim::Heal { report_only }, revision),
        Decision::Finish { .. } if !leave::has_left_something(engine, &row).await? => return Ok(()),
        Decision::Finish { revision } => (Aim::Finish, revision),
        Decision::Remove => (Aim::Remove, removed_at(engine, &row).await?),
        // The end of the job does it.
        Decision::Confirm => {
            let revision = removed_at(engine, &row).await?;
            return confirmed::begin(engine, &row, &wish, revision, job).await;
        }
    };
    if matches!(aim, Aim::Heal { .. } | Aim::Finish) {
        // What the definition says since is for a sync to apply, never for a look.
        row = row.as_applied().unwrap_or(row);
    }
    let waiting = engine.store.wait_of(id).await?;
    let attempt = Attempt { engine, row: &row, wish: &wish, revision, aim, waiting, ctx };
    ctx.works_on(attempt.revision.as_str());
    engine.attempted.put(id, attempt.revision.clone());
    let kind = if matches!(attempt.aim, Aim::Heal { .. }) { RunKind::Heal } else { RunKind::Sync };
    let mut history = History::new(engine, kind, id.to_string(), job)?;
    let author = author(engine, &row.app, &attempt.revision).await;
    history.revision(&attempt.revision, author.as_deref());
    history.from(row.applied_revision.as_ref());
    let mut result = attempt.make(&mut history).await;
    if !missing.is_empty() {
        result = match result {
            Ok(()) => missing::after_success(engine, &row, &missing).await,
            Err(error) => Err(missing::told(engine, &row, &missing, error).await?),
        };
    }
    if result.is_ok() && attempt.is_pinned() && attempt.aim == Aim::Apply {
        result = head::look(engine, &row, ctx).await;
    }
    if let Err(error) = &result {
        history.end_with(error).await?;
        if error.class == Class::Fail && kind == RunKind::Sync {
            engine.store.set_failure(id, &error.message(), Some(&attempt.revision)).await?;
            failing::look(engine, id, job, ctx).boxed().await;
        }
    }
    result
}

/// The job as it is by now: whoever confirms when nothing is held, or no longer, has asked for a sync and has approved
/// nothing.
async fn confirming(engine: &Engine, id: &AppId, job: &Job) -> Result<Job, JobError> {
    let mut job = job.clone();
    let confirms = |cause: &Cause| matches!(cause, Cause::Manual(manual) if manual.allow_destructive);
    if !job.causes.iter().any(confirms) {
        return Ok(job);
    }
    // What was confirmed and is not done yet stays so when a run is tried again.
    let is_open = |row: &ObjectRow| row.state.waits_for_word() || row.state == ObjectState::Pruning;
    if !engine.store.inventory(id).await?.iter().any(is_open) {
        for cause in &mut job.causes {
            if let Cause::Manual(manual) = cause {
                manual.allow_destructive = false;
            }
        }
    }
    Ok(job)
}

/// What a person asked for is in the history, also where it came to nothing.
async fn recorded(engine: &Engine, id: &AppId, wish: &Wish, job: &Job, error: JobError) -> Result<JobError, JobError> {
    if wish.manual.is_some() && error.class == Class::Fail {
        History::new(engine, RunKind::Sync, id.to_string(), job)?.end_with(&error).await?;
    }
    Ok(error)
}

/// The app became one that is not synced between the request and this job.
async fn left_alone(engine: &Engine, row: &AppRow, wish: &Wish, job: &Job) -> Result<(), JobError> {
    // Who lets it go asks for nothing beside that, which is a line of its own.
    let lets_go = |cause: &Cause| matches!(cause, Cause::Manual(manual) if manual.resume || manual.unpause);
    let asks = |cause: &&Cause| matches!(cause, Cause::Manual(_)) && !lets_go(cause);
    if wish.manual.is_none() || job.causes.iter().find(asks).is_none() {
        return Ok(());
    }
    let text = format!("nothing was synced: {}", why_not(row));
    History::new(engine, RunKind::Sync, row.app.id.to_string(), job)?.end(RunState::Failed, Some(&text), None).await
}

fn why_not(row: &AppRow) -> String {
    let why = match row.state {
        AppState::Removed => "the app's definition was removed",
        AppState::Missing => "the app's definition or ref is missing",
        AppState::Broken => "the app's definition cannot be used",
        AppState::Active => "the app's definition says `sync: never`",
    };
    if row.state_message.is_empty() { why.to_owned() } else { format!("{why} ({})", row.state_message) }
}

/// The ref that the app follows is not there: that is where it stands, until the ref is.
async fn without_ref(engine: &Engine, row: &AppRow, wish: &Wish, job: &Job) -> Result<(), JobError> {
    let message = missing_ref(&row.app.source);
    engine.store.set_app_state(&row.app.id, AppState::Missing, &message).await?;
    if wish.manual.is_some() {
        let mut history = History::new(engine, RunKind::Sync, row.app.id.to_string(), job)?;
        history.end(RunState::Failed, Some(&message), None).await?;
    }
    // Whoever has just merged such a definition waits to hear of it.
    outcome::ended(engine, row, &row.definition_commit, &AppEnd::Failed { message }).await
}

/// The commit that took the definition away, as far as it is known.
async fn removed_at(engine: &Engine, row: &AppRow) -> Result<Oid, JobError> {
    let repo = engine.repo(&row.app.id.repo)?;
    let head = engine.store.ref_head(&repo.name, &repo.definitions_ref).await?;
    Ok(head.unwrap_or_else(|| row.definition_commit.clone()))
}

/// For the history only: a commit that cannot be read says so when it is rendered.
async fn author(engine: &Engine, app: &App, revision: &Oid) -> Option<String> {
    engine.mirrors.commit(&app.source.repo, revision).await.ok().map(|commit| commit.author_name)
}

/// People wait for the end of a merge on its pull request: they hear that it went wrong.
pub(in crate::jobs) async fn failed(engine: &Engine, id: &AppId, job: &Job, error: &JobError) -> Result<(), JobError> {
    let Some(row) = engine.store.app(id).await? else { return Ok(()) };
    // What could not be deleted where the app was says nothing about where it is.
    if row.health != AppHealth::Healthy || !left::is_agreed(engine, id).await? {
        let wish = Wish::of(&Key::Sync(id.clone()), &job.causes);
        if let Decision::Heal { .. } = decide(&row, &wish) {
            // What is applied stays what it was, and the next look heals that again, never what Git says since.
            engine.store.set_app_health(id, AppHealth::Degraded, &error.message()).await?;
            engine.store.set_drift(id, &format!("drift could not be healed: {}", error.message())).await?;
            return Ok(());
        }
        engine.store.set_failure(id, &error.message(), None).await?;
    }
    if row.state != AppState::Active {
        return Ok(());
    }
    let source = &row.app.source;
    // What was pushed since is not at fault. What cannot be told because the repository is not here is in the history
    // all the same.
    let revision = match engine.attempted.get(id) {
        Some(attempted) => Some(attempted),
        None => engine.store.ref_head(&source.repo, &source.ref_name).await?,
    };
    let Some(revision) = revision else { return Ok(()) };
    let end = AppEnd::Failed { message: error.message() };
    outcome::ended(engine, &row, &revision, &end).await
}
