//! What a job looks at. At most one pending and one running row exist per key.

use std::fmt;
use std::str::FromStr;

use crate::ids::{AppId, ClusterName, RepoName};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A ref of a repo moved: which apps does it affect?
    Push { repo: RepoName, ref_name: String },
    /// A pull request changed: what would its merge do?
    Preview { repo: RepoName, number: u64 },
    /// An app should be what Git says.
    Sync(AppId),
    /// Refs and pull requests of a repo may have moved without a webhook.
    Poll(RepoName),
    /// Objects of a cluster may have drifted.
    Resync(ClusterName),
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
            Self::Preview { .. } => Priority::Preview,
            Self::Poll(_) | Self::Resync(_) => Priority::Resync,
        }
    }

    /// The repo whose share of the workers this job uses; a cluster's resync has a share of its own.
    pub fn tenant(&self) -> &str {
        match self {
            Self::Push { repo, .. } | Self::Preview { repo, .. } | Self::Poll(repo) => repo.as_str(),
            Self::Sync(app) => app.repo.as_str(),
            Self::Resync(cluster) => cluster.as_str(),
        }
    }
}

/// `push:REPO+REF`, `preview:REPO#NUMBER`, `sync:REPO/APP`, `poll:REPO`, `resync:CLUSTER`: the stored form.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Push { repo, ref_name } => write!(f, "push:{repo}+{ref_name}"),
            Self::Preview { repo, number } => write!(f, "preview:{repo}#{number}"),
            Self::Sync(app) => write!(f, "sync:{app}"),
            Self::Poll(repo) => write!(f, "poll:{repo}"),
            Self::Resync(cluster) => write!(f, "resync:{cluster}"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no job key: push:REPO+REF, preview:REPO#NUMBER, sync:REPO/APP, poll:REPO or resync:CLUSTER")]
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
        "sync" => Key::Sync(rest.parse().ok()?),
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
        for text in ["push:shop+refs/heads/a+b", "preview:shop#7", "sync:shop/web", "poll:shop", "resync:prod"] {
            assert_eq!(text.parse::<Key>()?.to_string(), text);
        }
        for text in ["", "push:", "push:shop", "preview:shop#x", "sync:web", "drop:shop"] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
        Ok(())
    }
}
