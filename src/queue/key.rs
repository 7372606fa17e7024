//! What a job looks at. At most one pending and one running row exist per key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{AppId, ClusterName, RepoName};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Key {
    /// A ref of a repo moved: which apps does it affect?
    Push { repo: RepoName, ref_name: String },
    /// A pull request changed: what would its merge do?
    Preview { repo: RepoName, number: u64 },
    /// A merge queue wants a verdict on a group: its ref, from which [`merge_group_base`] tells the branch it goes
    /// into.
    MergeGroup { repo: RepoName, ref_name: String },
    /// An app should be what Git says.
    Sync(AppId),
    /// Apps came to an end that pull requests of a repo wait for.
    Outcome(RepoName),
    /// Refs and pull requests of a repo may have moved without a webhook.
    Poll(RepoName),
    /// Objects of a cluster may have drifted.
    Resync(ClusterName),
}

/// A repo with its apps, or a cluster with its looks for drift. A cluster that is named like a repo shares nothing with
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(String);

impl Tenant {
    pub fn repo(name: &RepoName) -> Self {
        Self(name.as_str().to_owned())
    }

    pub fn cluster(name: &ClusterName) -> Self {
        // No name of the configuration has a colon.
        Self(format!("cluster:{name}"))
    }

    /// The stored form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lower is more urgent. Syncs share the push's: they are its second half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Push = 0,
    Preview = 1,
    Resync = 2,
}

impl Key {
    pub fn priority(&self) -> Priority {
        match self {
            Self::Push { .. } | Self::Sync(_) => Priority::Push,
            Self::Preview { .. } | Self::MergeGroup { .. } | Self::Outcome(_) => Priority::Preview,
            Self::Poll(_) | Self::Resync(_) => Priority::Resync,
        }
    }

    /// Whose share of the workers this job uses.
    pub fn tenant(&self) -> Tenant {
        match self {
            Self::Push { repo, .. }
            | Self::Preview { repo, .. }
            | Self::MergeGroup { repo, .. }
            | Self::Outcome(repo)
            | Self::Poll(repo) => Tenant::repo(repo),
            Self::Sync(app) => Tenant::repo(&app.repo),
            Self::Resync(cluster) => Tenant::cluster(cluster),
        }
    }

    /// Whether the schedule asks for it again and again, whatever became of it.
    pub(super) fn is_periodic(&self) -> bool {
        matches!(self, Self::Poll(_) | Self::Resync(_))
    }

    /// Whether many of the same may come one after the other, whatever the cause: the apps of a merge end one by one.
    pub(super) fn is_debounced(&self) -> bool {
        matches!(self, Self::Outcome(_))
    }

    /// Each of the words of [`Self::kind`].
    pub const KINDS: [&'static str; 7] = ["push", "preview", "group", "sync", "outcome", "poll", "resync"];

    /// The kind of job in one word, for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Push { .. } => "push",
            Self::Preview { .. } => "preview",
            Self::MergeGroup { .. } => "group",
            Self::Sync(_) => "sync",
            Self::Outcome(_) => "outcome",
            Self::Poll(_) => "poll",
            Self::Resync(_) => "resync",
        }
    }
}

/// The branch that a group of GitHub's merge queue goes into: `refs/heads/gh-readonly-queue/BRANCH/pr-NUMBER-SHA` holds
/// it.
pub fn merge_group_base(ref_name: &str) -> Option<String> {
    let (branch, group) = ref_name.strip_prefix("refs/heads/gh-readonly-queue/")?.rsplit_once('/')?;
    (!branch.is_empty() && group.starts_with("pr-")).then(|| format!("refs/heads/{branch}"))
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

/// `push:REPO+REF`, `preview:REPO#NUMBER`, `group:REPO+REF`, `sync:REPO/APP`, `outcome:REPO`, `poll:REPO`,
/// `resync:CLUSTER`: the stored form.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Push { repo, ref_name } => write!(f, "push:{repo}+{ref_name}"),
            Self::Preview { repo, number } => write!(f, "preview:{repo}#{number}"),
            Self::MergeGroup { repo, ref_name } => write!(f, "group:{repo}+{ref_name}"),
            Self::Sync(app) => write!(f, "sync:{app}"),
            Self::Outcome(repo) => write!(f, "outcome:{repo}"),
            Self::Poll(repo) => write!(f, "poll:{repo}"),
            Self::Resync(cluster) => write!(f, "resync:{cluster}"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not a job key: use push:REPO+REF, preview:REPO#NUMBER, group:REPO+REF, sync:REPO/APP, outcome:REPO, \
     poll:REPO or resync:CLUSTER"
)]
pub struct KeyError(String);

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        parse(text).ok_or_else(|| KeyError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Key> {
    let (word, rest) = text.split_once(':').filter(|(_, rest)| !rest.is_empty())?;
    Some(match word {
        "push" => {
            let (repo, ref_name) = rest.split_once('+')?;
            Key::Push { repo: RepoName::new(repo), ref_name: ref_name.to_owned() }
        }
        "preview" => {
            let (repo, number) = rest.split_once('#')?;
            Key::Preview { repo: RepoName::new(repo), number: number.parse().ok()? }
        }
        "group" => {
            let (repo, ref_name) = rest.split_once('+')?;
            Key::MergeGroup { repo: RepoName::new(repo), ref_name: ref_name.to_owned() }
        }
        "sync" => Key::Sync(rest.parse().ok()?),
        "outcome" => Key::Outcome(RepoName::new(rest)),
        "poll" => Key::Poll(RepoName::new(rest)),
        "resync" => Key::Resync(ClusterName::new(rest)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_the_store() -> Result<(), KeyError> {
        for text in [
            "push:shop+refs/heads/a+b",
            "preview:shop#7",
            "group:shop+refs/heads/q/main/pr-7-ab",
            "sync:shop/web",
            "outcome:shop",
            "poll:shop",
            "resync:prod",
        ] {
            let key = text.parse::<Key>()?;
            assert_eq!((key.to_string().as_str(), Key::KINDS.contains(&key.kind())), (text, true));
        }
        for text in ["", "push:", "push:shop", "preview:shop#x", "sync:web", "drop:shop"] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
        Ok(())
    }

    /// C8: a cluster and a repo of one name have shares, failures and retries of their own.
    #[test]
    fn a_cluster_named_like_a_repo_is_another_tenant() {
        let (repo, cluster) = (Key::Poll(RepoName::new("prod")), Key::Resync(ClusterName::new("prod")));
        assert_ne!(repo.tenant(), cluster.tenant());
        assert_eq!(Key::Sync(AppId::new(&RepoName::new("prod"), "web")).tenant(), repo.tenant());
    }

    #[test]
    fn the_ref_of_a_merge_group_names_its_branch() {
        let base = |name: &str| merge_group_base(name);
        assert_eq!(base("refs/heads/gh-readonly-queue/main/pr-7-0a1b").as_deref(), Some("refs/heads/main"));
        assert_eq!(
            base("refs/heads/gh-readonly-queue/release/1.2/pr-7-0a1b").as_deref(),
            Some("refs/heads/release/1.2")
        );
        for other in ["refs/heads/main", "refs/heads/gh-readonly-queue/main", "refs/heads/gh-readonly-queue//pr-7-0a1b"]
        {
            assert_eq!(base(other), None, "{other}");
        }
    }
}
