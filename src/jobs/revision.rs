//! Which commit a person means: by its id, the first digits of it, a branch or a tag. Answered before anything is
//! promised.

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;

use super::Context;
use crate::app::Source;
use crate::class::{Class, Classified};
use crate::config::Repo;
use crate::ids::Oid;
use crate::queue::JobError;
use crate::source::Remote;

/// As few digits of an id as Git takes.
const SHORTEST: usize = 4;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum RevisionProblem {
    #[error(
        "repo {repo} has no commit, branch or tag {revision:?}. Use a commit's id or its first digits, or the name of \
         a branch or tag"
    )]
    Unknown { repo: String, revision: String },
    #[error("{revision:?} is ambiguous in repo {repo}: {}. Use more digits, or the full name of a \
             ref", .found.join(", "))]
    Ambiguous { repo: String, revision: String, found: Vec<String> },
}

impl Classified for RevisionProblem {
    fn class(&self) -> Class {
        Class::Fail
    }
}

/// Finds a commit and sees to it that it can be read.
pub async fn find(
    context: &Context,
    source: &Source,
    revision: &str,
    cancel: &CancellationToken,
) -> Result<Oid, JobError> {
    let repo = context.repo(&source.repo)?;
    let exact = revision.parse::<Oid>().ok();
    if let Some(oid) = &exact
        && context.mirrors.has_commit(&repo.name, oid).await
    {
        return Ok(oid.clone());
    }
    let remote = context.remote(repo).await?;
    let refs = context.mirrors.list_refs(&remote, cancel).await?;
    let asked = Asked { context, repo, remote: &remote, revision, cancel };
    match named(&refs, revision) {
        Named::One(name) => return asked.head_of(&name).await,
        Named::Several(found) => return Err(asked.ambiguous(found)),
        Named::None => {}
    }
    if !is_prefix(revision) {
        return Err(asked.unknown());
    }
    // A head is a commit that is not here yet; what is behind it comes with the ref that the app follows.
    let heads: BTreeSet<&Oid> = refs.values().filter(|oid| oid.as_str().starts_with(revision)).collect();
    match (heads.len(), refs.iter().find(|(_, oid)| heads.contains(oid))) {
        (1, Some((name, _))) if name.starts_with("refs/") => drop(asked.head_of(name).await?),
        _ => drop(context.mirrors.fetch(&remote, std::slice::from_ref(&source.ref_name), cancel).await?),
    }
    let found = context.mirrors.commits_from(&repo.name, revision).await?;
    match <[Oid; 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(found) if found.is_empty() => Err(asked.unknown()),
        Err(found) => Err(asked.ambiguous(found.iter().map(ToString::to_string).collect())),
    }
}

/// Whether a commit is in the history of the source's ref, as it was last fetched or as it is now.
pub async fn is_on_ref(
    context: &Context,
    source: &Source,
    commit: &Oid,
    cancel: &CancellationToken,
) -> Result<bool, JobError> {
    let repo = context.repo(&source.repo)?;
    if is_on_fetched_ref(context, source, commit).await? {
        return Ok(true);
    }
    let fetched =
        context.mirrors.fetch(&context.remote(repo).await?, std::slice::from_ref(&source.ref_name), cancel).await?;
    match fetched.into_values().flatten().next() {
        Some(head) => Ok(context.mirrors.is_ancestor(&repo.name, commit, &head).await?),
        None => Ok(false),
    }
}

/// The same by what is here.
pub(super) async fn is_on_fetched_ref(context: &Context, source: &Source, commit: &Oid) -> Result<bool, JobError> {
    match context.mirrors.resolve(&source.repo, &source.ref_name).await? {
        Some(head) => Ok(context.mirrors.is_ancestor(&source.repo, commit, &head).await?),
        None => Ok(false),
    }
}

struct Asked<'a> {
    context: &'a Context,
    repo: &'a Repo,
    remote: &'a Remote,
    revision: &'a str,
    cancel: &'a CancellationToken,
}

impl Asked<'_> {
    async fn head_of(&self, name: &str) -> Result<Oid, JobError> {
        let fetched = self.context.mirrors.fetch(self.remote, &[name.to_owned()], self.cancel).await?;
        fetched.into_values().flatten().next().ok_or_else(|| self.unknown())
    }

    fn unknown(&self) -> JobError {
        RevisionProblem::Unknown { repo: self.repo.name.to_string(), revision: self.revision.to_owned() }.into()
    }

    fn ambiguous(&self, found: Vec<String>) -> JobError {
        RevisionProblem::Ambiguous { repo: self.repo.name.to_string(), revision: self.revision.to_owned(), found }
            .into()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Named {
    None,
    One(String),
    Several(Vec<String>),
}

/// The ref of this name. A branch and a tag of one name are one answer where they are one commit.
fn named(refs: &BTreeMap<String, Oid>, name: &str) -> Named {
    let full = [name.to_owned(), format!("refs/heads/{name}"), format!("refs/tags/{name}")];
    let found: Vec<(&String, &Oid)> =
        full.iter().filter_map(|name| refs.get_key_value(name)).filter(|(name, _)| *name != "HEAD").collect();
    let commits: BTreeSet<&Oid> = found.iter().map(|(_, oid)| *oid).collect();
    match (found.first(), commits.len()) {
        (Some((name, _)), 1) => Named::One((*name).clone()),
        (Some(_), _) => Named::Several(found.into_iter().map(|(name, _)| name.clone()).collect()),
        (None, _) => Named::None,
    }
}

fn is_prefix(text: &str) -> bool {
    (SHORTEST..=64).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(digit: char) -> Oid {
        digit.to_string().repeat(40).parse().expect("an id")
    }

    /// T2: a branch, a tag or a full name is one commit, or it is said that it is several.
    #[test]
    fn a_name_means_one_ref_or_none() {
        let refs: BTreeMap<String, Oid> = [
            ("HEAD", 'a'),
            ("refs/heads/main", 'a'),
            ("refs/heads/v1", 'b'),
            ("refs/tags/v1", 'c'),
            ("refs/heads/v2", 'd'),
            ("refs/tags/v2", 'd'),
        ]
        .into_iter()
        .map(|(name, digit)| (name.to_owned(), oid(digit)))
        .collect();
        let one = |name: &str| Named::One(name.to_owned());
        assert_eq!(named(&refs, "main"), one("refs/heads/main"));
        assert_eq!(named(&refs, "refs/tags/v1"), one("refs/tags/v1"));
        assert_eq!(named(&refs, "v2"), one("refs/heads/v2"));
        assert_eq!(named(&refs, "v1"), Named::Several(vec!["refs/heads/v1".into(), "refs/tags/v1".into()]));
        for name in ["HEAD", "nobody", "", "heads/main"] {
            assert_eq!(named(&refs, name), Named::None, "{name}");
        }
    }

    #[test]
    fn digits_of_an_id_are_told_from_names() {
        for prefix in ["0123", "abcdef0123", &"f".repeat(40)] {
            assert!(is_prefix(prefix), "{prefix}");
        }
        for other in ["abc", "main", "ABCDEF", "../a", &"f".repeat(65)] {
            assert!(!is_prefix(other), "{other}");
        }
    }
}
