//! Checks previews after their base has moved. Most would not change, so their inputs are compared in Git, without a
//! request to the forge or a cluster.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::comparison::MergeTrees;
use super::previewed::{Looked, LookedAt, Seen};
use super::{facts, granted, reads, sides};
use crate::config::Repo;
use crate::forge::{PullRequest, PullState};
use crate::ids::Oid;
use crate::jobs::{Context, outcome};
use crate::queue::{Job, JobError, Key, Trigger};
use crate::report::preview::Stopped;
use crate::source::{Merge, SourceError};
use crate::store::previews::PreviewRow;
use crate::store::pulls::{Pull, PullRow};
use crate::tree::{Tree, TreeError};

/// What a look at Git says of a pull request whose base moved.
pub(in crate::jobs) enum Look {
    /// The preview that was shown still holds.
    Unchanged,
    /// It may not, and the pull request is as it was when it was last read.
    Old(Box<PullRequest>),
    /// Only the forge knows.
    Ask,
}

/// Only for a job that nothing asked for but moved bases, and syncs that changed what the preview rests on.
pub(in crate::jobs) async fn look(
    context: &Context,
    repo: &Repo,
    number: u64,
    job: &Job,
    cancel: &CancellationToken,
) -> Result<Look, JobError> {
    let moved =
        |cause: &Trigger| matches!(cause, Trigger::Follow { key: Key::Push { .. } | Key::Sync(_) | Key::Resync(_) });
    // Something that the preview rests on besides Git is not what it was.
    let is_touched = job.causes.iter().any(|cause| !matches!(cause, Trigger::Follow { key: Key::Push { .. } }));
    if job.attempt > 1 || job.causes.is_empty() || !job.causes.iter().all(moved) {
        return Ok(Look::Ask);
    }
    let Some(pull) = context.store.pull(&repo.name, number).await?.filter(|pull| pull.state == PullRow::Open) else {
        return Ok(Look::Ask);
    };
    let stopped = outcome::report_of(&pull).and_then(|report| report.stopped);
    if stopped == Some(Stopped::Fork) {
        return Ok(Look::Unchanged);
    }
    let Some(preview) = context.store.preview(&repo.name, number).await?.filter(|preview| preview.head == pull.head)
    else {
        return Ok(Look::Ask);
    };
    if preview.granted != Some(granted::hash(context)?) {
        return Ok(Look::Ask);
    }
    let (Some(looked), Some(base)) =
        (Looked::read(&preview), context.store.ref_head(&repo.name, &pull.base_ref).await?)
    else {
        return Ok(Look::Ask);
    };
    if !context.mirrors.has_commit(&repo.name, &pull.head).await || !context.mirrors.has_commit(&repo.name, &base).await
    {
        return Ok(Look::Ask);
    }
    let before = Before { pull: &pull, preview: &preview, looked: &looked, stopped };
    match before.look(context, repo, &base, cancel).await? {
        Look::Unchanged if is_touched && before.stopped.is_none() => Ok(before.unless(false)),
        look => Ok(look),
    }
}

/// What was shown, and what it was made from.
struct Before<'a> {
    pull: &'a Pull,
    preview: &'a PreviewRow,
    looked: &'a Looked,
    stopped: Option<Stopped>,
}

