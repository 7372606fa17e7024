//! `preview:REPO#NUMBER` and merge groups: what would merging do, said on the pull request and in its gate.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::history::History;
use super::landed::{self, Landed};
use super::poll::full_ref;
use super::previewed::{self, Collected, Looked};
use super::relook::{self, Look};
use super::sides::Trees;
use super::{Engine, compare, outcome, rests, sides, visible};
use crate::class::{Class, Classified};
use crate::config::{ForgeKind, Repo};
use crate::forge::{Forge, ForgeError, NewStatus, PullRequest, PullState, StatusState};
use crate::ids::{Oid, RepoName};
use crate::queue::{Cause, Finish, Job, JobContext, JobError, Key, Request, merge_group_base};
use crate::report::preview::{AppReport, AppResult, PreviewReport, Stopped};
use crate::report::{self, markdown};
use crate::source::{Merge, SourceError};
use crate::store::pulls::{Pull, PullRow};
use crate::store::runs::RunKind;

#[derive(Debug, thiserror::Error)]
enum PreviewError {
    #[error("{base} is not in repo {repo}, so nothing can be compared with it")]
    Base { repo: RepoName, base: String },
    #[error("the head of the merge group {0} does not exist yet or no longer")]
    Group(String),
}

impl Classified for PreviewError {
    fn class(&self) -> Class {
        match self {
            Self::Group(_) => Class::RETRY,
            Self::Base { .. } => Class::Fail,
        }
    }
}

/// So many tries are made before a part that could not be compared is shown.
const QUIET_ATTEMPTS: u32 = 2;

/// A merge group whose head has not come by then never comes: the forge has dissolved it.
const GROUP_COMES: jiff::SignedDuration = jiff::SignedDuration::from_mins(2);

pub(super) async fn run(
    engine: &Engine,
    repo: &RepoName,
    number: u64,
    hint: Option<&Oid>,
    job: &Job,
    ctx: &JobContext,
) -> Result<Finish, JobError> {
    let repo = engine.repo(repo)?;
    let Some(forge) = forge_of(engine, repo) else { return Ok(Finish::Done) };
    let pull = match relook::look(engine, repo, number, job, &ctx.cancel).await? {
        Look::Unchanged => return Ok(Finish::Done),
        Look::Old(pull) => *pull,
        Look::Ask => forge.pull_request(&repo.project, number).await?,
    };
    match pull.state {
        PullState::Open => Box::pin(open(engine, repo, &pull, hint, job, ctx)).await,
        PullState::Merged => merged(engine, repo, &pull).await.map(|()| Finish::Done),
        PullState::Closed => closed(engine, repo, &pull).await.map(|()| Finish::Done),
    }
}

/// None where there is nobody to be told anything, which is no failure: it would be tried again for ever.
fn forge_of<'e>(engine: &'e Engine, repo: &Repo) -> Option<&'e Arc<dyn Forge>> {
    let forge = engine.forge(repo);
    if forge.is_none() {
        tracing::warn!(repo = %repo.name, hook = %repo.hook, "no preview: the hook has no credentials to read pull requests and to report on them");
    }
    forge
}

async fn open(
    engine: &Engine,
    repo: &Repo,
    pull: &PullRequest,
    hint: Option<&Oid>,
    job: &Job,
    ctx: &JobContext,
) -> Result<Finish, JobError> {
    if is_merged(engine, repo, pull.number, &pull.head).await? {
        return landed(engine, repo, pull).await;
    }
    let mut row = row_of(engine, repo, pull).await?;
    ctx.works_on(pull.head.as_str());
    pending(engine, repo, Some(pull.number), &pull.head, job).await?;
    let mut history = History::new(engine, RunKind::Preview, format!("{}#{}", repo.name, pull.number), job)?;
    history.revision(&pull.head, Some(&pull.author));
    let mut report = empty(engine, &repo.name, Some(pull.number), &pull.head, &pull.base_ref);
    let mut trouble = None;
    if pull.from_fork {
        report.stopped = Some(Stopped::Fork);
    } else {
        match make(engine, repo, pull, hint, &mut report, &mut history, job, ctx).await {
            Ok(Made::Compared(what_failed)) => trouble = what_failed,
            Ok(Made::Merged) => return landed(engine, repo, pull).await,
            Ok(Made::Doubted(error)) => return Err(error),
            Err(error) => {
                waits(engine, repo, Some(pull.number), &pull.head, job, &error).await?;
                return Err(history.end_first(job, error).await?);
            }
        }
    }
    row.base = Some(report.base.clone());
    row.apps = report.apps.iter().filter(|app| !app.leaves).map(|app| app.app.clone()).collect();
    show(engine, repo, &mut row, &report).await?;
    finish(&report, trouble, &mut history).await
}

