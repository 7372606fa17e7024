//! Whether a comment may be acted on: whose it is, whether it is as it was written, and what its author may do.

use jiff::SignedDuration;

use crate::class::Classified;
use crate::command::{self, Role};
use crate::config::Repo;
use crate::forge::{Forge, ForgeError, WrittenComment};
use crate::jobs::Context;
use crate::queue::{Job, JobError};
use crate::store::commands::CommandResult;

/// A command that reaches us later is not what its author wants any more.
const FRESH: SignedDuration = SignedDuration::from_hours(1);

/// So often the forge is asked about a user whom it cannot tell about.
const ATTEMPTS: u32 = 3;

/// The place of a comment.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub repo: &'a Repo,
    pub number: u64,
    pub comment: u64,
}

/// The comment as it stands now. None if there is nothing to act on: it is gone, our own, or a program's.
pub(super) async fn read(forge: &dyn Forge, place: Place<'_>) -> Result<Option<WrittenComment>, JobError> {
    let Place { repo, number, comment } = place;
    let written = match forge.comment(&repo.project, number, comment).await {
        Ok(written) => written,
        Err(ForgeError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let is_ours = written.author.is_bot || forge.whoami().await?.is(&written.author.login);
    Ok((!is_ours).then_some(written))
}

/// Why nothing of a comment is carried out, whoever wrote it.
pub(super) async fn stale(
    context: &Context,
    place: Place<'_>,
    written: &WrittenComment,
    job: &Job,
) -> Result<Option<String>, JobError> {
    let edited = job.hint.as_ref().is_some_and(|hint| *hint != command::digest(&written.body));
    if edited {
        return Ok(Some("the comment was edited. Write a new one".to_owned()));
    }
    let age = context.clock.now().duration_since(written.created);
    if age > FRESH {
        let minutes = age.as_mins();
        return Ok(Some(format!("it reached Driftless {minutes} minutes after it was written. Write it again")));
    }
    let known = context.store.commands_of(&place.repo.name, place.number).await?;
    let is_overtaken = known.iter().any(|row| row.comment > place.comment && row.result == CommandResult::Done);
    Ok(is_overtaken.then(|| "a command of a later comment was carried out before it. Write it again".to_owned()))
}

/// What the author may do now, or why nobody knows.
pub(super) async fn role(
    forge: &dyn Forge,
    place: Place<'_>,
    written: &WrittenComment,
    job: &Job,
) -> Result<Result<Role, String>, JobError> {
    match forge.role(&place.repo.project, &written.author).await {
        Ok(role) => Ok(Ok(role)),
        Err(error) if may_pass(&error) && job.attempt < ATTEMPTS => Err(error.into()),
        // What cannot be found out is not granted.
        Err(error) => {
            tracing::warn!(repo = %place.repo.name, number = place.number, %error, "a command was refused: the forge \
                                                                                does not say what its author may do");
            Ok(Err(format!("{} does not say what you may do here", forge.name())))
        }
    }
}

fn may_pass(error: &ForgeError) -> bool {
    matches!(error, ForgeError::Unavailable { .. } | ForgeError::Limited { .. }) && error.class().is_retry()
}

/// How long ago something may be shown and still be older than a comment: the clocks of two machines differ, and forges
/// tell whole seconds.
pub(super) const CLOCKS: SignedDuration = SignedDuration::from_secs(2);
