//! A command of a comment, and what came of it.

use jiff::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// When its comment was written.
    pub at: Timestamp,
    pub who: String,
    /// As it was written, without `/driftless`.
    pub command: String,
    pub came_to: CameTo,
    /// Markdown; a stranger's words in it are code.
    pub answer: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameTo {
    Done,
    /// Its author may not do it, or it cannot be done as things stand.
    Refused,
    /// It is no command.
    Mistaken,
}