/// What came of a try to preview a pull request.
enum Made {
    /// It was compared, but for what failed and may pass.
    Compared(Option<JobError>),
    /// It is merged, whatever the forge's API says.
    Merged,
    /// It may be.
    Doubted(JobError),
}

#[allow(clippy::too_many_arguments, reason = "what one preview is made of")]
async fn make(
    engine: &Engine,
    repo: &Repo,
    pull: &PullRequest,
    hint: Option<&Oid>,
    report: &mut PreviewReport,
    history: &mut History<'_>,
    job: &Job,
    ctx: &JobContext,
) -> Result<Made, JobError> {
    let visible = Some(&pull.head).filter(|_| hint.is_none_or(|hint| *hint == pull.head));
    let began = engine.store.last_touch().await?;
    let fetched = history.timed("fetch", fetch(engine, repo, pull, visible, &ctx.cancel)).await?;
    let heads = [&fetched.base, &fetched.head];
    match landed::look(engine, repo, pull.number, heads).await? {
        Landed::Merged => return Ok(Made::Merged),
        Landed::No => {
            if let Some(error) = landed::doubt(engine, repo, pull.number, heads, job.attempt, &ctx.cancel).await? {
                return Ok(Made::Doubted(error));
            }
        }
        Landed::Nothing => {}
    }
    let (change_tree, looked, what_failed) = fill(engine, repo, &fetched, report, &pull.author, history, ctx).await?;
    let trouble = quiet(job, what_failed)?;
    let _turn = engine.outcomes.lock().await;
    if is_merged(engine, repo, pull.number, &pull.head).await? {
        return Ok(Made::Merged);
    }
    rests::keep(engine, &repo.name, pull.number, began, &looked.rests).await?;
    previewed::keep(engine, repo, pull.number, [&fetched.head, &fetched.base], change_tree, &looked).await?;
    Ok(Made::Compared(trouble))
}

/// Whether the pull request was merged while it was looked at: what was shown before is what was reviewed, and what becomes of it is told by now.
async fn is_merged(engine: &Engine, repo: &Repo, number: u64, head: &Oid) -> Result<bool, JobError> {
    Ok(engine.store.pull(&repo.name, number).await?.is_some_and(|row| row.is_merged_at(head)))
}

/// What keeps an app from being compared is often over in a moment: then nobody has to read of it.
fn quiet(job: &Job, trouble: Option<JobError>) -> Result<Option<JobError>, JobError> {
    match trouble {
        Some(error) if job.attempt <= QUIET_ATTEMPTS => Err(error),
        trouble => Ok(trouble),
    }
}

/// What was shown may not be the last word: what may pass is tried again soon, and the others were shown meanwhile. A right may be granted and a
/// quota raised without a word to us: that is looked at again with the next resync, and nothing has failed.
async fn finish(report: &PreviewReport, trouble: Option<JobError>, history: &mut History<'_>) -> Result<Finish, JobError> {
    if let Some(error) = trouble {
        history.end_with(&error).await?;
        return Err(error.shown());
    }
    history.end_preview(report).await?;
    let may_change = |app: &AppReport| matches!(app.result, AppResult::Unavailable { .. }) || app.counts().rejected > 0;
    Ok(if report.apps.iter().any(may_change) { Finish::LookAgain } else { Finish::Done })
}

