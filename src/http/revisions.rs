//! Resolves the revision that a person requested, before a sync to it is promised. The implementation is passed in,
//! because this module does not use Git.

use async_trait::async_trait;

use crate::app::Source;
use crate::ids::Oid;

#[async_trait]
pub trait Revisions: Send + Sync {
    async fn find(&self, source: &Source, revision: &str) -> Result<Oid, RevisionError>;

    /// Whether a commit is in the history of the source's ref.
    async fn is_on_ref(&self, source: &Source, commit: &Oid) -> Result<bool, RevisionError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevisionError {
    /// There is no such commit, or there are several.
    Unknown(String),
    /// It could not be found out now.
    Unavailable(String),
}
