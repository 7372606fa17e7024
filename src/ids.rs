//! Names that are used everywhere. Each has its own type, so that they cannot be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use driftless_webhooks::Oid;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A repo by the name that the server's configuration gives it.
    RepoName
}
name! {
    /// A cluster by the name that the server's configuration gives it.
    ClusterName
}
name! {
    /// A hook by the name that the server's configuration gives it: the last segment of its path.
    HookName
}

/// An app within one instance: the repo that defines it, and its name there. Shown and stored as `repo/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppId {
    pub repo: RepoName,
    pub name: String,
}

impl AppId {
    pub fn new(repo: &RepoName, name: impl Into<String>) -> Self {
        Self { repo: repo.clone(), name: name.into() }
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.repo, self.name)
    }
}

impl From<AppId> for String {
    fn from(id: AppId) -> Self {
        id.to_string()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an app: use REPO/NAME")]
pub struct AppIdError(String);

impl TryFrom<String> for AppId {
    type Error = AppIdError;

    fn try_from(text: String) -> Result<Self, AppIdError> {
        match text.split_once('/') {
            Some((repo, name)) if !repo.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { repo: RepoName::new(repo), name: name.to_owned() })
            }
            _ => Err(AppIdError(text)),
        }
    }
}

impl std::str::FromStr for AppId {
    type Err = AppIdError;

    fn from_str(text: &str) -> Result<Self, AppIdError> {
        Self::try_from(text.to_owned())
    }
}
