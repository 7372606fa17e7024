//! GitHub's limits and words.

use std::time::Duration;

use crate::forge::flavour::{CommentLimits, Flavour, HookTerms, WritePace};

pub static GITHUB: Flavour = Flavour {
    pull_request: "pull request",
    sign: '#',
    pull_refs: "pull",
    // REST description: create a commit status.
    description_limit: 140,
    // GitHub speaks of 65,536 characters and takes 262,144 bytes. So many units of UTF-16 have at most three bytes
    // each, so both limits are kept.
    comment_limit: 65_536,
    // Best practices: one second between writes. Secondary rate limits: 80 in a minute and 500 in an hour.
    pace: WritePace {
        between: Duration::from_secs(1),
        comments: CommentLimits { per_minute: 80, per_hour: 500, reserved_per_hour: 200 },
    },
    statuses_move: false,
    pending_can_change: true,
    tells_errors_apart: true,
    hook: HookTerms {
        events: &["push", "pull_request"],
        to_add: "content type application/json, events push, pull_request and issue_comment",
        comment_event: "issue_comment",
        merge_queue_event: Some("merge_group"),
        to_read: "grant the scope read:repo_hook, or Webhooks: read",
        to_enable: "tick Active in its settings",
    },
};
