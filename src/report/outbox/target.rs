//! The targets of reports: statuses, comments and notices.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::forge::Forge;
use crate::ids::{Oid, RepoName};

/// Where a repo's reports go.
#[derive(Clone)]
pub struct Destination {
    pub forge: Arc<dyn Forge>,
    /// The forge's name of the project.
    pub project: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    Status {
        repo: RepoName,
        sha: Oid,
        context: String,
    },
    Comment {
        repo: RepoName,
        number: u64,
    },
    /// A comment of its own beside that set: people are told of it once, when it is made.
    Notice {
        repo: RepoName,
        number: u64,
    },
}

impl Target {
    pub fn repo(&self) -> &RepoName {
        match self {
            Self::Status { repo, .. } | Self::Comment { repo, .. } | Self::Notice { repo, .. } => repo,
        }
    }
}

/// `status:REPO:SHA:CONTEXT`, `comment:REPO:NUMBER` and `notice:REPO:NUMBER`: the stored form.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { repo, sha, context } => write!(f, "status:{repo}:{sha}:{context}"),
            Self::Comment { repo, number } => write!(f, "comment:{repo}:{number}"),
            Self::Notice { repo, number } => write!(f, "notice:{repo}:{number}"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not a valid target of a report: use status:REPO:SHA:CONTEXT, comment:REPO:NUMBER or notice:REPO:NUMBER"
)]
pub struct TargetError(String);

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        parse(text).ok_or_else(|| TargetError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Target> {
    let (word, rest) = text.split_once(':')?;
    let (repo, rest) = rest.split_once(':').filter(|(repo, rest)| !repo.is_empty() && !rest.is_empty())?;
    let repo = RepoName::new(repo);
    match word {
        "status" => {
            let (sha, context) = rest.split_once(':')?;
            Some(Target::Status { repo, sha: sha.parse().ok()?, context: context.to_owned() })
        }
        "notice" => Some(Target::Notice { repo, number: rest.parse().ok()? }),
        "comment" => Some(Target::Comment { repo, number: rest.parse().ok()? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_survive_the_store() -> Result<(), TargetError> {
        let status = format!("status:shop:{}:ci/drift: less", "a1".repeat(20));
        for text in [status.as_str(), "comment:shop:7", "notice:shop:7"] {
            assert_eq!(text.parse::<Target>()?.to_string(), text);
        }
        for text in ["", "status:shop:main:x", "comment::7", "comment:shop:x", "issue:shop:1"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        Ok(())
    }
}
