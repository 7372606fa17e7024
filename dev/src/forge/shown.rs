//! What tests and the page see of the forge's state.

use serde::Serialize;

/// A comment as tests and the page see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommentView {
    pub id: u64,
    pub author: String,
    pub body: String,
    /// In the dialect's own words.
    #[serde(default)]
    pub reactions: Vec<String>,
}

/// A status as tests and the page see it. The state is the dialect's own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusView {
    pub state: String,
    pub context: String,
    pub description: String,
}

/// A pull request as `driftless dev` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullView {
    pub number: u64,
    pub title: String,
    /// `open`, `merged` or `closed`.
    pub state: &'static str,
}
