//! What differs between forges apart from their API: the limits, refs and words. Each forge's folder has its own.

use std::time::Duration;

/// The facts about one kind of forge that other modules need.
#[derive(Debug)]
pub struct Flavour {
    /// The forge's word for a pull request: "pull request" or "merge request".
    pub pull_request: &'static str,
    /// Stands before its number: `#7` or `!7`.
    pub sign: char,
    /// The folder of the refs of pull requests.
    pub pull_refs: &'static str,
    /// The longest description of a commit status, in characters.
    pub description_limit: usize,
    /// The longest comment, in units of UTF-16, which is the strictest reading of "characters".
    pub comment_limit: usize,
    pub pace: WritePace,
    /// A status belongs to a place that may change while the commit stays the same, so it is checked again after a
    /// while.
    pub statuses_move: bool,
    /// False: a status that is pending stays as it was first set, with its text, until it is something else.
    pub pending_can_change: bool,
    /// False: the forge shows an error as a failure.
    pub tells_errors_apart: bool,
    pub hook: HookTerms,
}

/// How fast reports are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WritePace {
    /// Between two requests that write.
    pub between: Duration,
    pub comments: CommentLimits,
}

/// How many comments may be new or edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommentLimits {
    pub per_minute: usize,
    pub per_hour: usize,
    /// Of those in an hour: how many are kept for first comments and for what became of merges.
    pub reserved_per_hour: usize,
}

/// The forge's terms for the settings of a webhook, for who checks an installation.
#[derive(Debug)]
pub struct HookTerms {
    /// The events that Driftless needs, as [`super::HookSettings`] has them.
    pub events: &'static [&'static str],
    /// What to choose for a new webhook.
    pub to_add: &'static str,
    /// The event that only commands in comments need.
    pub comment_event: &'static str,
    /// The event that only a merge queue needs.
    pub merge_queue_event: Option<&'static str>,
    /// What the credential needs so that webhooks can be read.
    pub to_read: &'static str,
    /// How a disabled webhook is enabled.
    pub to_enable: &'static str,
}

impl Flavour {
    /// The ref under which the forge keeps the head of a pull request, whatever branch or fork it is on.
    pub fn head_ref(&self, number: u64) -> String {
        format!("refs/{}/{number}/head", self.pull_refs)
    }

    /// The ref under which the forge keeps its own test merge. It is there while the pull request can be merged, and
    /// may be of older heads.
    pub fn tested_ref(&self, number: u64) -> String {
        format!("refs/{}/{number}/merge", self.pull_refs)
    }

    /// The pull request that the message of a squash names: `Title of the pull request (#7)`.
    pub fn named_pull(&self, summary: &str) -> Option<u64> {
        let (_, name) = summary.trim_end().strip_suffix(')')?.rsplit_once('(')?;
        name.strip_prefix(self.sign)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use crate::forge::{GITHUB, GITLAB};

    #[test]
    fn a_squash_names_its_pull_request() {
        assert_eq!(GITHUB.named_pull("Scale up (#12)"), Some(12));
        assert_eq!(GITHUB.named_pull("Revert \"Scale up (#12)\" (#13)"), Some(13));
        for other in ["", "Scale up", "Scale up (#x)", "(#7) Scale up", "Merge pull request #7 from a", "Fix (!7)"] {
            assert_eq!(GITHUB.named_pull(other), None, "{other}");
        }
        // `#7` is an issue there.
        assert_eq!((GITLAB.named_pull("Fix (!7)"), GITLAB.named_pull("Fix (#7)")), (Some(7), None));
    }

    #[test]
    fn each_forge_has_refs_of_its_own() {
        assert_eq!((GITHUB.head_ref(7), GITHUB.tested_ref(7)), ("refs/pull/7/head".into(), "refs/pull/7/merge".into()));
        assert_eq!(GITLAB.head_ref(7), "refs/merge-requests/7/head");
        assert_eq!(GITLAB.tested_ref(7), "refs/merge-requests/7/merge");
    }
}
