//! The trigger of a job. It is shown in the history and decides how soon the job is due, never what it does.

use serde::{Deserialize, Serialize};

use super::Key;
use crate::ids::{AppId, ClusterName};

/// More than a person wants to read, and a bound for a key that is asked for all day.
const CAUSES: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trigger {
    /// A forge told of something.
    Webhook { hook: String, delivery: String },
    /// A look at the refs and pull requests of a repo found that something moved.
    Poll,
    /// The periodic look at everything.
    Resync,
    /// A person asked for it.
    Manual(Manual),
    /// A cluster serves other kinds than when the app was rendered, or it was rendered by another release.
    Cluster { cluster: ClusterName, gained: Vec<String>, lost: Vec<String>, by: Vec<AppId> },
    /// Another job asked for it.
    Follow { key: Key },
}

/// What a person asked for, and who.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub struct Manual {
    pub by: String,
    /// Pins the app to this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The destructive changes that were shown may be made.
    #[serde(default)]
    pub allow_destructive: bool,
    /// Objects that exist without a mark may be taken over.
    #[serde(default)]
    pub adopt: bool,
    /// Ends a pause; what the app is pinned to stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unpause: bool,
    /// Ends a pin, also one that an earlier request asks for and that is not made yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resume: bool,
}

impl Trigger {
    /// Whether more of the same may follow at once, as with the pushes of a busy minute. All else is due at once.
    pub(super) fn is_debounced(&self) -> bool {
        matches!(self, Self::Webhook { .. })
    }
}

/// What is asked of the queue: to look at `key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub key: Key,
    pub cause: Trigger,
    /// The commit that is wanted, as far as the asker knows. A run that works on another one is cancelled.
    pub hint: Option<String>,
}

impl Request {
    pub fn new(key: Key, cause: Trigger) -> Self {
        Self { key, cause, hint: None }
    }

    #[must_use]
    pub fn with_hint(mut self, sha: impl Into<String>) -> Self {
        self.hint = Some(sha.into());
        self
    }
}

/// Adds the younger causes to the older ones. What a person asked for is kept, in the order in which it was asked last;
/// of the rest the first and the newest.
pub(super) fn merge(older: Vec<Trigger>, younger: Vec<Trigger>) -> Vec<Trigger> {
    let mut causes = older;
    for cause in younger {
        if matches!(cause, Trigger::Manual(_)) {
            causes.retain(|known| *known != cause);
        }
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    while causes.len() > CAUSES {
        let spare = causes.iter().skip(1).position(|cause| !matches!(cause, Trigger::Manual(_)));
        causes.remove(spare.map_or(0, |index| index + 1));
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(delivery: usize) -> Trigger {
        Trigger::Webhook { hook: "github".into(), delivery: delivery.to_string() }
    }

    #[test]
    fn the_first_the_newest_and_the_manual_causes_are_kept() {
        let manual = Trigger::Manual(Manual { by: "ada".into(), ..Manual::default() });
        let older = vec![webhook(0), manual.clone()];
        let causes = merge(older, (1..100).map(webhook).collect());
        assert_eq!(causes.len(), CAUSES);
        assert_eq!(causes[..2], [webhook(0), manual]);
        assert_eq!(causes[CAUSES - 1], webhook(99));
    }

    #[test]
    fn the_same_cause_counts_once() {
        assert_eq!(merge(vec![Trigger::Poll], vec![Trigger::Poll, Trigger::Resync]), [Trigger::Poll, Trigger::Resync]);
    }

    /// A8: who asks for the same once more asks after whatever came between.
    #[test]
    fn a_request_by_hand_that_is_repeated_is_the_newest() {
        let pin = |revision: &str| {
            Trigger::Manual(Manual { by: "ada".into(), revision: Some(revision.into()), ..Manual::default() })
        };
        let resume = Trigger::Manual(Manual { by: "ada".into(), resume: true, ..Manual::default() });
        assert_eq!(merge(vec![pin("a"), resume.clone()], vec![pin("a")]), [resume, pin("a")]);
    }

    #[test]
    fn the_stored_form() {
        let cause = Trigger::Manual(Manual { by: "ada".into(), allow_destructive: true, ..Manual::default() });
        let text = serde_json::to_string(&cause).expect("serialises");
        assert_eq!(text, r#"{"kind":"manual","by":"ada","allow_destructive":true,"adopt":false}"#);
        assert_eq!(serde_json::from_str::<Trigger>(&text).expect("parses"), cause);
    }
}
