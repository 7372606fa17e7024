//! How a command ends.

/// What a command ends with. `preview` says 2 where there are changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Changes,
    /// What was looked at is wrong, and it was said how.
    Wrong,
}
