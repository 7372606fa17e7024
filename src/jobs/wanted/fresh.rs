//! Brings the refs up to date that the apps of a repo follow besides the one that their definitions are on.

use std::collections::BTreeMap;

use super::{Heads, passing};
use crate::config::Repo;
use crate::ids::RepoName;
use crate::jobs::Engine;
use crate::queue::JobError;

/// Repos that could not be asked, and why.
pub(super) type Unseen = BTreeMap<RepoName, String>;

/// None where there is nothing else to ask for: all apps follow the branch of their definitions.
pub(super) async fn fetch(engine: &Engine, defining: &Repo, heads: &Heads) -> Result<Option<Unseen>, JobError> {
    let mut refs: BTreeMap<&RepoName, Vec<String>> = BTreeMap::new();
    for (repo, ref_name) in heads.keys() {
        refs.entry(repo).or_default().push(ref_name.clone());
    }
    let is_only = |refs: &BTreeMap<&RepoName, Vec<String>>| {
        refs.iter().all(|(repo, refs)| **repo == defining.name && refs.iter().all(|name| *name == defining.definitions_ref))
    };
    if is_only(&refs) {
        return Ok(None);
    }
    let mut unseen = Unseen::new();
    for (repo, refs) in refs {
        let asked = async {
            let remote = engine.remote(engine.repo(repo)?).await?;
            Ok::<_, JobError>(engine.mirrors.fetch(&remote, &refs, engine.tasks.hard()).await?)
        };
        if let Err(error) = asked.await {
            unseen.insert(repo.clone(), passing(&error)?);
        }
    }
    Ok(Some(unseen))
}
