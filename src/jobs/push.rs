//! `push:REPO+REF`: the ref may have moved. Queues a sync for each affected app, and a preview for each pull request
//! into it.

use std::collections::BTreeSet;

use super::desired::affected::Follower;
use super::desired::definitions::Reconciled;
use super::desired::{affected, definitions, fetch_commit};
use super::preview::reads;
use super::refs::missing_ref;
use super::{Context, outcome};
use crate::class::Class;
use crate::config::Repo;
use crate::ids::{AppId, Oid, RepoName};
use crate::queue::{JobError, Key, Request, RunningJob, Trigger};
use crate::report::preview::AppEnd;
use crate::store::apps::{AppRow, AppState};
use crate::store::pulls::{Pull, PullRow};

pub(in crate::jobs) async fn run(
    context: &Context,
    repo: &RepoName,
    ref_name: &str,
    hint: Option<&Oid>,
    running: &RunningJob,
) -> Result<(), JobError> {
    look(context, repo, ref_name, hint, running).await.map_err(|error| not_applied(repo, ref_name, error))
}

/// What it means for people that a push could not be looked at: the log, the list of jobs and each app that follows the
/// ref say so.
fn not_applied(repo: &RepoName, ref_name: &str, error: JobError) -> JobError {
    if error.class == Class::Cancelled {
        return error;
    }
    error.reworded(|text| {
        let (branch, text) = (ref_name.trim_start_matches("refs/heads/"), text.trim_end_matches('.'));
        format!(
            "the last push to {branch} of repo {repo} is not applied: {text}. Apps that follow it stay at the commit \
             that was applied last"
        )
    })
}

/// Who has merged something with this push hears that nothing of it is applied, and why. What was told of an app stays
/// as it was told.
pub(in crate::jobs) async fn failed(
    context: &Context,
    repo: &RepoName,
    ref_name: &str,
    error: &JobError,
) -> Result<(), JobError> {
    let end = AppEnd::Failed { message: error.message() };
    let base_ref = ref_name.trim_start_matches("refs/heads/");
    for pull in context.store.unfinished_pulls(repo, outcome::heard_after(context)).await? {
        let (Some(merge), Some(report)) = (&pull.merge_commit, outcome::report_of(&pull)) else { continue };
        if pull.base_ref.trim_start_matches("refs/heads/") != base_ref {
            continue;
        }
        let told = outcome::events(context, &pull).await?;
        for app in report.outcome.into_iter().flat_map(|outcome| outcome.apps) {
            let is_told = told.get(&app.app).is_some_and(|told| !told.events.is_empty());
            if let Some(row) = context.store.app(&app.app).await?.filter(|_| !is_told) {
                outcome::ended(context, &row, merge, &end).await?;
            }
        }
    }
    Ok(())
}

async fn look(
    context: &Context,
    repo: &RepoName,
    ref_name: &str,
    hint: Option<&Oid>,
    running: &RunningJob,
) -> Result<(), JobError> {
    let repo = context.repo(repo)?;
    if !is_followed(context, repo, ref_name).await? {
        return leave(context, repo, ref_name).await;
    }
    let remote = context.remote(repo).await?;
    let fetched = fetch_commit::fetch(&context.mirrors, &remote, &[ref_name.to_owned()], hint, &running.cancel).await?;
    let revision = fetched.get(ref_name).cloned().flatten();
    let Some(revision) = revision else { return missing(context, repo, ref_name).await };
    running.works_on(revision.as_str());
    context.store.see_ref(&repo.name, ref_name, &revision).await?;

    let key = Key::Push { repo: repo.name.clone(), ref_name: ref_name.to_owned() };
    let before = context.store.last_seen(&repo.name, ref_name).await?;
    let moved = before.as_ref() != Some(&revision);
    let mut bases = BTreeSet::new();
    if moved {
        // Before anything of them is applied.
        outcome::merged_by_push(context, repo, ref_name, before.as_ref(), &revision).await?;
        outcome::merged_by_message(context, repo, ref_name, &revision).await?;
        context.store.forget_merged_groups(&repo.name, &revision).await?;
        bases.insert((repo.name.clone(), ref_name.to_owned()));
    }
    let (mut to_sync, mut looks) = (BTreeSet::new(), BTreeSet::new());
    if ref_name == repo.definitions_ref {
        let Reconciled { to_sync: defined, sources, without_ref } =
            definitions::reconcile(context, repo, &revision, before.as_ref()).await?;
        to_sync = defined;
        looks = without_ref;
        bases.extend(sources);
    }
    let tree = context.mirrors.tree(&repo.name, &revision).await?;
    let followers = affected::followers(context, &repo.name, ref_name).await?;
    to_sync.extend(affected::by_tree(followers, tree).await?);

    let mut requests: Vec<_> = to_sync.iter().map(|app| sync_request(app, &key, &revision)).collect();
    requests.extend(previews(context, &bases, &key).await?);
    requests.extend(reads::previews_of(context, &repo.name, ref_name, Some(&revision), &key).await?);
    requests.extend(
        looks
            .into_iter()
            .map(|(repo, ref_name)| Request::new(Key::Push { repo, ref_name }, Trigger::Follow { key: key.clone() })),
    );
    requests.extend(found_again(context, repo, ref_name, &key).await?);
    tracing::info!(repo = %repo.name, ref_name, %revision, apps = to_sync.len(), "checked a ref");
    context.queue.enqueue(&requests).await?;
    // Last, so that whatever went wrong before is found again by the next look.
    context.store.set_ref(&repo.name, ref_name, Some(&revision)).await?;
    // A merge that needs no sync has come to its end with this look.
    outcome::stands_elsewhere(context, &repo.name, key).await
}

