//! One object of a preview, and how many there are of each sort.

use serde::{Deserialize, Serialize};

use crate::ids::AppId;
use crate::manifest::ObjectKey;
use crate::plan::{Action, Conflict, Highlight, RefusedBy, TakeOver, Verdict};
use crate::redact::Shown;

/// One object that differs between the sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectReport {
    pub key: ObjectKey,
    pub action: Action,
    pub verdict: Verdict,
    /// Who has rejected it, where it is rejected.
    #[serde(default)]
    pub refused_by: RefusedBy,
    /// A unified diff without a header, each line with its `+`, `-` or space.
    pub diff: Option<Shown>,
    pub origin: Option<String>,
    pub conflicts: Vec<Conflict>,
    /// Fields that change and have another value in the cluster than Git has now, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub live: Vec<String>,
    pub takes_over: Option<TakeOver>,
    /// The paths of fields that taking it over would delete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drops: Vec<String>,
    /// The app of the same repo that takes it over; it is not deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moves_to: Option<AppId>,
    /// It is to be deleted, and is not yet, as it is unknown whether another app wants it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    pub warnings: Vec<String>,
    /// What people look for first in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub highlights: Vec<Highlight>,
    pub replaces_name: Option<ObjectKey>,
    pub referrers: Vec<ObjectKey>,
}

/// How many objects of each sort; for the table, the first line and the status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub creates: usize,
    pub updates: usize,
    /// Of the updates: under a new name, with the object of the old name deleted after the sync.
    pub renames: usize,
    pub replaces: usize,
    pub deletes: usize,
    /// No longer rendered, and not deleted yet; none of the deletes.
    pub kept: usize,
    /// To another app, or from one.
    pub moves: usize,
    /// Of those above.
    pub not_validated: usize,
    /// By whomever; none of those above.
    pub rejected: usize,
    /// Those of the rejected that our configuration does not allow.
    pub not_allowed: usize,
    /// Those of the rejected that we refuse ourselves.
    pub refused: usize,
}

impl Counts {
    pub fn of(objects: &[ObjectReport]) -> Self {
        let mut counts = Self::default();
        for object in objects {
            // What the server refuses changes nothing: it is counted as that alone.
            if let Verdict::Rejected { .. } = object.verdict {
                counts.rejected += 1;
                counts.not_allowed += usize::from(object.refused_by == RefusedBy::Configuration);
                counts.refused += usize::from(object.refused_by == RefusedBy::Driftless);
                continue;
            }
            let handed_over = matches!(object.takes_over, Some(TakeOver::HandedOver { .. }));
            counts.moves += usize::from(handed_over || object.moves_to.is_some());
            match object.action {
                // Nothing but its owner changes.
                Action::Update if handed_over && object.diff.is_none() => {}
                Action::Create => counts.creates += 1,
                Action::Update => {
                    counts.updates += 1;
                    counts.renames += usize::from(object.replaces_name.is_some());
                }
                Action::Replace => counts.replaces += 1,
                Action::Prune if object.kept => counts.kept += 1,
                Action::Prune => counts.deletes += 1,
                Action::None => {}
            }
            counts.not_validated += usize::from(matches!(object.verdict, Verdict::NotValidated { .. }));
        }
        counts
    }

    /// What the cluster itself rejects.
    pub fn rejected_by_server(self) -> usize {
        self.rejected - self.not_allowed - self.refused
    }

    pub fn changes(self) -> usize {
        self.creates + self.updates + self.replaces + self.deletes + self.moves
    }
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            creates: self.creates + other.creates,
            updates: self.updates + other.updates,
            renames: self.renames + other.renames,
            replaces: self.replaces + other.replaces,
            deletes: self.deletes + other.deletes,
            kept: self.kept + other.kept,
            moves: self.moves + other.moves,
            not_validated: self.not_validated + other.not_validated,
            rejected: self.rejected + other.rejected,
            not_allowed: self.not_allowed + other.not_allowed,
            refused: self.refused + other.refused,
        }
    }
}
