//! Previews of merge groups: the branch compared with the group's tree.

use super::fetch::{Fetched, PreviewError, take};
use super::fill::{empty, fill, unavailable};
use super::gate::{is_settled, of_report, pending, put_gate, waits};
use super::pull::{finish, forge_of, quiet};
use super::reads;
use crate::config::Repo;
use crate::forge::StatusState;
use crate::ids::{Oid, RepoName};
use crate::jobs::Context;
use crate::jobs::desired::fetch_commit;
use crate::jobs::history::History;
use crate::queue::{Finish, Job, JobError, RunningJob};
use crate::store::group_reads::GroupRow;
use crate::store::runs::RunKind;

/// A merge group whose head has not come by then never comes: the forge has dissolved it.
const GROUP_COMES: jiff::SignedDuration = jiff::SignedDuration::from_mins(2);

/// A merge queue asks about a group: the branch against the group's tree.
pub(in crate::jobs) async fn run_group(
    context: &Context,
    repo: &RepoName,
    ref_name: &str,
    hint: Option<&Oid>,
    job: &Job,
    running: &RunningJob,
) -> Result<Finish, JobError> {
    let repo = context.repo(repo)?;
    let Some(forge) = forge_of(context, repo) else { return Ok(Finish::Done) };
    let Some(base_ref) = forge.merge_group_base(ref_name) else {
        return group_gone(context, repo, ref_name, hint).await;
    };
    if let Some(head) = hint {
        pending(context, repo, None, head, job).await?;
    }
    let refs = [base_ref.clone(), ref_name.to_owned()];
    let mut fetched =
        fetch_commit::fetch(&context.mirrors, &context.remote(repo).await?, &refs, hint, &running.cancel).await?;
    let there = take(&mut fetched, ref_name);
    if let (None, Some(head)) = (&there, hint)
        && is_settled(context, repo, head).await?
    {
        // It was judged, and then merged or dissolved.
        context.store.forget_group_reads(&repo.name, ref_name).await?;
        return Ok(Finish::Done);
    }
    let Some(head) = group_head(context, repo, there, hint).await else {
        if job.failing_since.is_none_or(|since| context.clock.now().duration_since(since) < GROUP_COMES)
            && hint.is_some()
        {
            return Err(PreviewError::Group(ref_name.to_owned()).into());
        }
        return group_gone(context, repo, ref_name, hint).await;
    };
    let base = take(&mut fetched, &base_ref)
        .ok_or_else(|| PreviewError::Base { repo: repo.name.clone(), base: base_ref.clone() })?;
    running.works_on(head.as_str());
    pending(context, repo, None, &head, job).await?;
    let mut history = History::new(context, RunKind::Preview, format!("{}#{ref_name}", repo.name), job)?;
    history.revision(&head, None);
    let mut report = empty(context, &repo.name, None, &head, &base_ref);
    let fetched = Fetched { base_ref, base, head, author: String::new(), merge: false, tested: None };
    let filled = fill(context, repo, &fetched, &mut report, &mut history, running).await;
    let filled = filled.and_then(|(_, looked, failed)| Ok((looked, quiet(job, failed)?)));
    let (looked, trouble) = match filled {
        Ok(filled) => filled,
        Err(error) => {
            waits(context, repo, None, &fetched.head, job, &error).await?;
            return Err(history.end_first(job, error).await?);
        }
    };
    let status = of_report(context, repo, &report);
    put_gate(context, repo, None, &status).await?;
    // What it was made from may move while the group waits for its other checks.
    let group = GroupRow { repo: repo.name.clone(), ref_name: ref_name.to_owned(), head: fetched.head.clone() };
    reads::keep_of_group(context, &group, &looked.reads).await?;
    context.mirrors.forget_quietly(&repo.name, &[ref_name.to_owned()]).await;
    finish(&report, trouble, &mut history, false).await
}

/// The commit of the group's ref, or the one that we were told of if that was fetched before.
async fn group_head(context: &Context, repo: &Repo, fetched: Option<Oid>, hint: Option<&Oid>) -> Option<Oid> {
    match (fetched, hint) {
        (Some(head), _) => Some(head),
        (None, Some(hint)) if context.mirrors.has_commit(&repo.name, hint).await => Some(hint.clone()),
        (None, _) => None,
    }
}

/// Nobody waits for the checks of a group that is gone; its commit is not left pending all the same.
async fn group_gone(context: &Context, repo: &Repo, ref_name: &str, hint: Option<&Oid>) -> Result<Finish, JobError> {
    tracing::info!(repo = %repo.name, ref_name, "a merge group no longer exists");
    context.store.forget_group_reads(&repo.name, ref_name).await?;
    let Some(head) = hint else { return Ok(Finish::Done) };
    let status_context = &context.config.status_context;
    if let Some(mut status) = context.outbox.wanted_status(&repo.name, head, status_context).await?
        && status.state == StatusState::Pending
    {
        status.state = StatusState::Error;
        "the merge group was deleted before its preview was done".clone_into(&mut status.description);
        put_gate(context, repo, None, &status).await?;
    }
    Ok(Finish::Done)
}

pub(in crate::jobs) async fn group_failed(
    context: &Context,
    repo: &RepoName,
    ref_name: &str,
    job: &Job,
    error: &JobError,
) -> Result<(), JobError> {
    let Ok(repo) = context.repo(repo) else { return Ok(()) };
    let Some(head) = job.hint.as_deref().and_then(|hint| hint.parse().ok()) else { return Ok(()) };
    let base_ref = forge_of(context, repo).and_then(|forge| forge.merge_group_base(ref_name)).unwrap_or_default();
    let report = unavailable(context, repo, None, &head, &base_ref, error);
    let status = of_report(context, repo, &report);
    put_gate(context, repo, None, &status).await
}