struct Fetched {
    base_ref: String,
    base: Oid,
    head: Oid,
    /// Only a pull request is merged by us; a merge group is merged already.
    merge: bool,
    /// What the forge itself gets when it merges the pull request, if it has tried.
    tested: Option<Oid>,
}

async fn fetch(
    engine: &Engine,
    repo: &Repo,
    pull: &PullRequest,
    visible: Option<&Oid>,
    cancel: &CancellationToken,
) -> Result<Fetched, JobError> {
    let base_ref = full_ref(&pull.base_ref);
    let head_ref = head_ref(engine, repo, pull.number);
    let tested_ref = tested_ref(engine, repo, pull.number);
    let refs = [base_ref.clone(), head_ref.clone(), tested_ref.clone()];
    let mut fetched = visible::fetch(&engine.mirrors, &engine.remote(repo).await?, &refs, visible, cancel).await?;
    let tested = take(&mut fetched, &tested_ref);
    let base = take(&mut fetched, &base_ref).ok_or_else(|| PreviewError::Base { repo: repo.name.clone(), base: base_ref.clone() })?;
    // The API's word counts while its commit is there, as the gate is looked for on that commit.
    let head =
        if engine.mirrors.has_commit(&repo.name, &pull.head).await { Some(pull.head.clone()) } else { take(&mut fetched, &head_ref) };
    let head = head.ok_or_else(|| ForgeError::Unavailable {
        forge: repo.hook.to_string(),
        message: format!("{} of pull request {} cannot be fetched yet", pull.head, pull.number),
    })?;
    Ok(Fetched { base_ref, base, head, merge: true, tested })
}

fn take(fetched: &mut BTreeMap<String, Option<Oid>>, name: &str) -> Option<Oid> {
    fetched.remove(name).flatten()
}

/// The ref under which a forge keeps the head of a pull request, whatever branch or fork it is on.
fn head_ref(engine: &Engine, repo: &Repo, number: u64) -> String {
    match engine.config.hook(&repo.hook).map(|hook| hook.forge) {
        Some(ForgeKind::GitLab) => format!("refs/merge-requests/{number}/head"),
        Some(ForgeKind::GitHub) | None => format!("refs/pull/{number}/head"),
    }
}

/// The ref under which a forge keeps its own test merge. It is there while the pull request can be merged, and may be of older heads.
fn tested_ref(engine: &Engine, repo: &Repo, number: u64) -> String {
    match engine.config.hook(&repo.hook).map(|hook| hook.forge) {
        Some(ForgeKind::GitLab) => format!("refs/merge-requests/{number}/merge"),
        Some(ForgeKind::GitHub) | None => format!("refs/pull/{number}/merge"),
    }
}

