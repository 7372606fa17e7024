//! The degrees of health, and their words.

/// Whether an object is what its spec asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    Healthy,
    /// It stands still because its spec says so.
    Suspended(String),
    /// Nobody has said anything about it that we understand.
    Unknown(String),
    Progressing(String),
    /// Something is wrong, and may still become right.
    Degraded(String),
    /// It will not get better by waiting.
    Failed(String),
    /// It is being deleted.
    Terminating(String),
}

impl Health {
    /// Whether there is nothing to wait for.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Healthy | Self::Suspended(_) | Self::Unknown(_))
    }

    /// Higher is worse: what a message should name first.
    pub fn badness(&self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Unknown(_) => 1,
            Self::Progressing(_) => 2,
            Self::Suspended(_) => 3,
            Self::Terminating(_) => 4,
            Self::Degraded(_) => 5,
            Self::Failed(_) => 6,
        }
    }

    /// The public word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Suspended(_) => "suspended",
            Self::Unknown(_) => "unknown",
            Self::Progressing(_) | Self::Terminating(_) => "progressing",
            Self::Degraded(_) | Self::Failed(_) => "degraded",
        }
    }

    /// What is the matter, in words.
    pub fn message(&self) -> &str {
        match self {
            Self::Healthy => "is as it should be",
            Self::Suspended(message)
            | Self::Unknown(message)
            | Self::Progressing(message)
            | Self::Degraded(message)
            | Self::Failed(message)
            | Self::Terminating(message) => message,
        }
    }
}
