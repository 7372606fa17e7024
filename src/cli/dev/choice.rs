//! Which forge `driftless dev` runs on.

use clap::ValueEnum;

use crate::dev::forge::Dialect;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum ForgeChoice {
    #[default]
    #[value(name = "github")]
    GitHub,
    #[value(name = "gitlab")]
    GitLab,
}

impl ForgeChoice {
    pub(super) fn dialect(self) -> Dialect {
        match self {
            Self::GitHub => Dialect::GitHub,
            Self::GitLab => Dialect::GitLab,
        }
    }

    /// Its name in a configuration.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
        }
    }

    /// Its word for a pull request.
    pub(super) fn pull_request(self) -> &'static str {
        match self {
            Self::GitHub => "pull request",
            Self::GitLab => "merge request",
        }
    }
}
