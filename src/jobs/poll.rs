//! `poll:REPO`: finds changes without a webhook, and retries what failed. Moved refs and changed pull requests are
//! queued as if a webhook had arrived.

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;

use super::Context;
use super::preview::granted;
use super::refs::full_ref;
use crate::config::Repo;
use crate::forge::{PullRequest, PullState, StatusState};
use crate::ids::{Oid, RepoName};
use crate::queue::{JobError, Key, Request, Tenant, Trigger};
use crate::report;
use crate::store::apps::AppState;
use crate::store::pulls::{Pull, PullRow};

pub(in crate::jobs) async fn run(
    context: &Context,
    repo: &RepoName,
    attempt: u32,
    cancel: &CancellationToken,
) -> Result<(), JobError> {
    let repo = context.repo(repo)?;
    // First, as it does not depend on whether the forge answers; and once, however often the forge has to be asked.
    if attempt == 1 {
        context.queue.look_again(&Tenant::repo(&repo.name)).await?;
    }
    context.outbox.try_again(&repo.name).await?;
    context.outbox.check_gates(&repo.name).await?;
    // What was granted when the server was started anew.
    context.queue.enqueue(&granted::previews(context, &repo.name).await?).await?;
    let remote = context.remote(repo).await?;
    let refs = context.mirrors.list_refs(&remote, cancel).await?;
    // Before the forge's API is asked, which may be down while its Git is up.
    context.queue.enqueue(&moved_refs(context, repo, &refs).await?).await?;
    if let Some(forge) = context.forge(repo) {
        let open = forge.open_pull_requests(&repo.project).await?.items;
        context.queue.enqueue(&changed_pulls(context, repo, &open).await?).await?;
        context.queue.enqueue(&stuck_pulls(context, repo).await?).await?;
        // A merge moves a ref: where none moved since the last look, nothing was merged.
        if context.looked.differs(&repo.name, &refs) {
            let closed = forge.recently_closed(&repo.project).await?;
            context.queue.enqueue(&missed_pulls(context, repo, &open, &closed).await?).await?;
            context.looked.keep(&repo.name, refs);
        }
    }
    Ok(())
}

/// Open pull requests whose status is pending although no job is going to say more. Each job ends its own status, so
/// this is what a lost job or an earlier release has left.
async fn stuck_pulls(context: &Context, repo: &Repo) -> Result<Vec<Request>, JobError> {
    let busy = context.store.snapshot().await?.unfinished_keys().await?;
    let mut requests = Vec::new();
    for pull in context.store.pulls(&repo.name, PullRow::Open).await? {
        let key = Key::Preview { repo: repo.name.clone(), number: pull.number };
        if busy.contains(&key.to_string()) {
            continue;
        }
        let wanted = context.outbox.wanted_status(&repo.name, &pull.head, &context.config.status_context).await?;
        let is_stuck = wanted.is_some_and(|status| {
            status.state == StatusState::Pending && !status.description.starts_with(report::AWAITS_APPROVAL)
        });
        if is_stuck {
            tracing::warn!(repo = %repo.name, number = pull.number, "a status is pending and no job will end it; the \
                                                                      pull request is previewed again");
            requests.push(Request::new(key, Trigger::Poll));
        }
    }
    Ok(requests)
}

/// Pull requests that were opened and merged between two polls, without a webhook.
async fn missed_pulls(
    context: &Context,
    repo: &Repo,
    open: &[PullRequest],
    closed: &[PullRequest],
) -> Result<Vec<Request>, JobError> {
    let stored = context.store.highest_pull(&repo.name).await?;
    let seen = open.iter().chain(closed).map(|pull| pull.number).max().unwrap_or_default();
    let Some(before) = context.looked.raise(&repo.name, seen.max(stored.unwrap_or_default())).or(stored) else {
        // The first look of all: what was merged before it is nobody's news.
        return Ok(Vec::new());
    };
    let mut requests = Vec::new();
    for pull in closed.iter().filter(|pull| pull.state == PullState::Merged && pull.number > before) {
        if context.store.pull(&repo.name, pull.number).await?.is_none() {
            requests.push(Request::new(Key::Preview { repo: repo.name.clone(), number: pull.number }, Trigger::Poll));
        }
    }
    Ok(requests)
}

/// The refs to check: the definitions branch, the refs of apps, and the refs of open previews.
async fn moved_refs(context: &Context, repo: &Repo, refs: &BTreeMap<String, Oid>) -> Result<Vec<Request>, JobError> {
    let mut watched = BTreeSet::from([repo.definitions_ref.clone()]);
    for row in context.store.apps_reading(&repo.name).await? {
        if matches!(row.state, AppState::Active | AppState::Missing) {
            watched.insert(row.app.source.ref_name);
        }
    }
    watched.extend(context.store.refs_that_previews_read(&repo.name).await?);
    let mut requests = Vec::new();
    for ref_name in watched {
        let (now, before) = (refs.get(&ref_name), context.store.last_seen(&repo.name, &ref_name).await?);
        if now != before.as_ref() || !is_here(context, repo, before.as_ref()).await {
            let request = Request::new(Key::Push { repo: repo.name.clone(), ref_name }, Trigger::Poll);
            requests.push(now.map_or(request.clone(), |oid| request.with_hint(oid.as_str())));
        }
    }
    Ok(requests)
}

/// A mirror may have been removed or made anew since the ref was last seen. Who heals from it does not fetch.
async fn is_here(context: &Context, repo: &Repo, commit: Option<&Oid>) -> bool {
    match commit {
        Some(commit) => context.mirrors.has_commit(&repo.name, commit).await,
        None => true,
    }
}

/// Pull requests that changed since their last preview, and those that left the list because they were merged or
/// closed.
async fn changed_pulls(context: &Context, repo: &Repo, open: &[PullRequest]) -> Result<Vec<Request>, JobError> {
    let known: BTreeMap<u64, Pull> =
        context.store.pulls(&repo.name, PullRow::Open).await?.into_iter().map(|pull| (pull.number, pull)).collect();
    let mut numbers: BTreeSet<u64> = known.keys().copied().collect();
    for pull in open {
        let same = known
            .get(&pull.number)
            .is_some_and(|known| known.head == pull.head && known.base_ref == full_ref(&pull.base_ref));
        if same {
            numbers.remove(&pull.number)
        } else {
            numbers.insert(pull.number)
        };
    }
    let request = |number| Request::new(Key::Preview { repo: repo.name.clone(), number }, Trigger::Poll);
    Ok(numbers.into_iter().map(request).collect())
}
