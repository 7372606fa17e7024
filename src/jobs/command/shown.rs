//! Shows the answers: in the comment of the pull request, and as a reaction.

use super::checked::Place;
use crate::forge::{Forge, PullRequest, Reaction};
use crate::jobs::preview::fill::empty;
use crate::jobs::preview::told::comment;
use crate::jobs::refs::full_ref;
use crate::jobs::{Context, outcome};
use crate::queue::JobError;
use crate::report::stored::REPORT;
use crate::store::commands::{CommandResult, CommandRow};
use crate::store::pulls::{Pull, PullRow};

/// The comment, with the answers in it. A pull request that had none gets one.
pub(super) async fn show(context: &Context, place: Place<'_>, pull: &PullRequest) -> Result<(), JobError> {
    let Place { repo, number, .. } = place;
    let turn = context.store.turn(&repo.name).await?;
    let mut row = turn.pull_or(Pull::open(&repo.name, number, pull.head.clone(), full_ref(&pull.base_ref))).await?;
    let report = match outcome::report_of(&row) {
        Some(report) => report,
        None => {
            let report = empty(context, &repo.name, Some(number), &pull.head, &pull.base_ref);
            // What is shown once is edited from then on.
            row.report = Some(REPORT.write(&report)?);
            row.put().await?;
            report
        }
    };
    let parts = comment(context, &report, number).await?;
    if row.state == PullRow::Merged {
        context.outbox.put_outcome(&repo.name, number, &parts).await?;
    } else {
        context.outbox.put_comment(&repo.name, number, &parts).await?;
    }
    Ok(())
}

/// The least good of the answers. That the forge does not take a reaction is no failure: the comment says it in words.
pub(super) async fn react(forge: &dyn Forge, place: Place<'_>, rows: &[CommandRow]) {
    let is = |result| rows.iter().any(|row| row.result == result);
    let reaction = match () {
        () if is(CommandResult::Mistaken) => Reaction::NotUnderstood,
        () if is(CommandResult::Refused) => Reaction::Refused,
        () => Reaction::Done,
    };
    let Place { repo, number, comment } = place;
    if let Err(error) = forge.react(&repo.project, number, comment, reaction).await {
        tracing::warn!(repo = %repo.name, number, %error, "no reaction could be given to a command");
    }
}
