//! How a run ends successfully.

/// How a run ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    Done,
    /// Done, and what was found may become another thing without anybody telling of it: the next resync looks once
    /// more. Nothing failed.
    LookAgain,
}
