//! What is known about one object before its change is decided.

use serde_json::Value;

use crate::class::{Class, Classified as _};
use crate::cluster::ClusterError;
use crate::plan::{self, DryRun, PreparedObject, Verdict};

/// What is live of an object, and what the server said to a dry-run of its manifest.
pub(super) struct Facts {
    pub(super) live: Option<Value>,
    /// It is there as the last apply left it, and was not read.
    pub(super) as_applied: bool,
    pub(super) asked: DryRun,
    /// What was asked about in place of the manifest, where some of its fields are left to others.
    pub(super) sent: Option<Box<PreparedObject>>,
}

impl Facts {
    /// Whether both were taken of the same version of the object: a dry-run answers with the version that it started
    /// from.
    pub(super) fn agree(&self) -> bool {
        self.as_applied
            || self.asked.replaces.is_some()
            || self.asked.result.as_ref().is_none_or(|result| version(Some(result)) == self.version())
    }

    /// What the answer to a dry-run alone tells, if it does: its version is that of the object as it is, and one that
    /// would be made has none.
    pub(super) fn by_answer(asked: DryRun, left: Option<&str>, wanted: &PreparedObject) -> Result<Self, Box<DryRun>> {
        match (version(asked.result.as_ref()), left) {
            _ if asked.result.is_none() || asked.replaces.is_some() => Err(Box::new(asked)),
            // What was ours before is known by what is live.
            _ if asked.result.as_ref().is_some_and(|after| plan::may_stay(after, wanted)) => Err(Box::new(asked)),
            (None, _) => Ok(Self { live: None, as_applied: false, asked, sent: None }),
            (Some(found), Some(left)) if found == left => Ok(Self { live: None, as_applied: true, asked, sent: None }),
            _ => Err(Box::new(asked)),
        }
    }

    /// Whether the object is there and could not be read.
    pub(super) fn is_unread(&self) -> bool {
        self.as_applied && self.asked.result.is_none()
    }

    pub(super) fn version(&self) -> Option<&str> {
        version(self.live.as_ref())
    }
}

/// What is live, or nothing where it can not be read for the reason for which the object is rejected: a name that is
/// none, a kind that we may not touch. The other objects of the plan are not at fault for that.
pub(super) fn unless_rejected(
    asked: &DryRun,
    live: Result<Option<Value>, ClusterError>,
) -> Result<Option<Value>, ClusterError> {
    match live {
        Err(error) if error.class() == Class::Fail && matches!(asked.verdict, Verdict::Rejected { .. }) => Ok(None),
        live => live,
    }
}

fn version(object: Option<&Value>) -> Option<&str> {
    object?.pointer("/metadata/resourceVersion")?.as_str().filter(|version| !version.is_empty())
}
