//! A hash of what the configuration grants: if it changes, previews are made again.

use sha2::{Digest, Sha256};

use crate::class::Class;
use crate::config::Repo;
use crate::ids::RepoName;
use crate::jobs::Context;
use crate::queue::{JobError, Key, Request, Trigger};

/// Of all repos, as what the others may do decides whose objects are.
pub(in crate::jobs) fn hash(context: &Context) -> Result<String, JobError> {
    let of = |repo: &Repo| {
        let Repo { name, definitions_ref, definitions, allow, may_read, .. } = repo;
        serde_json::to_string(&(name, definitions_ref, definitions.patterns(), allow, may_read))
    };
    let mut repos = context
        .config
        .repos
        .iter()
        .map(of)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| JobError::new(Class::Fail, error))?;
    repos.sort();
    let mut hash = Sha256::new();
    for part in repos.into_iter().chain(context.clusters.keys().map(ToString::to_string)) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Ok(hex::encode(hash.finalize()))
}

/// Asks for a new preview of each open pull request of a repo that was previewed under another configuration.
pub(in crate::jobs) async fn previews(context: &Context, repo: &RepoName) -> Result<Vec<Request>, JobError> {
    let pulls = context.store.pulls_granted_otherwise(repo, &hash(context)?).await?;
    Ok(pulls.into_iter().map(|(repo, number)| Request::new(Key::Preview { repo, number }, Trigger::Poll)).collect())
}
