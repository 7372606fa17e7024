//! The commits that a preview compares, as Git has them now.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::class::{Class, Classified};
use crate::config::Repo;
use crate::forge::{ForgeError, PullRequest};
use crate::ids::{Oid, RepoName};
use crate::jobs::Context;
use crate::jobs::desired::fetch_commit;
use crate::jobs::refs::full_ref;
use crate::queue::JobError;

#[derive(Debug, thiserror::Error)]
pub(in crate::jobs) enum PreviewError {
    #[error("{base} is not in repo {repo}, so nothing can be compared with it")]
    Base { repo: RepoName, base: String },
    #[error("the head of the merge group {0} does not exist: it is not pushed yet or already deleted")]
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

pub(in crate::jobs) struct Fetched {
    pub base_ref: String,
    pub base: Oid,
    pub head: Oid,
    /// Who proposes it; empty for a merge group.
    pub author: String,
    /// Only a pull request is merged by us; a merge group is merged already.
    pub merge: bool,
    /// What the forge itself gets when it merges the pull request, if it has tried.
    pub tested: Option<Oid>,
}

pub(in crate::jobs) async fn fetch(
    context: &Context,
    repo: &Repo,
    pull: &PullRequest,
    visible: Option<&Oid>,
    cancel: &CancellationToken,
) -> Result<Fetched, JobError> {
    let base_ref = full_ref(&pull.base_ref);
    let flavour = context.flavour(&repo.name);
    let (head_ref, tested_ref) = (flavour.head_ref(pull.number), flavour.tested_ref(pull.number));
    let refs = [base_ref.clone(), head_ref.clone(), tested_ref.clone()];
    let mut fetched =
        fetch_commit::fetch(&context.mirrors, &context.remote(repo).await?, &refs, visible, cancel).await?;
    let tested = take(&mut fetched, &tested_ref);
    let base = take(&mut fetched, &base_ref)
        .ok_or_else(|| PreviewError::Base { repo: repo.name.clone(), base: base_ref.clone() })?;
    // The API's word counts while its commit is there, as the gate is looked for on that commit.
    let head = if context.mirrors.has_commit(&repo.name, &pull.head).await {
        Some(pull.head.clone())
    } else {
        take(&mut fetched, &head_ref)
    };
    let head = head.ok_or_else(|| ForgeError::Unavailable {
        forge: repo.hook.to_string(),
        message: format!(
            "{} of {} {}{} cannot be fetched yet",
            pull.head, flavour.pull_request, flavour.sign, pull.number
        ),
    })?;
    Ok(Fetched { base_ref, base, head, author: pull.author.clone(), merge: true, tested })
}

pub(in crate::jobs) fn take(fetched: &mut BTreeMap<String, Option<Oid>>, name: &str) -> Option<Oid> {
    fetched.remove(name).flatten()
}