/// Compares the two sides, and writes what it finds into the report. The tree that merging gives, what was looked at, and what kept an app from being
/// compared, where it may pass.
async fn fill(
    engine: &Engine,
    repo: &Repo,
    fetched: &Fetched,
    report: &mut PreviewReport,
    author: &str,
    history: &mut History<'_>,
    ctx: &JobContext,
) -> Result<(Option<Oid>, Looked, Option<JobError>), JobError> {
    let Fetched { base_ref, base, head, merge, tested } = fetched;
    report.base = base.clone();
    report.head = head.clone();
    let (change, change_tree) = if *merge {
        match engine.mirrors.merge(&repo.name, base, head, tested.as_ref(), &ctx.cancel).await {
            Ok(Merge::Clean { tree, tree_id }) => (tree, tree_id),
            Ok(Merge::Conflict { paths }) => {
                report.stopped = Some(Stopped::MergeConflict { files: paths.clone() });
                return Ok((None, Looked::without_apps(author, report, paths), None));
            }
            // The change is at fault, and will be until it is pushed again.
            Err(SourceError::Unrelated { .. }) => {
                report.stopped = Some(Stopped::UnrelatedHistory);
                return Ok((None, Looked::without_apps(author, report, Vec::new()), None));
            }
            Err(error) => return Err(error.into()),
        }
    } else {
        (engine.mirrors.tree(&repo.name, head).await?, engine.mirrors.tree_id(&repo.name, head).await?)
    };
    let base_tree = engine.mirrors.tree(&repo.name, base).await?;
    let trees = Trees { base_ref: base_ref.clone(), base_commit: base.clone(), base: base_tree, change };
    let mut sides = history.timed("render", sides::build(engine, repo, &trees, &ctx.cancel)).await?;
    if !sides.errors.is_empty() {
        report.stopped = Some(Stopped::Definitions { errors: sides.errors.iter().map(ToString::to_string).collect() });
        return Ok((Some(change_tree), Looked::without_apps(author, report, Vec::new()), None));
    }
    let looked = previewed::looked_at(&mut sides);
    let collected = Collected::default();
    let compared = history.timed("plan", compare::all(engine, repo, &trees, head, sides.pairs, &collected, &ctx.cancel)).await?;
    report.apps = compared.apps;
    Ok((Some(change_tree), Looked::new(author, report, looked, &collected), compared.trouble))
}

fn empty(engine: &Engine, repo: &RepoName, number: Option<u64>, head: &Oid, base_ref: &str) -> PreviewReport {
    PreviewReport {
        repo: repo.clone(),
        number,
        head: head.clone(),
        base: head.clone(),
        base_ref: base_ref.trim_start_matches("refs/heads/").to_owned(),
        at: engine.clock.now(),
        stopped: None,
        apps: Vec::new(),
        not_checked: Vec::new(),
        outcome: None,
    }
}

/// A gate that blocks keeps saying why until there is another word for the same commit: whoever reads "pending" waits for an answer that may not
/// come, and a forge takes only so many statuses for one commit (GitHub 1,000 for each context). One that lets pass does so while it is looked at
/// once more, as when the base moves, and not when that takes longer.
async fn pending(engine: &Engine, repo: &Repo, number: Option<u64>, head: &Oid, job: &Job) -> Result<(), JobError> {
    let shown = engine.outbox.wanted_status(&repo.name, head, &engine.config.status_context).await?;
    // What it waits for is said until that is over.
    let is_said = job.failing_since.is_some() && shown.as_ref().is_some_and(|status| status.state == StatusState::Pending);
    if is_said || shown.is_some_and(|status| stays(status.state, job.attempt)) {
        return Ok(());
    }
    let status = report::pending(head, &engine.config.status_context, target(engine).as_deref());
    put_gate(engine, repo, number, &status).await
}

fn stays(shown: StatusState, attempt: u32) -> bool {
    match shown {
        StatusState::Error | StatusState::Failure => true,
        StatusState::Success => attempt <= 1,
        StatusState::Pending => false,
    }
}

/// What a preview that is tried again waits for, and since when: nobody has to guess for the minutes until it counts as an error.
async fn waits(engine: &Engine, repo: &Repo, number: Option<u64>, head: &Oid, job: &Job, error: &JobError) -> Result<(), JobError> {
    let context = &engine.config.status_context;
    let shown = engine.outbox.wanted_status(&repo.name, head, context).await?;
    if !error.class.is_retry() || shown.is_some_and(|status| status.state != StatusState::Pending) {
        return Ok(());
    }
    let since = job.failing_since.unwrap_or_else(|| engine.clock.now()).strftime("%H:%M UTC");
    let mut status = report::pending(head, context, target(engine).as_deref());
    status.description = format!("retrying since {since}: {}", error.message());
    put_gate(engine, repo, number, &status).await
}

async fn put_gate(engine: &Engine, repo: &Repo, number: Option<u64>, status: &NewStatus) -> Result<(), JobError> {
    match number {
        Some(number) => engine.outbox.put_gate(&repo.name, number, status).await?,
        None => engine.outbox.put_status(&repo.name, status).await?,
    }
    Ok(())
}

