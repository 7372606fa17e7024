//! The result of the dry run of one manifest.

use serde_json::Value;

use super::change::{Conflict, Verdict};
use super::taken::Taken;

/// What the server said to a dry-run of one manifest.
#[derive(Clone)]
pub struct DryRun {
    pub verdict: Verdict,
    /// The object as it would be. None where it was refused or could not be asked.
    pub result: Option<Value>,
    pub conflicts: Vec<Conflict>,
    /// What of others is taken over, as it was ours under another name, and the object as it would be with that.
    pub takes: Option<Box<(Taken, Value)>>,
    pub warnings: Vec<String>,
    /// The refusal to change a field that can not change, where the manifest asks to be replaced then. All else is
    /// about the new object.
    pub replaces: Option<Verdict>,
}

impl DryRun {
    pub fn without_result(verdict: Verdict) -> Self {
        Self { verdict, result: None, conflicts: Vec::new(), takes: None, warnings: Vec::new(), replaces: None }
    }
}
