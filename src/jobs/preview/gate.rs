//! The status of a pull request or a merge group while there is no report yet.

use crate::config::Repo;
use crate::forge::{NewStatus, StatusState};
use crate::ids::Oid;
use crate::jobs::Context;
use crate::queue::{Job, JobError};
use crate::report::{self, PreviewReport};

/// A gate that blocks keeps saying why until there is another word for the same commit: whoever reads "pending" waits
/// for an answer that may not come, and a forge takes only so many statuses for one commit (GitHub 1,000 for each
/// context). One that lets pass does so while it is looked at once more, as when the base moves, and not when that
/// takes longer.
pub(in crate::jobs) async fn pending(
    context: &Context,
    repo: &Repo,
    number: Option<u64>,
    head: &Oid,
    job: &Job,
) -> Result<(), JobError> {
    let shown = context.outbox.wanted_status(&repo.name, head, &context.config.status_context).await?;
    // What it waits for is said until that is over.
    let awaits = |status: &NewStatus| status.description.starts_with(report::AWAITS_APPROVAL);
    if job.attempt <= 1 && shown.as_ref().is_some_and(awaits) {
        return Ok(());
    }
    let is_said =
        job.failing_since.is_some() && shown.as_ref().is_some_and(|status| status.state == StatusState::Pending);
    if is_said || shown.is_some_and(|status| stays(status.state, job.attempt)) {
        return Ok(());
    }
    let status = report::pending(head, &context.config.status_context, target(context).as_deref());
    put_gate(context, repo, number, &status).await
}

fn stays(shown: StatusState, attempt: u32) -> bool {
    match shown {
        StatusState::Error | StatusState::Failure => true,
        StatusState::Success => attempt <= 1,
        StatusState::Pending => false,
    }
}

/// What a preview that is tried again waits for, and since when: nobody has to guess for the minutes until it counts as
/// an error.
pub(in crate::jobs) async fn waits(
    context: &Context,
    repo: &Repo,
    number: Option<u64>,
    head: &Oid,
    job: &Job,
    error: &JobError,
) -> Result<(), JobError> {
    let status_context = &context.config.status_context;
    let shown = context.outbox.wanted_status(&repo.name, head, status_context).await?;
    if !error.class.is_retry() || shown.is_some_and(|status| status.state != StatusState::Pending) {
        return Ok(());
    }
    let since = job.failing_since.unwrap_or_else(|| context.clock.now()).strftime("%H:%M UTC");
    let mut status = report::pending(head, status_context, target(context).as_deref());
    status.description = format!("retrying since {since}: {}", error.message());
    put_gate(context, repo, number, &status).await
}

/// The same for a pull request that is merged or closed: it waits for nobody any more.
pub(in crate::jobs) fn of_report_when_over(context: &Context, repo: &Repo, report: &PreviewReport) -> NewStatus {
    let flavour = context.flavour(&repo.name);
    report::gate(report, &context.config.status_context, target(context).as_deref(), flavour)
}

/// The status of a preview that is done.
pub(in crate::jobs) fn of_report(context: &Context, repo: &Repo, report: &PreviewReport) -> NewStatus {
    let flavour = context.flavour(&repo.name);
    let status = of_report_when_over(context, repo, report);
    if context.config.gate_destructive { report::blocking(status, report, flavour) } else { status }
}

pub(in crate::jobs) async fn put_gate(
    context: &Context,
    repo: &Repo,
    number: Option<u64>,
    status: &NewStatus,
) -> Result<(), JobError> {
    match number {
        Some(number) => context.outbox.put_gate(&repo.name, number, status).await?,
        None => context.outbox.put_group_gate(&repo.name, status).await?,
    }
    Ok(())
}

pub(in crate::jobs) fn target(context: &Context) -> Option<String> {
    context.config.public_url.as_ref().map(ToString::to_string)
}

/// Whether a commit's gate has got an answer.
pub(in crate::jobs) async fn is_settled(context: &Context, repo: &Repo, head: &Oid) -> Result<bool, JobError> {
    let wanted = context.outbox.wanted_status(&repo.name, head, &context.config.status_context).await?;
    Ok(wanted.is_some_and(|status| status.state != StatusState::Pending))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A19: a base that moves makes no success pending and then success again; what takes longer than one try does.
    #[test]
    fn what_a_gate_says_while_it_is_looked_at_once_more() {
        for blocks in [StatusState::Error, StatusState::Failure] {
            assert!(stays(blocks, 1) && stays(blocks, 9));
        }
        assert!(stays(StatusState::Success, 1) && !stays(StatusState::Success, 2));
        assert!(!stays(StatusState::Pending, 1));
    }
}