fn target(engine: &Engine) -> Option<String> {
    engine.config.public_url.as_ref().map(ToString::to_string)
}

/// Stores what is to be shown, and has it shown. A pull request that never touched an app gets a status and no comment.
async fn show(engine: &Engine, repo: &Repo, row: &mut Pull, report: &PreviewReport) -> Result<(), JobError> {
    let report = &as_said_before(report, row.report.as_deref());
    let says_something = report.stopped.is_some() || !report.apps.is_empty() || row.report.is_some();
    if says_something {
        row.report = Some(serde_json::to_string(report).map_err(|error| JobError::new(Class::Fail, error))?);
    }
    let turn = engine.outcomes.lock().await;
    if !is_merged(engine, repo, row.number, &row.head).await? {
        engine.store.put_pull(row).await?;
        if says_something {
            engine.outbox.put_comment(&repo.name, row.number, &markdown::comment(report, engine.config.comment_parts)).await?;
        }
    }
    drop(turn);
    let status = report::gate(report, &engine.config.status_context, target(engine).as_deref());
    put_gate(engine, repo, Some(row.number), &status).await
}

/// A preview that says what the last one did bears its time: a comment is not edited for its time alone.
fn as_said_before(report: &PreviewReport, before: Option<&str>) -> PreviewReport {
    let before = before.and_then(|before| serde_json::from_str::<PreviewReport>(before).ok());
    let at_that_time = before.map(|before| (PreviewReport { at: before.at, ..report.clone() }, before));
    match at_that_time {
        Some((report, before)) if report == before => report,
        _ => report.clone(),
    }
}

async fn row_of(engine: &Engine, repo: &Repo, pull: &PullRequest) -> Result<Pull, JobError> {
    let known = engine.store.pull(&repo.name, pull.number).await?;
    let row = Pull {
        repo: repo.name.clone(),
        number: pull.number,
        state: PullRow::Open,
        head: pull.head.clone(),
        base_ref: full_ref(&pull.base_ref),
        // What was shown of these commits stands until something else is.
        base: known.as_ref().filter(|known| known.head == pull.head).and_then(|known| known.base.clone()),
        merge_commit: None,
        apps: known.as_ref().map(|known| known.apps.clone()).unwrap_or_default(),
        report: known.and_then(|known| known.report),
        unfinished: false,
    };
    engine.store.put_pull(&row).await?;
    Ok(row)
}

/// The push of the merge brings the syncs; it is queued here as well, in case its webhook is lost.
async fn merged(engine: &Engine, repo: &Repo, pull: &PullRequest) -> Result<(), JobError> {
    let Some(merge_commit) = &pull.merge_commit else { return closed(engine, repo, pull).await };
    let known = engine.store.pull(&repo.name, pull.number).await?;
    let mut row = match known {
        Some(known) => known,
        None => row_of(engine, repo, pull).await?,
    };
    let key = Key::Push { repo: repo.name.clone(), ref_name: full_ref(&pull.base_ref) };
    let cause = Cause::Follow { key: Key::Preview { repo: repo.name.clone(), number: pull.number } };
    engine.queue.enqueue(&[Request::new(key, cause).with_hint(merge_commit.as_str())]).await?;
    settle(engine, repo, pull).await?;
    // Last, so that whoever is stopped before it begins anew; the push may have told of it before.
    if row.state != PullRow::Merged {
        outcome::merged(engine, &mut row, merge_commit).await?;
    }
    let mut people = vec![pull.author.clone()];
    people.extend(pull.merged_by.clone().filter(|login| *login != pull.author));
    outcome::concerns(engine, &repo.name, pull.number, people).await
}

/// A push has told of the merge, and the forge's API is behind. It is asked again, as only it knows whom the merge concerns, and its webhook may be
/// the very one that led here.
async fn landed(engine: &Engine, repo: &Repo, pull: &PullRequest) -> Result<Finish, JobError> {
    settle(engine, repo, pull).await?;
    Ok(Finish::LookAgain)
}

