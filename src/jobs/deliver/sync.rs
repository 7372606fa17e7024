//! `sync:REPO/APP`: brings the app to the state in Git by render, plan and apply. The wait for health does not hold
//! this job.

use futures::FutureExt;

use super::attempt::{Aim, Attempt};
use super::goal::{Goal, Intent, decide};
use super::target::{Target, target};
use super::{confirmed, failing, finish, head, missing, previous_clusters, removed};
use crate::app::{App, SyncPolicy};
use crate::class::Class;
use crate::ids::{AppId, Oid};
use crate::jobs::history::History;
use crate::jobs::ownership::{handover, left};
use crate::jobs::preview::rests;
use crate::jobs::refs::missing_ref;
use crate::jobs::{Context, outcome};
use crate::queue::{Job, JobError, Key, RunningJob, Trigger};
use crate::report::preview::AppEnd;
use crate::store::apps::{AppHealth, AppRow, AppState};
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::store::runs::{RunKind, RunState};
use crate::store::subject::Subject;
use crate::store::transition::Transition;

pub(in crate::jobs) async fn run(
    context: &Context,
    id: &AppId,
    job: &Job,
    running: &RunningJob,
) -> Result<(), JobError> {
    let done = work(context, id, job, running).await;
    // Whatever came of it: the previews that rest on what it changed are old. That they could not be told is no failure
    // of this app, and what is left is told by the next sync or resync.
    if let Err(error) = rests::spread(context).await {
        tracing::warn!(
            error = error.message(),
            "outdated previews of pull requests could not be queued yet; retrying with the next sync or resync"
        );
    }
    done
}

async fn work(context: &Context, id: &AppId, job: &Job, running: &RunningJob) -> Result<(), JobError> {
    one(context, id, job, running).await?;
    // Last: a cluster that the app has left may be away for long, and nothing must wait for it.
    previous_clusters::prune(context, id, running).await
}

async fn one(context: &Context, id: &AppId, job: &Job, running: &RunningJob) -> Result<(), JobError> {
    context.attempted.forget(id);
    // Only jobs of this key begin and forget waits of the app: what is read here is about what is applied now.
    for ended in context.store.ended_waits(id).await? {
        let row = context.app_row(id).await?;
        finish::act(context, &row.at_applied_definition(), &ended, running).await?;
    }
    let Subject { mut row, inventory, waiting, missing } = context.subject(id).await?;
    let job = &confirming(job, &inventory);
    let intent = Intent::of(&Key::Sync(id.clone()), &job.causes);
    let (aim, revision) = match decide(&row, &intent) {
        Goal::Skip
            if intent.manual.is_none()
                && intent.is_news()
                && row.state == AppState::Active
                && row.app.sync != SyncPolicy::Never =>
        {
            missing::look(context, &row, &missing).await?;
            return head::look(context, &row, running).await;
        }
        Goal::Skip => {
            removed::stop_waiting(context, &row, waiting.as_ref()).await?;
            missing::look(context, &row, &missing).await?;
            return left_alone(context, &row, &intent, job).await;
        }
        Goal::Apply => match target(context, &row, &intent, running).await {
            Ok(Target::At(revision)) => (Aim::Apply, revision),
            Ok(Target::NoRef) => {
                missing::look(context, &row, &missing).await?;
                return without_ref(context, &row, &intent, job).await;
            }
            Err(error) => {
                let error = missing::told(context, &row, &missing, error).await?;
                return Err(recorded(context, id, &intent, job, error).await?);
            }
        },
        Goal::Heal { revision, report_only } => (Aim::Heal { report_only }, revision),
        Goal::PruneLeftovers { .. } if !handover::has_left_something(context, &row).await? => return Ok(()),
        Goal::PruneLeftovers { revision } => (Aim::Finish, revision),
        Goal::Remove => (Aim::Remove, removed_at(context, &row).await?),
        // The end of the job does it.
        Goal::Confirm => {
            let revision = removed_at(context, &row).await?;
            return confirmed::begin(context, &row, &intent, revision, job).await;
        }
    };
    if matches!(aim, Aim::Heal { .. } | Aim::Finish) {
        // What the definition says since is for a sync to apply, never for a look.
        row = row.as_applied().unwrap_or(row);
    }
    let attempt = Attempt { context, row: &row, intent: &intent, revision, aim, waiting, running };
    running.works_on(attempt.revision.as_str());
    context.attempted.put(id, attempt.revision.clone());
    let kind = if matches!(attempt.aim, Aim::Heal { .. }) { RunKind::Heal } else { RunKind::Sync };
    let mut history = History::new(context, kind, id.to_string(), job)?;
    let author = author(context, &row.app, &attempt.revision).await;
    history.revision(&attempt.revision, author.as_deref());
    history.from(row.applied_revision.as_ref());
    let mut result = attempt.make(&mut history).await;
    if !missing.is_empty() {
        result = match result {
            Ok(()) => missing::after_success(context, &row, &missing).await,
            Err(error) => Err(missing::told(context, &row, &missing, error).await?),
        };
    }
    if result.is_ok() && attempt.is_pinned() && attempt.aim == Aim::Apply {
        result = head::look(context, &row, running).await;
    }
    if let Err(error) = &result {
        history.end_with(error).await?;
        if error.class == Class::Fail && kind == RunKind::Sync {
            context.store.set_failure(id, &error.message(), Some(&attempt.revision)).await?;
            failing::look(context, id, job, running).boxed().await;
        }
    }
    result
}

