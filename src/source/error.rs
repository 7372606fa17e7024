//! The errors of fetches and mirrors, and their classes.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::class::{Class, Classified};
use crate::ids::{Oid, RepoName};

/// A cause that came out of Git, kept whole for the log.
pub type Cause = Box<dyn Error + Send + Sync>;

/// No message of these holds a credential: URLs with user names are refused before they reach anything.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("the clone URL of repo {repo} cannot be used: {reason}")]
    Url { repo: RepoName, reason: String },

    /// The name is shown escaped and shortened, as it may come from a delivery.
    #[error("repo {repo}: {name} is not a ref that can be fetched: {reason}")]
    Ref { repo: RepoName, name: String, reason: String },

    #[error("the name of repo {repo:?} is too long for a directory: at most 80 bytes")]
    Name { repo: String },

    /// Tokens rotate and are read anew at each try, so this is tried again.
    #[error(
        "the forge denies access to repo {repo} ({status}): check that the credential is valid and may read this \
         repository"
    )]
    Unauthenticated { repo: RepoName, status: u16 },

    #[error(
        "the forge has no repo {repo}, or the credential may not read it ({status}): check the clone URL and the \
         credential"
    )]
    NotFound { repo: RepoName, status: u16 },

    #[error("the forge answered {status} when asked for repo {repo}")]
    Status { repo: RepoName, status: u16, after: Option<Duration> },

    #[error("the forge redirects repo {repo} to another place; change its clone URL to {to}")]
    Redirected { repo: RepoName, to: String },

    #[error("the connection to the forge of repo {repo} failed")]
    Network {
        repo: RepoName,
        #[source]
        source: Cause,
    },

    #[error(
        "the forge of repo {repo} does not answer in Git's protocol: check the clone URL, and any proxy in between"
    )]
    Protocol {
        repo: RepoName,
        #[source]
        source: Cause,
    },

    #[error("the forge of repo {repo} was too slow: {limit}")]
    TimedOut { repo: RepoName, limit: String },

    #[error("repo {repo} sent more than {limit} bytes at once, which is the configured limit of a pack")]
    TooLarge { repo: RepoName, limit: u64 },

    #[error(
        "repo {repo} holds an object of more than {limit} bytes, or more objects than fit in that much memory; nothing \
         of it was fetched. \
         Take the large file out of the branch's history."
    )]
    ObjectTooLarge { repo: RepoName, limit: u64 },

    #[error(
        "repo {repo} uses SHA-256 object names, which are not supported. Use a repository with SHA-1 object names."
    )]
    Sha256 { repo: RepoName },

    /// Whatever changes a mirror does so alone.
    #[error(
        "work on repo {repo} did not begin within {seconds} s, because it waited for another fetch of the repo, or \
         for the compaction of its mirror. Driftless retries; if this lasts, check how fast the forge answers"
    )]
    Busy { repo: RepoName, seconds: u64 },

    #[error("repo {repo} has not been fetched yet")]
    NotMirrored { repo: RepoName },

    #[error("commit {commit} of repo {repo} was not found: it has not been fetched, or the forge does not have it yet")]
    NoCommit { repo: RepoName, commit: Oid },

    #[error("{ref_name} of repo {repo} names no commit")]
    NotACommit { repo: RepoName, ref_name: String },

    #[error("commits {} and {} of repo {repo} share no history and cannot be merged", base.short(), head.short())]
    Unrelated { repo: RepoName, base: Oid, head: Oid },

    #[error(
        "merging needs `git` 2.38 or later, which cannot be used: {reason}. Install it where Driftless runs; its image \
         has it."
    )]
    NoGit { reason: String },

    #[error("merging two commits of repo {repo} took longer than {seconds} s")]
    MergeTimedOut { repo: RepoName, seconds: u64 },

    #[error("the mirror of repo {repo} failed: {what}")]
    Git {
        repo: RepoName,
        what: &'static str,
        #[source]
        source: Cause,
    },

    #[error("the mirror of repo {repo} failed: {what}")]
    Io {
        repo: RepoName,
        what: &'static str,
        #[source]
        source: io::Error,
    },

    #[error("the client for Git over HTTPS cannot be built: {reason}")]
    Client { reason: String },

    #[error("work on repo {repo} was cancelled")]
    Cancelled { repo: RepoName },
}