async fn closed(engine: &Engine, repo: &Repo, pull: &PullRequest) -> Result<(), JobError> {
    if let Some(mut row) = engine.store.pull(&repo.name, pull.number).await? {
        row.state = PullRow::Closed;
        engine.store.put_pull(&row).await?;
    }
    settle(engine, repo, pull).await
}

/// A pull request that was closed while its preview was made must not leave its head pending for ever.
async fn settle(engine: &Engine, repo: &Repo, pull: &PullRequest) -> Result<(), JobError> {
    let context = &engine.config.status_context;
    let shown = engine.outbox.wanted_status(&repo.name, &pull.head, context).await?;
    if let Some(mut status) = shown.filter(|status| status.state == StatusState::Pending) {
        status.state = StatusState::Error;
        "closed or merged before the preview was done".clone_into(&mut status.description);
        put_gate(engine, repo, Some(pull.number), &status).await?;
    }
    engine.outbox.drop_gate(&repo.name, pull.number, context).await?;
    let refs = [head_ref(engine, repo, pull.number), tested_ref(engine, repo, pull.number)];
    engine.mirrors.forget_quietly(&repo.name, &refs).await;
    Ok(())
}

/// A merge queue asks about a group: the branch against the group's tree.
pub(super) async fn run_group(
    engine: &Engine,
    repo: &RepoName,
    ref_name: &str,
    hint: Option<&Oid>,
    job: &Job,
    ctx: &JobContext,
) -> Result<Finish, JobError> {
    let repo = engine.repo(repo)?;
    if forge_of(engine, repo).is_none() {
        return Ok(Finish::Done);
    }
    let Some(base_ref) = merge_group_base(ref_name) else { return group_gone(engine, repo, ref_name, hint).await };
    if let Some(head) = hint {
        pending(engine, repo, None, head, job).await?;
    }
    let refs = [base_ref.clone(), ref_name.to_owned()];
    let mut fetched = visible::fetch(&engine.mirrors, &engine.remote(repo).await?, &refs, hint, &ctx.cancel).await?;
    let there = take(&mut fetched, ref_name);
    if let (None, Some(head)) = (&there, hint)
        && is_settled(engine, repo, head).await?
    {
        // It was judged, and then merged or dissolved.
        return Ok(Finish::Done);
    }
    let Some(head) = group_head(engine, repo, there, hint).await else {
        if job.failing_since.is_none_or(|since| engine.clock.now().duration_since(since) < GROUP_COMES) && hint.is_some() {
            return Err(PreviewError::Group(ref_name.to_owned()).into());
        }
        return group_gone(engine, repo, ref_name, hint).await;
    };
    let base = take(&mut fetched, &base_ref).ok_or_else(|| PreviewError::Base { repo: repo.name.clone(), base: base_ref.clone() })?;
    ctx.works_on(head.as_str());
    pending(engine, repo, None, &head, job).await?;
    let mut history = History::new(engine, RunKind::Preview, format!("{}#{ref_name}", repo.name), job)?;
    history.revision(&head, None);
    let mut report = empty(engine, &repo.name, None, &head, &base_ref);
    let fetched = Fetched { base_ref, base, head, merge: false, tested: None };
    let trouble = match fill(engine, repo, &fetched, &mut report, "", &mut history, ctx).await.and_then(|(_, _, failed)| quiet(job, failed))
    {
        Ok(trouble) => trouble,
        Err(error) => {
            waits(engine, repo, None, &fetched.head, job, &error).await?;
            return Err(history.end_first(job, error).await?);
        }
    };
    let status = report::gate(&report, &engine.config.status_context, target(engine).as_deref());
    put_gate(engine, repo, None, &status).await?;
    engine.mirrors.forget_quietly(&repo.name, &[ref_name.to_owned()]).await;
    finish(&report, trouble, &mut history).await
}

