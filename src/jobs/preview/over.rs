//! Pull requests that are merged or closed: what happens to their gates, and when the forge is asked about the merge.

use super::gate::of_report_when_over;
use crate::config::Repo;
use crate::forge::{NewStatus, PullRequest, PullState, StatusState};
use crate::jobs::refs::full_ref;
use crate::jobs::{Context, outcome};
use crate::queue::{Finish, JobError, Key, Request, Trigger};
use crate::report::preview::{Outcome, PreviewReport, Previewed};
use crate::store::pulls::{Pull, PullRow};

/// The push of the merge brings the syncs; it is queued here as well, in case its webhook is lost.
pub(in crate::jobs) async fn merged(context: &Context, repo: &Repo, pull: &PullRequest) -> Result<(), JobError> {
    let Some(merge_commit) = &pull.merge_commit else { return closed(context, repo, pull).await };
    let row = as_merged(context, repo, pull).await?;
    let key = Key::Push { repo: repo.name.clone(), ref_name: full_ref(&pull.base_ref) };
    let cause = Trigger::Follow { key: Key::Preview { repo: repo.name.clone(), number: pull.number } };
    context.queue.enqueue(&[Request::new(key, cause).with_hint(merge_commit.as_str())]).await?;
    settle(context, repo, pull).await?;
    // Last, so that whoever is stopped before it begins anew; the push may have told of it before.
    if row.state != PullRow::Merged {
        outcome::merged(context, &row, merge_commit, outcome::ToldBy::Forge).await?;
    }
    let mut people = vec![pull.author.clone()];
    people.extend(pull.merged_by.clone().filter(|login| *login != pull.author));
    outcome::concerns(context, &repo.name, pull.number, &pull.head, people).await
}

/// The row of a merged pull request, with the head that was merged: it may have been pushed to while nobody looked.
/// What a push has told of already stays as it was told.
async fn as_merged(context: &Context, repo: &Repo, pull: &PullRequest) -> Result<Pull, JobError> {
    let turn = context.store.turn(&repo.name).await?;
    let mut row =
        turn.pull_or(Pull::open(&repo.name, pull.number, pull.head.clone(), full_ref(&pull.base_ref))).await?;
    if row.state != PullRow::Merged {
        row.head.clone_from(&pull.head);
        row.put().await?;
    }
    Ok(Pull::clone(&row))
}

/// A push has told of the merge, and the forge's API is behind. It is asked again, as only it knows whom the merge
/// concerns, and its webhook may be the very one that led here.
pub(in crate::jobs) async fn landed(context: &Context, repo: &Repo, pull: &PullRequest) -> Result<Finish, JobError> {
    settle(context, repo, pull).await?;
    Ok(Finish::LookAgain)
}

pub(in crate::jobs) async fn closed(context: &Context, repo: &Repo, pull: &PullRequest) -> Result<(), JobError> {
    note_closed(context, repo, pull.number).await?;
    settle(context, repo, pull).await
}

/// In one turn with those who tell of merges: one that a push has told of stays merged, and what was said of it stays
/// said.
async fn note_closed(context: &Context, repo: &Repo, number: u64) -> Result<(), JobError> {
    let turn = context.store.turn(&repo.name).await?;
    if let Some(mut row) = turn.pull(number).await?.filter(|row| row.state == PullRow::Open) {
        row.state = PullRow::Closed;
        row.put().await?;
    }
    Ok(())
}

/// A pull request that was closed while its preview was made must not leave its head pending for ever.
async fn settle(context: &Context, repo: &Repo, pull: &PullRequest) -> Result<(), JobError> {
    let status_context = &context.config.status_context;
    let shown = context.outbox.wanted_status(&repo.name, &pull.head, status_context).await?;
    let last = match shown {
        Some(status) if status.state == StatusState::Pending => Some(last_word(context, repo, pull, status).await?),
        _ => None,
    };
    context.outbox.drop_gate(&repo.name, pull.number, status_context, last.as_ref()).await?;
    let flavour = context.flavour(&repo.name);
    let refs = [flavour.head_ref(pull.number), flavour.tested_ref(pull.number)];
    context.mirrors.forget_quietly(&repo.name, &refs).await;
    Ok(())
}

/// What the last preview of the head has come to stands, although another one had begun.
async fn last_word(
    context: &Context,
    repo: &Repo,
    pull: &PullRequest,
    pending: NewStatus,
) -> Result<NewStatus, JobError> {
    let row = context.store.pull(&repo.name, pull.number).await?;
    let is_preview = |report: &PreviewReport| {
        let never = |outcome: &Outcome| outcome.previewed == Previewed::Never;
        report.head == pull.head && !report.outcome.as_ref().is_some_and(never)
    };
    let previewed = row.as_ref().and_then(outcome::report_of).filter(is_preview);
    let status = previewed.map(|report| of_report_when_over(context, repo, &report));
    // An error says that it is tried again, which it is not.
    Ok(status.filter(|status| status.state != StatusState::Error).unwrap_or_else(|| {
        // The forge may still call open what a push has shown to be merged.
        let how = if pull.state == PullState::Closed { "closed" } else { "merged" };
        NewStatus { state: StatusState::Error, description: format!("{how} before it was previewed"), ..pending }
    }))
}
