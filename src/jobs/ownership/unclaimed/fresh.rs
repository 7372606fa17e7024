//! Asks Git where the refs are that the apps of a repo follow besides the one that their definitions are on.
//!
//! What it says is for the look that asks: it is not written down, as nothing was done about it, and an answer that was
//! on its way for long must not take back what a push has seen since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::defined::{Heads, again, passing};
use crate::config::Repo;
use crate::ids::RepoName;
use crate::jobs::Context;
use crate::jobs::remembered::unclaimed::Fetched;
use crate::queue::JobError;

/// Nothing is asked where all apps follow the branch of their definitions: whoever looks has come from there. `known`
/// names what is known without asking: what comes of another state of it is asked for anew.
pub(in crate::jobs) async fn ask(
    context: &Context,
    defining: &Repo,
    known: String,
    heads: &Heads,
) -> Result<Arc<Fetched>, JobError> {
    let is_told = |(repo, name): &(RepoName, String)| *repo == defining.name && *name == defining.definitions_ref;
    if heads.keys().all(is_told) {
        return Ok(Arc::default());
    }
    let asking = async { fetch(context, heads).await.map(Arc::new) };
    let asked =
        context.wants.asked.try_get_with(known.clone(), asking).await.map_err(|error: Arc<JobError>| again(&error))?;
    if !asked.unseen.is_empty() {
        context.wants.asked.invalidate(&known).await;
    }
    Ok(asked)
}

async fn fetch(context: &Context, heads: &Heads) -> Result<Fetched, JobError> {
    let mut refs: BTreeMap<&RepoName, BTreeSet<&String>> = BTreeMap::new();
    for (repo, ref_name) in heads.keys() {
        refs.entry(repo).or_default().insert(ref_name);
    }
    let mut asked = Fetched::default();
    for (repo, refs) in refs {
        let refs: Vec<String> = refs.into_iter().cloned().collect();
        let fetch = async {
            let remote = context.remote(context.repo(repo)?).await?;
            Ok::<_, JobError>(context.mirrors.fetch(&remote, &refs, context.tasks.hard()).await?)
        };
        match fetch.await {
            Ok(found) => {
                asked.seen.extend(found.into_iter().filter_map(|(name, head)| Some(((repo.clone(), name), head?))));
            }
            Err(error) => drop(asked.unseen.insert(repo.clone(), passing(&error)?)),
        }
    }
    Ok(asked)
}
