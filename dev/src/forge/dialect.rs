//! Which forge is spoken.

/// The forge whose API, webhooks and refs the embedded forge has. What is behind them is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    #[default]
    GitHub,
    GitLab,
}

impl Dialect {
    /// Where the API begins.
    pub(super) fn api(self) -> &'static str {
        match self {
            Self::GitHub => "/api/v3",
            Self::GitLab => "/api/v4",
        }
    }

    /// The ref that holds the head of a pull request.
    pub(super) fn head_ref(self, number: u64) -> String {
        match self {
            Self::GitHub => format!("refs/pull/{number}/head"),
            Self::GitLab => format!("refs/merge-requests/{number}/head"),
        }
    }
}
