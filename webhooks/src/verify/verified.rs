//! A delivery of which it is proven who sent it.

use std::fmt;

use crate::event::DeliveryId;

/// The sort of forge, as the configuration of the hook names it. Headers don't decide: Gitea also sends GitHub's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Forge {
    GitHub,
    GitLab,
}

impl fmt::Display for Forge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
        })
    }
}

/// A delivery that its forge has sent. Nothing but [`crate::verify`] makes one.
#[derive(Debug, Clone)]
pub struct Verified<'b> {
    pub(crate) id: DeliveryId,
    pub(crate) dialect: Dialect,
    pub(crate) body: &'b [u8],
}

/// How the body is to be read.
#[derive(Debug, Clone)]
pub(crate) enum Dialect {
    /// What the header calls the event says what the body holds.
    GitHub { event: String, encoding: Encoding },
    /// The body itself says it.
    GitLab,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Form,
}

impl Verified<'_> {
    /// For deduplication before anything is parsed.
    pub fn id(&self) -> &DeliveryId {
        &self.id
    }

    pub fn forge(&self) -> Forge {
        match self.dialect {
            Dialect::GitHub { .. } => Forge::GitHub,
            Dialect::GitLab => Forge::GitLab,
        }
    }
}
