//! Compares the two sides of a pull request, and writes what it finds into the report.

use std::sync::Arc;

use super::comparison::MergeTrees;
use super::fetch::Fetched;
use super::previewed::{Collected, Looked};
use super::{compare, facts, sides};
use crate::config::Repo;
use crate::ids::{Oid, RepoName};
use crate::jobs::Context;
use crate::jobs::history::History;
use crate::queue::{JobError, RunningJob};
use crate::report::preview::{PreviewReport, Stopped};
use crate::source::{Merge, SourceError};

/// Compares the two sides, and writes what it finds into the report. The tree that merging gives, what was looked at,
/// and what kept an app from being compared, where it may pass.
pub(in crate::jobs) async fn fill(
    context: &Context,
    repo: &Repo,
    fetched: &Fetched,
    report: &mut PreviewReport,
    history: &mut History<'_>,
    running: &RunningJob,
) -> Result<(Option<Oid>, Looked, Option<JobError>), JobError> {
    let Fetched { base_ref, base, head, author, merge, tested } = fetched;
    report.base = base.clone();
    report.head = head.clone();
    let (change, change_tree) = if *merge {
        match context.mirrors.merge(&repo.name, base, head, tested.as_ref(), &running.cancel).await {
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
        (context.mirrors.tree(&repo.name, head).await?, context.mirrors.tree_id(&repo.name, head).await?)
    };
    let base_tree = context.mirrors.tree(&repo.name, base).await?;
    let trees = MergeTrees {
        base_ref: base_ref.clone(),
        base_commit: base.clone(),
        change_commit: head.clone(),
        base: base_tree,
        change,
        reads: Arc::default(),
    };
    let mut sides = history.timed("render", sides::build(context, repo, &trees, &running.cancel)).await?;
    if !sides.errors.is_empty() {
        report.stopped = Some(Stopped::Definitions { errors: sides.errors.iter().map(ToString::to_string).collect() });
        return Ok((Some(change_tree), Looked::without_apps(author, report, Vec::new()), None));
    }
    let rendered = std::mem::take(&mut sides.looked);
    let facts = facts::of(context, &rendered, &sides.pairs).await?;
    let collected = Collected::default();
    let compared =
        history.timed("plan", compare::all(context, repo, &trees, sides.pairs, &collected, &running.cancel)).await?;
    report.apps = compared.apps;
    let mut looked = Looked::new(author, report, rendered, &collected);
    looked.reads = trees.reads.take();
    looked.rests.extend(facts);
    Ok((Some(change_tree), looked, compared.trouble))
}

pub(in crate::jobs) fn empty(
    context: &Context,
    repo: &RepoName,
    number: Option<u64>,
    head: &Oid,
    base_ref: &str,
) -> PreviewReport {
    PreviewReport {
        repo: repo.clone(),
        number,
        head: head.clone(),
        base: head.clone(),
        base_ref: base_ref.trim_start_matches("refs/heads/").to_owned(),
        at: context.clock.now(),
        stopped: None,
        apps: Vec::new(),
        outcome: None,
    }
}

pub(in crate::jobs) fn unavailable(
    context: &Context,
    repo: &Repo,
    number: Option<u64>,
    head: &Oid,
    base_ref: &str,
    error: &JobError,
) -> PreviewReport {
    let mut report = empty(context, &repo.name, number, head, base_ref);
    report.stopped = Some(Stopped::Unavailable { message: error.message() });
    report
}
