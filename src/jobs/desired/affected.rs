//! The apps that a new tree affects: those whose trace has other results there. Content decides, not path prefixes.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ids::{AppId, RepoName};
use crate::jobs::Context;
use crate::queue::JobError;
use crate::store::apps::AppRow;
use crate::store::apps::TRACE;
use crate::trace::Trace;
use crate::tree::{Tree, TreeError};

/// Apps that follow a ref, with the trace of their last render where there is one.
pub(in crate::jobs) struct Follower {
    pub row: AppRow,
    pub trace: Option<Trace>,
}

/// The active apps whose manifests come from this ref.
pub(in crate::jobs) async fn followers(
    context: &Context,
    repo: &RepoName,
    ref_name: &str,
) -> Result<Vec<Follower>, JobError> {
    let found = context.store.followers(repo).await?;
    Ok(found
        .into_iter()
        .filter(|(row, _)| row.app.source.ref_name == ref_name)
        .map(|(row, trace)| {
            // A trace that an older version wrote does not parse: such an app is rendered, as one without a trace.
            let trace = trace.and_then(|text| TRACE.read(&row.app.id, &text).ok());
            Follower { row, trace }
        })
        .collect())
}

/// Those of the followers that may render to something else at `tree`.
pub(in crate::jobs) async fn by_tree(
    followers: Vec<Follower>,
    tree: Arc<dyn Tree>,
) -> Result<BTreeSet<AppId>, JobError> {
    let look = move || -> Result<BTreeSet<AppId>, TreeError> {
        let mut affected = BTreeSet::new();
        for Follower { row, trace } in followers {
            let differs = match trace {
                Some(trace) => trace.differs(tree.as_ref())?.is_some(),
                None => true,
            };
            // A sync that failed or never happened is not forgotten because its files stayed the same.
            // One that has failed since is tried again by whatever is pushed, as what was in its way may be taken back.
            let is_open =
                row.applied_revision.is_none() || row.applied_identity != row.identity || !row.failure.is_empty();
            if differs || is_open {
                affected.insert(row.app.id);
            }
        }
        Ok(affected)
    };
    Ok(crate::jobs::context::blocking(look).await??)
}
