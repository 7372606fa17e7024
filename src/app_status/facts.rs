//! What is known of an app, and how it can stand.

use super::removal::Removal;
use crate::ids::Oid;
use crate::manifest::ObjectKey;
use crate::store::apps::AppRow;
use crate::store::runs::RunRow;

/// What is known of an app.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub row: &'a AppRow,
    /// Where its ref was last seen.
    pub head: Option<&'a Oid>,
    /// Its newest run.
    pub last: Option<&'a RunRow>,
    /// The deadline of what it waits for, in milliseconds since 1970.
    pub waits_until: Option<i64>,
    /// What needs confirmation, in words.
    pub held: Option<&'a str>,
    /// How many deletions were confirmed and are still to come.
    pub confirmed: usize,
    /// What it has left behind on other clusters, in words.
    pub kept: Option<&'a str>,
    /// How many objects it has in the cluster where it is.
    pub objects: usize,
    /// What is left of it, should its definition be removed.
    pub removal: &'a Removal,
    /// What was deleted to be made again, and is not there.
    pub missing: &'a [ObjectKey],
    /// Work on it, or on the ref that it follows, that fails and is tried again.
    pub retried: Option<&'a Retried>,
}

/// Work that fails and is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    pub of: Of,
    /// In milliseconds since 1970.
    pub since: i64,
    pub error: String,
    /// It has failed for good, until the next look.
    pub is_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// The app's own sync.
    Sync,
    /// The look at its ref, or at the branch that defines it: what Git says by now is not known.
    Ref,
    /// The look for what no webhook told.
    Poll,
    /// The look at its cluster.
    Cluster,
}

/// The state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The cluster has what Git says.
    Synced,
    /// It has not, and nothing is done about that by itself.
    OutOfSync,
    /// A sync is due or under way.
    Pending,
    /// The last sync failed. It stays so while it is tried again.
    Failed,
    /// For health, for deletions, or for confirmation.
    Waiting,
    /// Its definition or ref is not there.
    Missing,
    /// Its definition cannot be read, or is not allowed.
    Invalid,
    Removed,
    Paused,
    Pinned,
    /// `sync: never`.
    Never,
}

impl State {
    /// Each of them, as `driftless apps` and the metrics name it.
    pub const ALL: [Self; 11] = [
        Self::Synced,
        Self::OutOfSync,
        Self::Pending,
        Self::Failed,
        Self::Waiting,
        Self::Missing,
        Self::Invalid,
        Self::Removed,
        Self::Paused,
        Self::Pinned,
        Self::Never,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::OutOfSync => "out-of-sync",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Removed => "removed",
            Self::Paused => "paused",
            Self::Pinned => "pinned",
            Self::Never => "never",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppStatus {
    pub state: State,
    /// What a person should know beside it, and what to do.
    pub message: Option<String>,
}
