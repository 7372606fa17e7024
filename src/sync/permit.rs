//! Permits to write. Each change of the cluster needs a [`Writing`], which is granted for one stage at a time: a
//! superseded run gets none, and a stage that has begun is completed.

use super::error::SyncError;

/// What keeps a run from being stopped while it lives.
type Guard = Box<dyn Send + Sync>;

/// Asks, before each stage, whether the run is still wanted.
#[derive(Clone, Copy)]
pub struct Permits<'a>(&'a (dyn Fn() -> Option<Guard> + Send + Sync));

/// A stage that may write. While it lives, nothing newer stops the run.
#[must_use = "the run can be stopped as soon as this is dropped"]
pub struct Writing(#[expect(dead_code, reason = "kept for its Drop")] Guard);

impl<'a> Permits<'a> {
    /// `ask` gives None once the run is no longer wanted.
    pub fn new(ask: &'a (dyn Fn() -> Option<Guard> + Send + Sync)) -> Self {
        Self(ask)
    }

    /// Begins a stage, or ends the run before it.
    pub fn begin(self) -> Result<Writing, SyncError> {
        (self.0)().map(Writing).ok_or(SyncError::Cancelled)
    }
}
