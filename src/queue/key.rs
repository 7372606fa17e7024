//! The key of a job. At most one pending and one running row exist per key.

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
    /// Somebody wrote a comment with commands on a pull request.
    Comment { repo: RepoName, number: u64, id: u64 },
    /// A merge queue wants a verdict on a group: its ref, which is the forge's to read.
    MergeGroup { repo: RepoName, ref_name: String },
    /// An app should be what Git says.
    Sync(AppId),
    /// Apps came to an end that pull requests of a repo wait for.
    Outcome(RepoName),
    /// Refs and pull requests of a repo may have moved without a webhook.
    Poll(RepoName),
    /// Deliveries of a repo's webhook may not have come.
    Deliveries(RepoName),
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

/// What holds for all jobs of one kind: a new kind has a line in [`Kind::ALL`], and one in [`Key::kind`].
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// What its keys begin with, also for metrics.
    pub name: &'static str,
    priority: Priority,
    /// The schedule asks for it again and again, whatever became of it.
    pub(super) is_periodic: bool,
    /// Many of the same may come one after the other, whatever the cause: the apps of a merge end one by one.
    pub(super) is_debounced: bool,
}

impl Kind {
    const PUSH: Self = Self::new("push", Priority::Push);
    const PREVIEW: Self = Self::new("preview", Priority::Preview);
    const COMMENT: Self = Self::new("comment", Priority::Push);
    const GROUP: Self = Self::new("group", Priority::Preview);
    const SYNC: Self = Self::new("sync", Priority::Push);
    const OUTCOME: Self = Self { is_debounced: true, ..Self::new("outcome", Priority::Preview) };
    const POLL: Self = Self { is_periodic: true, ..Self::new("poll", Priority::Resync) };
    const DELIVERIES: Self = Self { is_periodic: true, ..Self::new("deliveries", Priority::Resync) };
    const RESYNC: Self = Self { is_periodic: true, ..Self::new("resync", Priority::Resync) };

    pub const ALL: [Self; 9] = [
        Self::PUSH,
        Self::PREVIEW,
        Self::COMMENT,
        Self::GROUP,
        Self::SYNC,
        Self::OUTCOME,
        Self::POLL,
        Self::DELIVERIES,
        Self::RESYNC,
    ];

    const fn new(name: &'static str, priority: Priority) -> Self {
        Self { name, priority, is_periodic: false, is_debounced: false }
    }
}

impl Key {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Push { .. } => Kind::PUSH,
            Self::Preview { .. } => Kind::PREVIEW,
            Self::Comment { .. } => Kind::COMMENT,
            Self::MergeGroup { .. } => Kind::GROUP,
            Self::Sync(_) => Kind::SYNC,
            Self::Outcome(_) => Kind::OUTCOME,
            Self::Poll(_) => Kind::POLL,
            Self::Deliveries(_) => Kind::DELIVERIES,
            Self::Resync(_) => Kind::RESYNC,
        }
    }

    pub fn priority(&self) -> Priority {
        self.kind().priority
    }

    /// Whose share of the workers this job uses.
    pub fn tenant(&self) -> Tenant {
        match self {
            Self::Push { repo, .. }
            | Self::Preview { repo, .. }
            | Self::Comment { repo, .. }
            | Self::MergeGroup { repo, .. }
            | Self::Outcome(repo)
            | Self::Poll(repo)
            | Self::Deliveries(repo) => Tenant::repo(repo),
            Self::Sync(app) => Tenant::repo(&app.repo),
            Self::Resync(cluster) => Tenant::cluster(cluster),
        }
    }
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

/// `push:REPO+REF`, `preview:REPO#NUMBER`, `comment:REPO#NUMBER/ID`, `group:REPO+REF`, `sync:REPO/APP`, `outcome:REPO`,
/// `poll:REPO`, `deliveries:REPO`, `resync:CLUSTER`: the stored form.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind().name)?;
        match self {
            Self::Push { repo, ref_name } | Self::MergeGroup { repo, ref_name } => write!(f, "{repo}+{ref_name}"),
            Self::Preview { repo, number } => write!(f, "{repo}#{number}"),
            Self::Comment { repo, number, id } => write!(f, "{repo}#{number}/{id}"),
            Self::Sync(app) => write!(f, "{app}"),
            Self::Outcome(repo) | Self::Poll(repo) | Self::Deliveries(repo) => write!(f, "{repo}"),
            Self::Resync(cluster) => write!(f, "{cluster}"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not a job key: use push:REPO+REF, preview:REPO#NUMBER, comment:REPO#NUMBER/ID, group:REPO+REF, sync:REPO/APP, outcome:REPO, \
     poll:REPO, deliveries:REPO or resync:CLUSTER"
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
        "comment" => {
            let (repo, rest) = rest.split_once('#')?;
            let (number, id) = rest.split_once('/')?;
            Key::Comment { repo: RepoName::new(repo), number: number.parse().ok()?, id: id.parse().ok()? }
        }
        "group" => {
            let (repo, ref_name) = rest.split_once('+')?;
            Key::MergeGroup { repo: RepoName::new(repo), ref_name: ref_name.to_owned() }
        }
        "sync" => Key::Sync(rest.parse().ok()?),
        "outcome" => Key::Outcome(RepoName::new(rest)),
        "poll" => Key::Poll(RepoName::new(rest)),
        "deliveries" => Key::Deliveries(RepoName::new(rest)),
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
            "comment:shop#7/1234",
            "poll:shop",
            "deliveries:shop",
            "resync:prod",
        ] {
            let key = text.parse::<Key>()?;
            assert_eq!((key.to_string().as_str(), Kind::ALL.contains(&key.kind())), (text, true));
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
}
