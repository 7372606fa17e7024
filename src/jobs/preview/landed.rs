//! A pull request that the forge's API still calls open although its base has its commits already: the API is behind,
//! and a preview would say that merging changes nothing, of a merge that is being applied at that moment.

use tokio_util::sync::CancellationToken;

use crate::class::Class;
use crate::config::Repo;
use crate::ids::Oid;
use crate::jobs::{Engine, outcome};
use crate::queue::JobError;
use crate::source::Merge;
use crate::store::pulls::PullRow;

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
    engine: &Engine,
    repo: &Repo,
    number: u64,
    [base, head]: [&Oid; 2],
) -> Result<Landed, JobError> {
    if !engine.mirrors.is_ancestor(&repo.name, head, base).await? {
        return Ok(Landed::No);
    }
    let known = engine.store.pull(&repo.name, number).await?;
    if known.as_ref().is_some_and(|row| row.is_merged_at(head)) {
        return Ok(Landed::Merged);
    }
    // Of other commits than these nothing was shown, and nothing can be told: the preview gives them their gate.
    let Some(row) = known.filter(|row| row.state == PullRow::Open && row.head == *head) else {
        return Ok(Landed::Nothing);
    };
    // Where the base was when its commits were not there yet: at the preview that was shown of them, or when all was
    // last done about the base.
    let shown = outcome::report_of(&row).filter(|report| report.head == *head).map(|report| report.base);
    let acted = engine.store.last_seen(&repo.name, &row.base_ref).await?;
    for before in [shown, acted].into_iter().flatten() {
        let is_known = engine.mirrors.has_commit(&repo.name, &before).await;
        if is_known && !engine.mirrors.is_ancestor(&repo.name, head, &before).await? {
            let commit = engine.mirrors.merged_by(&repo.name, head, base).await?;
            outcome::merged(engine, &row, &commit).await?;
            return Ok(Landed::Merged);
        }
    }
    Ok(Landed::Nothing)
}

/// Whether merging what was shown before leaves the base as it is: a squash or a rebase looks like that until the forge
/// says so.
pub(in crate::jobs) async fn doubt(
    engine: &Engine,
    repo: &Repo,
    number: u64,
    [base, head]: [&Oid; 2],
    attempt: u32,
    cancel: &CancellationToken,
) -> Result<Option<JobError>, JobError> {
    let row = engine.store.pull(&repo.name, number).await?;
    let was_shown = row.as_ref().and_then(outcome::report_of).is_some_and(|report| report.head == *head);
    if attempt > DOUBTED || !was_shown {
        return Ok(None);
    }
    let Ok(Merge::Clean { tree_id, .. }) = engine.mirrors.merge(&repo.name, base, head, None, cancel).await else {
        return Ok(None);
    };
    if tree_id != engine.mirrors.tree_id(&repo.name, base).await? {
        return Ok(None);
    }
    let text =
        "the base has all that the pull request changes, and the forge calls it open. Driftless asks the forge again";
    // Nobody has to read of it.
    Ok(Some(JobError::new(Class::RETRY, text).shown()))
}
