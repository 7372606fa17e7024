//! The pace of reports.

use std::time::Duration;

use crate::forge::{CommentLimits, WritePace};

/// How often something is tried that the forge says is wrong, or does not know: a commit that was just pushed may be
/// unknown for a moment, and a repository is hidden while a permission is being changed. With the pauses between them
/// it is about a quarter of an hour.
pub(super) const TRIES_IF_REJECTED: i64 = 10;

#[derive(Debug, Clone)]
pub struct OutboxOptions {
    /// Tells our comments from those of another instance.
    pub instance: String,
    /// Between two requests that write, and the limits on comments. None: as the forge asks for.
    pub between_writes: Option<Duration>,
    pub comments: Option<CommentLimits>,
    /// How long a gate waits quietly for its comment before it says that it does.
    pub comment_grace: Duration,
    pub first_retry: Duration,
    pub last_retry: Duration,
    /// After a lost answer, how much later the list is looked at once more, as forges read from copies that lag behind.
    pub look_again: Duration,
    /// How much later a status is checked, at a forge whose statuses can lose their place.
    pub check_status: Duration,
}

impl OutboxOptions {
    /// The pace at a forge, with what is set apart from it.
    pub(super) fn pace(&self, forge: &WritePace) -> WritePace {
        let between = self.between_writes.unwrap_or(forge.between);
        WritePace { between, comments: self.comments.unwrap_or(forge.comments) }
    }

    pub fn new(instance: impl Into<String>) -> Self {
        Self {
            instance: instance.into(),
            between_writes: None,
            comments: None,
            comment_grace: Duration::from_secs(3),
            first_retry: Duration::from_secs(1),
            last_retry: Duration::from_mins(5),
            look_again: Duration::from_secs(30),
            check_status: Duration::from_secs(10),
        }
    }
}
