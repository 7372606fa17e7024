//! The refs that a preview uses beside its base and its head: those of apps with a source in another repo or ref. If
//! one of them moves, the preview is outdated.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::ids::{Oid, RepoName};
use crate::jobs::Context;
use crate::jobs::context::blocking;
use crate::queue::{JobError, Key, Request, Trigger};
use crate::report::preview::RenderedFrom;
use crate::store::group_reads::GroupRow;
use crate::store::reads::ReadRow;
use crate::trace::Trace;

/// Where a ref was, and what the renders of the preview asked of its tree.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::jobs) struct Read {
    pub repo: RepoName,
    pub ref_name: String,
    /// None where it was not there.
    pub commit: Option<Oid>,
    /// None where nobody knows.
    pub trace: Option<Trace>,
}

/// Collects what a preview reads while it is made.
#[derive(Default)]
pub(in crate::jobs) struct Reads(Mutex<BTreeMap<(RepoName, String), Read>>);

impl Reads {
    pub fn add(&self, app: &App, commit: Option<&Oid>, trace: Option<&Trace>) {
        let (repo, ref_name) = (app.source.repo.clone(), app.source.ref_name.clone());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = || Read {
            repo: repo.clone(),
            ref_name: ref_name.clone(),
            commit: commit.cloned(),
            trace: Some(Trace::default()),
        };
        let read = all.entry((repo.clone(), ref_name.clone())).or_insert_with(first);
        // What was read of it at two commits is as old as the first of them.
        match trace.filter(|_| read.commit.as_ref() == commit) {
            Some(trace) => read.trace.iter_mut().for_each(|all| all.merge(trace)),
            None => read.trace = None,
        }
    }

    /// The commit that an app was made from, where that is none of the pull request's.
    pub fn rendered_from(&self, app: &App) -> Option<RenderedFrom> {
        let (repo, ref_name) = (app.source.repo.clone(), app.source.ref_name.clone());
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let commit = all.get(&(repo.clone(), ref_name.clone()))?.commit.clone()?;
        Some(RenderedFrom { repo, ref_name, commit })
    }

    pub fn take(&self) -> Vec<Read> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_values().collect()
    }
}

impl Read {
    fn row(&self, commit: Option<Oid>) -> ReadRow {
        ReadRow { repo: self.repo.clone(), ref_name: self.ref_name.clone(), commit }
    }
}

/// Keeps what the preview of a pull request read. Nobody may have followed these refs before: each that is not known to
/// be where it was read is looked at.
pub(in crate::jobs) async fn keep(
    context: &Context,
    repo: &RepoName,
    number: u64,
    reads: &[Read],
) -> Result<(), JobError> {
    let rows: Vec<ReadRow> = reads.iter().map(|read| read.row(read.commit.clone())).collect();
    context.store.put_preview_reads(repo, number, &rows).await?;
    look_at_moved(context, rows, Key::Preview { repo: repo.clone(), number }).await
}

/// The same of a merge group.
pub(in crate::jobs) async fn keep_of_group(
    context: &Context,
    group: &GroupRow,
    reads: &[Read],
) -> Result<(), JobError> {
    let rows: Vec<ReadRow> = reads.iter().map(|read| read.row(read.commit.clone())).collect();
    context.store.put_group_reads(group, &rows).await?;
    let key = Key::MergeGroup { repo: group.repo.clone(), ref_name: group.ref_name.clone() };
    look_at_moved(context, rows, key).await
}

async fn look_at_moved(context: &Context, rows: Vec<ReadRow>, key: Key) -> Result<(), JobError> {
    let cause = Trigger::Follow { key };
    let mut requests = Vec::new();
    for ReadRow { repo, ref_name, commit } in rows {
        if context.store.last_seen(&repo, &ref_name).await? != commit {
            requests.push(Request::new(Key::Push { repo, ref_name }, cause.clone()));
        }
    }
    Ok(context.queue.enqueue(&requests).await?)
}

/// Those of the refs that have moved and where all that was read of them is as it was, with where they are now. None
/// where something was read that is not as it was.
pub(in crate::jobs) async fn moved(context: &Context, reads: &[Read]) -> Result<Option<Vec<ReadRow>>, JobError> {
    let mut rows = Vec::new();
    for read in reads {
        let now = context.store.ref_head(&read.repo, &read.ref_name).await?;
        if now == read.commit {
            continue;
        }
        let (Some(commit), Some(trace)) = (&now, read.trace.clone().filter(|_| read.commit.is_some())) else {
            return Ok(None);
        };
        if !context.mirrors.has_commit(&read.repo, commit).await {
            return Ok(None);
        }
        let tree = context.mirrors.tree(&read.repo, commit).await?;
        if blocking(move || trace.differs(tree.as_ref())).await??.is_some() {
            return Ok(None);
        }
        rows.push(read.row(now));
    }
    Ok(Some(rows))
}

/// A look at each open pull request and merge group whose preview read a ref when it was elsewhere.
pub(in crate::jobs) async fn previews_of(
    context: &Context,
    repo: &RepoName,
    ref_name: &str,
    now: Option<&Oid>,
    key: &Key,
) -> Result<Vec<Request>, JobError> {
    let pulls = context.store.pulls_that_read(repo, ref_name, now).await?;
    let request = |(repo, number)| Request::new(Key::Preview { repo, number }, Trigger::Follow { key: key.clone() });
    let groups = context.store.groups_that_read(repo, ref_name, now).await?;
    let of_group = |GroupRow { repo, ref_name, head }: GroupRow| {
        let cause = Trigger::Follow { key: key.clone() };
        Request::new(Key::MergeGroup { repo, ref_name }, cause).with_hint(head.as_str())
    };
    Ok(pulls.into_iter().map(request).chain(groups.into_iter().map(of_group)).collect())
}

/// Whether the preview of an open pull request, or of a merge group, was made from a ref.
pub(in crate::jobs) async fn is_read(context: &Context, repo: &RepoName, ref_name: &str) -> Result<bool, JobError> {
    Ok(context.store.refs_that_previews_read(repo).await?.iter().any(|read| read == ref_name))
}
