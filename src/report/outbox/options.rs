//! The pace of reports.

use std::time::Duration;

/// How often something is tried that the forge says is wrong, or does not know: a commit that was just pushed may be
/// unknown for a moment, and a repository is hidden while a permission is being changed. With the pauses between them
/// it is about a quarter of an hour.
pub(super) const TRIES_IF_REJECTED: i64 = 10;

#[derive(Debug, Clone)]
pub struct OutboxOptions {
    /// Tells our comments from those of another instance.
    pub instance: String,
    /// Between two requests that write (GitHub: best practices, one second).
    pub between_writes: Duration,
    /// New or edited comments in a minute and in an hour (GitHub: secondary rate limits, 80 and 500).
    pub comments_per_minute: usize,
    pub comments_per_hour: usize,
    /// Of those in an hour: how many are kept for first comments and for what became of merges.
    pub reserved_per_hour: usize,
    /// How long a gate waits quietly for its comment before it says that it does.
    pub comment_grace: Duration,
    pub first_retry: Duration,
    pub last_retry: Duration,
    /// After a lost answer, how much later the list is looked at once more, as forges read from copies that lag behind.
    pub look_again: Duration,
}

impl OutboxOptions {
    pub fn new(instance: impl Into<String>) -> Self {
        Self {
            instance: instance.into(),
            between_writes: Duration::from_secs(1),
            comments_per_minute: 80,
            comments_per_hour: 500,
            reserved_per_hour: 200,
            comment_grace: Duration::from_secs(3),
            first_retry: Duration::from_secs(1),
            last_retry: Duration::from_mins(5),
            look_again: Duration::from_secs(30),
        }
    }
}
