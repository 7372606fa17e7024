//! GitLab's limits and words.

use std::time::Duration;

use crate::forge::flavour::{CommentLimits, Flavour, HookTerms, WritePace};

pub static GITLAB: Flavour = Flavour {
    pull_request: "merge request",
    sign: '!',
    pull_refs: "merge-requests",
    description_limit: 255,
    // GitLab takes about 1,000,000 characters. A quarter of them is shown without a noticeable delay.
    comment_limit: 262_144,
    // gitlab.com allows 60 notes in a minute, a self-managed GitLab 300 unless it is configured otherwise; neither says
    // so in a header. There is no limit for an hour, so this one only follows from the other.
    pace: WritePace {
        between: Duration::from_millis(200),
        comments: CommentLimits { per_minute: 50, per_hour: 2_000, reserved_per_hour: 500 },
    },
    // A merge request pipeline that starts after a status was set takes its place.
    statuses_move: true,
    pending_can_change: false,
    tells_errors_apart: false,
    hook: HookTerms {
        events: &["push events", "merge request events"],
        to_add: "triggers push events, merge request events and comments",
        comment_event: "comments",
        merge_queue_event: None,
        to_read: "give the token's user the role Maintainer",
        to_enable: "correct what its recent deliveries show, and send a test event",
    },
};