impl Classified for SourceError {
    fn class(&self) -> Class {
        match self {
            Self::Url { .. }
            | Self::Ref { .. }
            | Self::Name { .. }
            | Self::TooLarge { .. }
            | Self::ObjectTooLarge { .. }
            | Self::Sha256 { .. }
            | Self::NotACommit { .. }
            | Self::Unrelated { .. }
            | Self::Client { .. } => Class::Fail,
            Self::Cancelled { .. } => Class::Cancelled,
            Self::Status { after, .. } => Class::Retry { after: *after },
            Self::Unauthenticated { .. }
            | Self::NotFound { .. }
            | Self::Redirected { .. }
            | Self::Network { .. }
            | Self::Protocol { .. }
            | Self::TimedOut { .. }
            | Self::MergeTimedOut { .. }
            | Self::Busy { .. }
            | Self::NoGit { .. }
            | Self::NotMirrored { .. }
            | Self::NoCommit { .. }
            | Self::Git { .. }
            | Self::Io { .. } => Class::RETRY,
        }
    }
}

impl SourceError {
    pub(super) fn git(repo: &RepoName, what: &'static str, source: impl Into<Cause>) -> Self {
        Self::Git { repo: repo.clone(), what, source: source.into() }
    }

    pub(super) fn io(repo: &RepoName, what: &'static str, source: io::Error) -> Self {
        Self::Io { repo: repo.clone(), what, source }
    }

    /// Whether the forge may be another one than it was when it greeted us.
    pub(super) fn blames_handshake(&self) -> bool {
        match self {
            Self::Unauthenticated { .. }
            | Self::NotFound { .. }
            | Self::Redirected { .. }
            | Self::Protocol { .. }
            | Self::Git { .. } => true,
            Self::Status { status, .. } => *status < 500 && *status != 429,
            _ => false,
        }
    }

    /// Whether a fresh mirror might do what this one could not.
    pub(super) fn blames_mirror(&self) -> bool {
        matches!(self, Self::Git { .. })
    }
}

/// An error with all its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read() {
        let repo = RepoName::new("shop");
        let oid = |digit: &str| digit.repeat(40).parse::<Oid>().expect("an id");
        let (base, head) = (oid("a"), oid("b"));
        let errors = [
            SourceError::Unauthenticated { repo: repo.clone(), status: 401 },
            SourceError::NotFound { repo: repo.clone(), status: 404 },
            SourceError::Status { repo: repo.clone(), status: 503, after: None },
            SourceError::Redirected { repo: repo.clone(), to: "https://forge.example/moved.git".to_owned() },
            SourceError::Protocol { repo: repo.clone(), source: "a page".into() },
            SourceError::TimedOut { repo: repo.clone(), limit: "no data arrived for 30 s".to_owned() },
            SourceError::TooLarge { repo: repo.clone(), limit: 1024 },
            SourceError::ObjectTooLarge { repo: repo.clone(), limit: 1024 },
            SourceError::Sha256 { repo: repo.clone() },
            SourceError::Busy { repo: repo.clone(), seconds: 120 },
            SourceError::NotMirrored { repo: repo.clone() },
            SourceError::NoCommit { repo: repo.clone(), commit: base.clone() },
            SourceError::NotACommit { repo: repo.clone(), ref_name: "\"refs/tags/blob\"".to_owned() },
            SourceError::Unrelated { repo: repo.clone(), base, head },
            SourceError::MergeTimedOut { repo: repo.clone(), seconds: 120 },
            SourceError::NoGit { reason: "git was not found".to_owned() },
            SourceError::Cancelled { repo },
        ];
        let texts: Vec<_> = errors.iter().map(|error| format!("{:?}: {error}", error.class())).collect();
        insta::assert_snapshot!(texts.join("\n"));
    }
}
