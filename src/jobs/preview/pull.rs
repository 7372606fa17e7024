//! `preview:REPO#NUMBER`: plans the effect of merging, and reports it in the comment and the gate.

use std::sync::Arc;

use super::fetch::fetch;
use super::fill::{empty, fill, unavailable};
use super::gate::{is_settled, of_report, pending, put_gate, waits};
use super::landed::{Landed, Stands};
use super::over::{closed, landed, merged};
use super::relook::Look;
use super::told::{Kept, Shown, begin, show};
use super::{landed, relook};
use crate::class::Class;
use crate::config::Repo;
use crate::forge::{Forge, PullRequest, PullState};
use crate::ids::{Oid, RepoName};
use crate::jobs::Context;
use crate::jobs::history::History;
use crate::queue::{Finish, Job, JobError, RunningJob};
use crate::report::preview::{AppReport, AppResult, PreviewReport, Stopped};
use crate::store::pulls::PullRow;
use crate::store::runs::RunKind;

/// So many tries are made before a part that could not be compared is shown.
const QUIET_ATTEMPTS: u32 = 2;

pub(in crate::jobs) async fn run(
    context: &Context,
    repo: &RepoName,
    number: u64,
    hint: Option<&Oid>,
    job: &Job,
    running: &RunningJob,
) -> Result<Finish, JobError> {
    let repo = context.repo(repo)?;
    let Some(forge) = forge_of(context, repo) else { return Ok(Finish::Done) };
    let pull = match relook::look(context, repo, number, job, &running.cancel).await? {
        Look::Unchanged => return Ok(Finish::Done),
        Look::Old(pull) => *pull,
        Look::Ask => forge.pull_request(&repo.project, number).await?,
    };
    match pull.state {
        PullState::Open => Box::pin(open(context, repo, &pull, hint, job, running)).await,
        PullState::Merged => match merged(context, repo, &pull).await {
            Err(error) if error.class != Class::Cancelled => {
                let what = context.flavour(&repo.name).pull_request;
                Err(error.reworded(|text| format!("the merge of this {what} is not applied yet: {text}")))
            }
            done => done.map(|()| Finish::Done),
        },
        PullState::Closed => closed(context, repo, &pull).await.map(|()| Finish::Done),
    }
}

/// None if the hook cannot report anything. That is no failure, because it would be retried forever.
pub(in crate::jobs) fn forge_of<'e>(context: &'e Context, repo: &Repo) -> Option<&'e Arc<dyn Forge>> {
    let forge = context.forge(repo);
    if forge.is_none() {
        tracing::warn!(repo = %repo.name, hook = %repo.hook, "no preview: the hook has no credentials to read pull \
                                                              requests and to report on them");
    }
    forge
}

async fn open(
    context: &Context,
    repo: &Repo,
    pull: &PullRequest,
    hint: Option<&Oid>,
    job: &Job,
    running: &RunningJob,
) -> Result<Finish, JobError> {
    let contradicted = match landed::stands(context, repo, pull, job.attempt, &running.cancel).await? {
        Stands::Open => None,
        Stands::Merged => return landed(context, repo, pull).await,
        Stands::Doubted(error) => return Err(error),
        Stands::Contradicted(contradicted) => Some(contradicted),
    };
    let begun = begin(context, repo, pull, contradicted.as_ref()).await?;
    let Some(mut row) = begun else { return landed(context, repo, pull).await };
    running.works_on(pull.head.as_str());
    pending(context, repo, Some(pull.number), &pull.head, job).await?;
    let mut history = History::new(context, RunKind::Preview, format!("{}#{}", repo.name, pull.number), job)?;
    history.revision(&pull.head, Some(&pull.author));
    let mut report = empty(context, &repo.name, Some(pull.number), &pull.head, &pull.base_ref);
    let (mut kept, mut trouble) = (None, None);
    if pull.from_fork {
        report.stopped = Some(Stopped::Fork);
    } else {
        match make(context, Proposed { repo, pull, hint, job }, &mut report, &mut history, running).await {
            Ok(Made::Compared(made, what_failed)) => {
                history.from(Some(&made.base));
                (kept, trouble) = (Some(*made), what_failed);
            }
            Ok(Made::Merged) => return landed(context, repo, pull).await,
            Ok(Made::Doubted(error)) => return Err(error),
            Err(error) => {
                waits(context, repo, Some(pull.number), &pull.head, job, &error).await?;
                return Err(history.end_first(job, error).await?);
            }
        }
    }
    row.base = Some(report.base.clone());
    row.apps = report.apps.iter().filter(|app| !app.leaves).map(|app| app.app.clone()).collect();
    let shown = show(context, repo, &row, &report, kept.as_ref()).await?;
    if shown == Shown::Nothing {
        return landed(context, repo, pull).await;
    }
    finish(&report, trouble, &mut history, shown == Shown::News).await
}

