//! The closed list of commands.

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Makes the preview again.
    Preview,
    /// Syncs apps now.
    Sync,
    /// Agrees to the deletions and replacements that the preview shows.
    Approve,
    /// Takes an approval back.
    Unapprove,
    Pause,
    /// Ends a pause; where there is none, a pin.
    Resume,
    Help,
}

impl Verb {
    pub const ALL: [Self; 7] =
        [Self::Preview, Self::Sync, Self::Approve, Self::Unapprove, Self::Pause, Self::Resume, Self::Help];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Preview => "preview",
            Self::Sync => "sync",
            Self::Approve => "approve",
            Self::Unapprove => "unapprove",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Help => "help",
        }
    }

    /// What it takes, and what it does, for the help.
    pub const fn usage(self) -> (&'static str, &'static str) {
        match self {
            Self::Preview => ("preview", "makes the preview again"),
            Self::Sync => ("sync [APP…]", "syncs the apps of this pull request, or these apps, now"),
            Self::Approve => ("approve [APP…]", "approves the deletions and replacements that are shown"),
            Self::Unapprove => ("unapprove [APP…]", "takes an approval back"),
            Self::Pause => ("pause [APP…] [2h] [REASON]", "pauses the apps, until `resume` or for a time"),
            Self::Resume => ("resume [APP…]", "ends a pause; of an app that is not paused, its pin"),
            Self::Help => ("help", "lists these commands"),
        }
    }
}
