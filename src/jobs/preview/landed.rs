//! Pull requests that the forge's API reports as open although the base already has their commits. The API is behind,
//! and a preview would say that merging changes nothing while the merge is being applied.

use tokio_util::sync::CancellationToken;

use super::fetch::fetch;
use crate::class::Class;
use crate::config::Repo;
use crate::forge::PullRequest;
use crate::ids::Oid;
use crate::jobs::{Context, outcome};
use crate::queue::JobError;
use crate::source::Merge;
use crate::store::pulls::{CalledOpen, PullRow};

/// So many tries are made before the forge is believed that a pull request is open of which the base has everything,
/// maybe by another commit.
const DOUBTED: u32 = 3;

/// What the base says of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jobs) enum Landed {
    /// It is to be previewed.
    No,
    /// The base has its commits. What was shown of them stays, and the merge is told of.
    Merged,
    /// It has no commit of its own, or none of which anything was shown.
    Nothing,
}

/// Asked when its heads were fetched, before anything is shown.
pub(in crate::jobs) async fn look(
    context: &Context,
    repo: &Repo,
    number: u64,
    [base, head]: [&Oid; 2],
) -> Result<Landed, JobError> {
    if !context.mirrors.is_ancestor(&repo.name, head, base).await? {
        return Ok(Landed::No);
    }
    let known = context.store.pull(&repo.name, number).await?;
    if known.as_ref().is_some_and(|row| row.state == PullRow::Merged) {
        return Ok(Landed::Merged);
    }
    // Of other commits than these nothing was shown, and nothing can be told: the preview gives them their gate.
    let Some(row) = known.filter(|row| row.state == PullRow::Open && row.head == *head) else {
        return Ok(Landed::Nothing);
    };
    // Where the base was when its commits were not there yet: at the preview that was shown of them, or when all was
    // last done about the base.
    let shown = outcome::report_of(&row).filter(|report| report.head == *head).map(|report| report.base);
    let acted = context.store.last_seen(&repo.name, &row.base_ref).await?;
    for before in [shown, acted].into_iter().flatten() {
        let is_known = context.mirrors.has_commit(&repo.name, &before).await;
        if is_known && !context.mirrors.is_ancestor(&repo.name, head, &before).await? {
            let commit = context.mirrors.merged_by(&repo.name, head, base).await?;
            outcome::merged(context, &row, &commit, outcome::ToldBy::Push).await?;
            return Ok(Landed::Merged);
        }
    }
    Ok(Landed::Nothing)
}

/// What was told as merged, by a push, is not: the forge goes on calling it open with a head that its base lacks. Only
/// [`stands`] makes one.
pub(in crate::jobs) struct Contradicted(Oid);

impl Contradicted {
    pub fn is_at(&self, head: &Oid) -> bool {
        self.0 == *head
    }
}

/// How a pull request stands that the forge's API calls open.
pub(in crate::jobs) enum Stands {
    Open,
    Merged,
    /// It may be: the forge is asked again.
    Doubted(JobError),
    Contradicted(Contradicted),
}

/// What was told as merged stays that until the forge contradicts it for good: its API may be behind the push, and the
/// head that was merged may be newer than the one that was seen last.
pub(in crate::jobs) async fn stands(
    context: &Context,
    repo: &Repo,
    pull: &PullRequest,
    attempt: u32,
    cancel: &CancellationToken,
) -> Result<Stands, JobError> {
    let known = context.store.pull(&repo.name, pull.number).await?;
    match known.map_or(CalledOpen::Open, |row| row.called_open(&pull.head)) {
        CalledOpen::Open => return Ok(Stands::Open),
        CalledOpen::Behind => return Ok(Stands::Merged),
        CalledOpen::Unclear => {}
    }
    let fetched = fetch(context, repo, pull, Some(&pull.head), cancel).await?;
    if context.mirrors.is_ancestor(&repo.name, &fetched.head, &fetched.base).await? {
        return Ok(Stands::Merged);
    }
    if attempt > DOUBTED {
        return Ok(Stands::Contradicted(Contradicted(pull.head.clone())));
    }
    let text = format!(
        "a push merged the {}, but the forge reports it as open, with commits that the base does not have. Driftless \
         asks the forge again",
        context.flavour(&repo.name).pull_request
    );
    Ok(Stands::Doubted(JobError::new(Class::RETRY, text).shown()))
}

/// Whether merging what was shown before leaves the base as it is: a squash or a rebase looks like that until the forge
/// says so.
pub(in crate::jobs) async fn doubt(
    context: &Context,
    repo: &Repo,
    number: u64,
    [base, head]: [&Oid; 2],
    attempt: u32,
    cancel: &CancellationToken,
) -> Result<Option<JobError>, JobError> {
    let row = context.store.pull(&repo.name, number).await?;
    let was_shown = row.as_ref().and_then(outcome::report_of).is_some_and(|report| report.head == *head);
    if attempt > DOUBTED || !was_shown {
        return Ok(None);
    }
    let Ok(Merge::Clean { tree_id, .. }) = context.mirrors.merge(&repo.name, base, head, None, cancel).await else {
        return Ok(None);
    };
    if tree_id != context.mirrors.tree_id(&repo.name, base).await? {
        return Ok(None);
    }
    let text = format!(
        "the base already has all changes of the {}, but the forge reports it as open. Driftless asks the forge again",
        context.flavour(&repo.name).pull_request
    );
    // Nobody has to read of it.
    Ok(Some(JobError::new(Class::RETRY, text).shown()))
}
