//! A text that may be shown.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text without the values of Secrets. Only this module makes one of a text that was not known when Driftless was
/// compiled.
///
/// It is read back from the store, where it was written as what it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shown(String);

impl Shown {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One text of several, each as a line after a sign of ours.
    pub fn lines<'a>(parts: impl IntoIterator<Item = (&'static str, &'a Self)>) -> Self {
        Self(parts.into_iter().map(|(sign, part)| format!("{sign}{part}\n")).collect())
    }
}

/// What was written by us and knows no object.
impl From<&'static str> for Shown {
    fn from(text: &'static str) -> Self {
        Self(text.to_owned())
    }
}

impl AsRef<str> for Shown {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for Shown {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Shown> for String {
    fn from(text: Shown) -> Self {
        text.0
    }
}

impl PartialEq<str> for Shown {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Shown {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