/// Whether anything here depends on this ref. Most pushes are to branches that only their pull requests use.
async fn is_followed(context: &Context, repo: &Repo, ref_name: &str) -> Result<bool, JobError> {
    if ref_name == repo.definitions_ref {
        return Ok(true);
    }
    let follows = |row: &AppRow| row.state != AppState::Removed && row.app.source.ref_name == ref_name;
    Ok(context.store.apps_reading(&repo.name).await?.iter().any(follows)
        || reads::is_read(context, &repo.name, ref_name).await?)
}

/// Nothing follows the ref: it is not fetched, and its earlier fetch is removed, so that it is not mistaken for a new
/// one later.
async fn leave(context: &Context, repo: &Repo, ref_name: &str) -> Result<(), JobError> {
    tracing::debug!(repo = %repo.name, ref_name, "no app uses the ref");
    context.mirrors.forget_quietly(&repo.name, &[ref_name.to_owned()]).await;
    context.store.set_ref(&repo.name, ref_name, None).await?;
    Ok(())
}

fn sync_request(app: &AppId, key: &Key, revision: &Oid) -> Request {
    Request::new(Key::Sync(app.clone()), Trigger::Follow { key: key.clone() }).with_hint(revision.as_str())
}

/// Queues a preview of every open pull request into a base that moved, or that apps start or stop following, also of
/// those that had a conflict, an error or no affected app. Most of them find in Git that nothing has changed.
async fn previews(
    context: &Context,
    bases: &BTreeSet<(RepoName, String)>,
    key: &Key,
) -> Result<Vec<Request>, JobError> {
    let mut requests = Vec::new();
    let repos: BTreeSet<&RepoName> = bases.iter().map(|(repo, _)| repo).collect();
    for repo in repos {
        let open = context.store.pulls(repo, PullRow::Open).await?;
        let old = open.into_iter().filter(|pull| bases.contains(&(repo.clone(), pull.base_ref.clone())));
        let request = |pull: Pull| {
            Request::new(Key::Preview { repo: pull.repo, number: pull.number }, Trigger::Follow { key: key.clone() })
        };
        requests.extend(old.map(request));
    }
    Ok(requests)
}

/// Apps that were missing this ref: whether they are still defined is for the branch of their definitions to say.
async fn found_again(context: &Context, repo: &Repo, ref_name: &str, key: &Key) -> Result<Vec<Request>, JobError> {
    let missing = context.store.missing_reading(&repo.name).await?;
    let missed = missing.into_iter().filter(|row| row.app.source.ref_name == ref_name);
    let by: BTreeSet<RepoName> = missed.map(|row| row.app.id.repo).collect();
    let request = |name: RepoName| {
        let defining = context.repo(&name).ok()?;
        let definitions = Key::Push { ref_name: defining.definitions_ref.clone(), repo: name };
        (definitions != *key).then(|| Request::new(definitions, Trigger::Follow { key: key.clone() }))
    };
    Ok(by.into_iter().filter_map(request).collect())
}

/// A deleted ref changes nothing, and is reported.
async fn missing(context: &Context, repo: &Repo, ref_name: &str) -> Result<(), JobError> {
    let key = Key::Push { repo: repo.name.clone(), ref_name: ref_name.to_owned() };
    let mut requests = are_missing(context, repo, ref_name, &key).await?;
    requests.extend(reads::previews_of(context, &repo.name, ref_name, None, &key).await?);
    context.queue.enqueue(&requests).await?;
    context.store.set_ref(&repo.name, ref_name, None).await?;
    // A look at definitions that did not know yet may have taken up some of them meanwhile.
    context.queue.enqueue(&are_missing(context, repo, ref_name, &key).await?).await?;
    Ok(())
}

/// Says so of the apps that follow the ref. Asks for those whose sync fails: that is over.
async fn are_missing(context: &Context, repo: &Repo, ref_name: &str, key: &Key) -> Result<Vec<Request>, JobError> {
    let mut failing = Vec::new();
    for Follower { row, .. } in affected::followers(context, &repo.name, ref_name).await? {
        let message = missing_ref(&row.app.source);
        tracing::warn!(app = %row.app.id, "{message}");
        context.store.set_app_state(&row.app.id, AppState::Missing, &message).await?;
        let sync = Key::Sync(row.app.id);
        if context.queue.has_failed(&sync).await? {
            failing.push(Request::new(sync, Trigger::Follow { key: key.clone() }));
        }
    }
    Ok(failing)
}
