//! Finds pull requests that a push has merged, even if the forge's API does not report them as merged yet.

use std::collections::BTreeSet;

use super::merge;
use super::merge::ToldBy;
use crate::config::Repo;
use crate::forge::{PullRequest, PullState};
use crate::ids::Oid;
use crate::jobs::Context;
use crate::queue::JobError;
use crate::store::pulls::PullRow;

/// Pull requests whose heads a push has brought into their base: they are merged, whatever the forge's API says or does
/// not say.
pub(in crate::jobs) async fn merged_by_push(
    context: &Context,
    repo: &Repo,
    ref_name: &str,
    before: Option<&Oid>,
    now: &Oid,
) -> Result<BTreeSet<u64>, JobError> {
    let mut merged = BTreeSet::new();
    // A branch without a commit of its own is not merged by a push to its base.
    let Some(before) = before else { return Ok(merged) };
    let mut open = context.store.pulls(&repo.name, PullRow::Open).await?;
    open.retain(|pull| pull.base_ref == ref_name);
    if open.is_empty() {
        return Ok(merged);
    }
    let pushed = context.mirrors.newest(&repo.name, now, before).await?;
    for pull in open.into_iter().filter(|pull| pushed.contains(&pull.head)) {
        if context.mirrors.is_ancestor(&repo.name, &pull.head, before).await? {
            continue;
        }
        let commit = context.mirrors.merged_by(&repo.name, &pull.head, now).await?;
        merge::merged(context, &pull, &commit, ToldBy::Push).await?;
        merged.insert(pull.number);
    }
    Ok(merged)
}

/// A squash leaves no trace of the pull request's commits in its base; forges name its number in the message instead.
/// Whether that is so is the forge's to say, and when it does not, the merge is told of by its webhook or the next
/// look.
pub(in crate::jobs) async fn merged_by_message(
    context: &Context,
    repo: &Repo,
    ref_name: &str,
    revision: &Oid,
) -> Result<(), JobError> {
    let summary = context.mirrors.commit(&repo.name, revision).await?.summary;
    let Some(number) = context.flavour(&repo.name).named_pull(&summary) else { return Ok(()) };
    let open = context.store.pull(&repo.name, number).await?;
    let (Some(row), Some(forge)) =
        (open.filter(|row| row.state == PullRow::Open && row.base_ref == ref_name), context.forge(repo))
    else {
        return Ok(());
    };
    match forge.pull_request(&repo.project, number).await {
        Ok(PullRequest { state: PullState::Merged, merge_commit: Some(commit), .. }) => {
            merge::merged(context, &row, &commit, ToldBy::Forge).await
        }
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(repo = %repo.name, number, %error, "could not ask the forge whether a push has merged a \
                                                               pull request");
            Ok(())
        }
    }
}