/// The job as it is by now: whoever confirms when nothing is held, or no longer, has asked for a sync and has approved
/// nothing.
fn confirming(job: &Job, inventory: &[ObjectRow]) -> Job {
    let mut job = job.clone();
    let confirms = |cause: &Trigger| matches!(cause, Trigger::Manual(manual) if manual.allow_destructive);
    if !job.causes.iter().any(confirms) {
        return job;
    }
    // What was confirmed and is not done yet stays so when a run is tried again.
    let is_open = |row: &ObjectRow| row.state.pending_confirmation() || row.state == ObjectState::Pruning;
    if !inventory.iter().any(is_open) {
        for cause in &mut job.causes {
            if let Trigger::Manual(manual) = cause {
                manual.allow_destructive = false;
            }
        }
    }
    job
}

/// What a person asked for is in the history, also where it came to nothing.
async fn recorded(
    context: &Context,
    id: &AppId,
    intent: &Intent,
    job: &Job,
    error: JobError,
) -> Result<JobError, JobError> {
    if intent.manual.is_some() && error.class == Class::Fail {
        History::new(context, RunKind::Sync, id.to_string(), job)?.end_with(&error).await?;
    }
    Ok(error)
}

/// Between the request and this job, the app became one that is not synced.
async fn left_alone(context: &Context, row: &AppRow, intent: &Intent, job: &Job) -> Result<(), JobError> {
    // Who lets it go asks for nothing beside that, which is a line of its own.
    let lets_go = |cause: &Trigger| matches!(cause, Trigger::Manual(manual) if manual.resume || manual.unpause);
    let asks = |cause: &&Trigger| matches!(cause, Trigger::Manual(_)) && !lets_go(cause);
    if intent.manual.is_none() || job.causes.iter().find(asks).is_none() {
        return Ok(());
    }
    let text = format!("nothing was synced: {}", why_not(row));
    History::new(context, RunKind::Sync, row.app.id.to_string(), job)?.end(RunState::Failed, Some(&text), None).await
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

/// The ref of the app does not exist: this is its state until the ref exists again.
async fn without_ref(context: &Context, row: &AppRow, intent: &Intent, job: &Job) -> Result<(), JobError> {
    let message = missing_ref(&row.app.source);
    context.store.set_app_state(&row.app.id, AppState::Missing, &message).await?;
    if intent.manual.is_some() {
        let mut history = History::new(context, RunKind::Sync, row.app.id.to_string(), job)?;
        history.end(RunState::Failed, Some(&message), None).await?;
    }
    // Whoever has just merged such a definition waits to hear of it.
    outcome::ended(context, row, &row.definition_commit, &AppEnd::Failed { message }).await
}

/// The commit that removed the definition, if it is known.
async fn removed_at(context: &Context, row: &AppRow) -> Result<Oid, JobError> {
    let repo = context.repo(&row.app.id.repo)?;
    let head = context.store.ref_head(&repo.name, &repo.definitions_ref).await?;
    Ok(head.unwrap_or_else(|| row.definition_commit.clone()))
}

/// For the history only: a commit that cannot be read says so when it is rendered.
async fn author(context: &Context, app: &App, revision: &Oid) -> Option<String> {
    context.mirrors.commit(&app.source.repo, revision).await.ok().map(|commit| commit.author_name)
}

/// People wait for the end of a merge on its pull request: they hear that it went wrong.
pub(in crate::jobs) async fn failed(
    context: &Context,
    id: &AppId,
    job: &Job,
    error: &JobError,
) -> Result<(), JobError> {
    let Some(row) = context.store.app(id).await? else { return Ok(()) };
    // What could not be deleted where the app was says nothing about where it is.
    if row.health != AppHealth::Healthy || !left::is_agreed(context, id).await? {
        let intent = Intent::of(&Key::Sync(id.clone()), &job.causes);
        if let Goal::Heal { .. } = decide(&row, &intent) {
            // What is applied stays what it was, and the next look heals that again, never what Git says since.
            let drift = format!("drift could not be healed: {}", error.message());
            let transition = Transition {
                health: Some((AppHealth::Degraded, &error.message())),
                drift: Some(&drift),
                ..Transition::default()
            };
            return Ok(context.store.record(id, &transition).await?);
        }
        context.store.set_failure(id, &error.message(), None).await?;
    }
    if row.state != AppState::Active {
        return Ok(());
    }
    let source = &row.app.source;
    // What was pushed since is not at fault. What cannot be told because the repository is not here is in the history
    // all the same.
    let revision = match context.attempted.get(id) {
        Some(attempted) => Some(attempted),
        None => context.store.ref_head(&source.repo, &source.ref_name).await?,
    };
    let Some(revision) = revision else { return Ok(()) };
    let end = AppEnd::Failed { message: error.message() };
    outcome::ended(context, &row, &revision, &end).await
}