impl Before<'_> {
    async fn look(
        &self,
        context: &Context,
        repo: &Repo,
        base: &Oid,
        cancel: &CancellationToken,
    ) -> Result<Look, JobError> {
        let (tree, tree_id) = match context.mirrors.merge(&repo.name, base, &self.pull.head, None, cancel).await {
            Ok(Merge::Clean { tree, tree_id }) => (tree, tree_id),
            Ok(Merge::Conflict { paths }) => {
                return Ok(self.unless(paths == self.looked.conflicts && !paths.is_empty()));
            }
            Err(SourceError::Unrelated { .. }) => {
                return Ok(self.unless(self.stopped == Some(Stopped::UnrelatedHistory)));
            }
            Err(error) => return Err(error.into()),
        };
        // All of it is in the base: that is what a merge looks like, of which only the forge can tell.
        if tree_id == context.mirrors.tree_id(&repo.name, base).await? {
            return Ok(Look::Ask);
        }
        if self.stopped.is_some() || !self.looked.settled {
            return Ok(self.unless(false));
        }
        let base_tree = context.mirrors.tree(&repo.name, base).await?;
        let base_ref = self.pull.base_ref.clone();
        let trees = MergeTrees {
            base_ref,
            base_commit: base.clone(),
            change_commit: self.preview.head.clone(),
            base: base_tree,
            change: tree,
            reads: Arc::default(),
        };
        let moved = reads::moved(context, &self.looked.reads).await?;
        let same = moved.is_some() && self.same(context, repo, &trees).await?;
        if let Some(moved) = moved.filter(|_| same) {
            context.store.move_preview_reads(&repo.name, self.pull.number, &moved).await?;
        }
        if same && (self.preview.base != *base || self.preview.change_tree.as_ref() != Some(&tree_id)) {
            context.store.move_preview(&repo.name, self.pull.number, base, &tree_id).await?;
        }
        Ok(self.unless(same))
    }

    /// Whether the same apps are affected, and each would be rendered from the same.
    async fn same(&self, context: &Context, repo: &Repo, trees: &MergeTrees) -> Result<bool, JobError> {
        let Some(affected) = sides::affected(context, repo, trees).await? else { return Ok(false) };
        // One that the stored traces no longer tell of is still compared, by what this preview's own renders have read.
        if affected.iter().any(|id| self.looked.app(id).is_none()) {
            return Ok(false);
        }
        let defined = sides::defined(context, repo, trees).await?;
        for one in &self.looked.apps {
            let (base, change) =
                defined.get(&one.app).map_or((None, None), |(base, change)| (base.as_ref(), change.as_ref()));
            let same = |seen: Option<&Seen>, now: Option<&crate::app::App>| match (seen, now) {
                (Some(seen), Some(now)) => seen.app.same_definition(now),
                (None, None) => true,
                _ => false,
            };
            if !same(one.base.as_ref(), base) || !same(one.change.as_ref(), change) {
                return Ok(false);
            }
        }
        if !facts::are_the_same(context, &self.looked.apps).await? {
            return Ok(false);
        }
        let (apps, trees) = (self.looked.apps.clone(), trees.clone());
        let look = move || -> Result<bool, TreeError> {
            for one in &apps {
                if !reads_the_same(one, &trees.base, &trees.change)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        Ok(crate::jobs::context::blocking(look).await??)
    }

    fn unless(&self, same: bool) -> Look {
        if same { Look::Unchanged } else { Look::Old(Box::new(self.pull_request())) }
    }

    fn pull_request(&self) -> PullRequest {
        PullRequest {
            number: self.pull.number,
            state: PullState::Open,
            head: self.pull.head.clone(),
            head_ref: String::new(),
            base_ref: self.pull.base_ref.trim_start_matches("refs/heads/").to_owned(),
            from_fork: false,
            draft: false,
            title: String::new(),
            author: self.looked.author.clone(),
            merged_by: None,
            merge_commit: None,
        }
    }
}

/// Whether both renders of an app would find what they found.
pub(in crate::jobs) fn reads_the_same(
    one: &LookedAt,
    base: &Arc<dyn Tree>,
    change: &Arc<dyn Tree>,
) -> Result<bool, TreeError> {
    for (seen, tree) in [(&one.base, base), (&one.change, change)] {
        if let Some(trace) = seen.as_ref().and_then(|seen| seen.trace.as_ref())
            && trace.differs(tree.as_ref())?.is_some()
        {
            return Ok(false);
        }
    }
    Ok(true)
}