/// What came of a try to preview a pull request.
enum Made {
    /// It was compared, except for temporary failures.
    Compared(Box<Kept>, Option<JobError>),
    /// It is merged, even if the forge's API does not report that yet.
    Merged,
    /// It may be.
    Doubted(JobError),
}

/// The pull request that a job previews. `hint`: the head that a webhook told of.
#[derive(Clone, Copy)]
struct Proposed<'a> {
    repo: &'a Repo,
    pull: &'a PullRequest,
    hint: Option<&'a Oid>,
    job: &'a Job,
}

async fn make(
    context: &Context,
    Proposed { repo, pull, hint, job }: Proposed<'_>,
    report: &mut PreviewReport,
    history: &mut History<'_>,
    running: &RunningJob,
) -> Result<Made, JobError> {
    let visible = Some(&pull.head).filter(|_| hint.is_none_or(|hint| *hint == pull.head));
    let began = context.store.last_touch().await?;
    let fetched = history.timed("fetch", fetch(context, repo, pull, visible, &running.cancel)).await?;
    let heads = [&fetched.base, &fetched.head];
    match landed::look(context, repo, pull.number, heads).await? {
        Landed::Merged => return Ok(Made::Merged),
        Landed::No => {
            if let Some(error) = landed::doubt(context, repo, pull.number, heads, job.attempt, &running.cancel).await? {
                return Ok(Made::Doubted(error));
            }
        }
        Landed::Nothing => {}
    }
    let (change_tree, looked, what_failed) = fill(context, repo, &fetched, report, history, running).await?;
    let trouble = quiet(job, what_failed)?;
    Ok(Made::Compared(Box::new(Kept { began, head: fetched.head, base: fetched.base, change_tree, looked }), trouble))
}

/// What keeps an app from being compared is often over in a moment: then nobody has to read of it.
pub(in crate::jobs) fn quiet(job: &Job, trouble: Option<JobError>) -> Result<Option<JobError>, JobError> {
    match trouble {
        Some(error) if job.attempt <= QUIET_ATTEMPTS => Err(error),
        trouble => Ok(trouble),
    }
}

/// What was shown may not be the last word: what may pass is tried again soon, and the others were shown meanwhile. A
/// right may be granted and a quota raised without a word to us: that is looked at again with the next resync, and
/// nothing has failed.
pub(in crate::jobs) async fn finish(
    report: &PreviewReport,
    trouble: Option<JobError>,
    history: &mut History<'_>,
    is_news: bool,
) -> Result<Finish, JobError> {
    if let Some(error) = trouble {
        history.end_with(&error).await?;
        return Err(error.shown());
    }
    history.end_preview(report, is_news).await?;
    let may_change = |app: &AppReport| matches!(app.result, AppResult::Unavailable { .. }) || app.counts().rejected > 0;
    Ok(if report.apps.iter().any(may_change) { Finish::LookAgain } else { Finish::Done })
}

/// The preview could not be made: the gate must say so, as a gate that stays pending, or is never there, blocks for
/// ever.
pub(in crate::jobs) async fn failed(
    context: &Context,
    repo: &RepoName,
    number: u64,
    job: &Job,
    error: &JobError,
) -> Result<(), JobError> {
    let Ok(repo) = context.repo(repo) else { return Ok(()) };
    let row = context.store.pull(&repo.name, number).await?;
    if row.as_ref().is_some_and(|row| row.state != PullRow::Open) {
        return Ok(());
    }
    // The head that the event spoke of, where the pull request could not be read since.
    let told: Option<Oid> = job.hint.as_deref().and_then(|hint| hint.parse().ok());
    let unread = told.filter(|told| row.as_ref().is_none_or(|row| row.head != *told));
    if let Some(head) = &unread
        && !is_settled(context, repo, head).await?
    {
        let report = unavailable(context, repo, Some(number), head, "", error);
        let status = of_report(context, repo, &report);
        put_gate(context, repo, Some(number), &status).await?;
    }
    // What was said of an older head still holds, if it was said to the end.
    match row {
        Some(row) if unread.is_some() && is_settled(context, repo, &row.head).await? => Ok(()),
        Some(row) => {
            let mut report = unavailable(context, repo, Some(number), &row.head, &row.base_ref, error);
            report.base = row.base.clone().unwrap_or(report.base);
            show(context, repo, &row, &report, None).await.map(drop)
        }
        None => Ok(()),
    }
}