/// The commit of the group's ref, or the one that we were told of if that was fetched before.
async fn group_head(engine: &Engine, repo: &Repo, fetched: Option<Oid>, hint: Option<&Oid>) -> Option<Oid> {
    match (fetched, hint) {
        (Some(head), _) => Some(head),
        (None, Some(hint)) if engine.mirrors.has_commit(&repo.name, hint).await => Some(hint.clone()),
        (None, _) => None,
    }
}

/// Nobody waits for the checks of a group that is gone; its commit is not left pending all the same.
async fn group_gone(engine: &Engine, repo: &Repo, ref_name: &str, hint: Option<&Oid>) -> Result<Finish, JobError> {
    tracing::info!(repo = %repo.name, ref_name, "a merge group is gone");
    let Some(head) = hint else { return Ok(Finish::Done) };
    let context = &engine.config.status_context;
    if let Some(mut status) = engine.outbox.wanted_status(&repo.name, head, context).await?
        && status.state == StatusState::Pending
    {
        status.state = StatusState::Error;
        "the merge group was gone before its preview was done".clone_into(&mut status.description);
        put_gate(engine, repo, None, &status).await?;
    }
    Ok(Finish::Done)
}

/// The preview could not be made: the gate must say so, as a gate that stays pending, or is never there, blocks for ever.
pub(super) async fn failed(engine: &Engine, repo: &RepoName, number: u64, job: &Job, error: &JobError) -> Result<(), JobError> {
    let Ok(repo) = engine.repo(repo) else { return Ok(()) };
    let row = engine.store.pull(&repo.name, number).await?;
    if row.as_ref().is_some_and(|row| row.state != PullRow::Open) {
        return Ok(());
    }
    // The head that the event spoke of, where the pull request could not be read since.
    let told: Option<Oid> = job.hint.as_deref().and_then(|hint| hint.parse().ok());
    let unread = told.filter(|told| row.as_ref().is_none_or(|row| row.head != *told));
    if let Some(head) = &unread
        && !is_settled(engine, repo, head).await?
    {
        let report = unavailable(engine, repo, Some(number), head, "", error);
        let status = report::gate(&report, &engine.config.status_context, target(engine).as_deref());
        put_gate(engine, repo, Some(number), &status).await?;
    }
    // What was said of an older head still holds, if it was said to the end.
    match row {
        Some(row) if unread.is_some() && is_settled(engine, repo, &row.head).await? => Ok(()),
        Some(mut row) => {
            let mut report = unavailable(engine, repo, Some(number), &row.head, &row.base_ref, error);
            report.base = row.base.clone().unwrap_or(report.base);
            show(engine, repo, &mut row, &report).await
        }
        None => Ok(()),
    }
}

/// Whether a commit's gate has got an answer.
async fn is_settled(engine: &Engine, repo: &Repo, head: &Oid) -> Result<bool, JobError> {
    let wanted = engine.outbox.wanted_status(&repo.name, head, &engine.config.status_context).await?;
    Ok(wanted.is_some_and(|status| status.state != StatusState::Pending))
}

fn unavailable(engine: &Engine, repo: &Repo, number: Option<u64>, head: &Oid, base_ref: &str, error: &JobError) -> PreviewReport {
    let mut report = empty(engine, &repo.name, number, head, base_ref);
    report.stopped = Some(Stopped::Unavailable { message: error.message() });
    report
}

pub(super) async fn group_failed(engine: &Engine, repo: &RepoName, ref_name: &str, job: &Job, error: &JobError) -> Result<(), JobError> {
    let Ok(repo) = engine.repo(repo) else { return Ok(()) };
    let Some(head) = job.hint.as_deref().and_then(|hint| hint.parse().ok()) else { return Ok(()) };
    let report = unavailable(engine, repo, None, &head, &merge_group_base(ref_name).unwrap_or_default(), error);
    let status = report::gate(&report, &engine.config.status_context, target(engine).as_deref());
    put_gate(engine, repo, None, &status).await
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
