//! The id of a Git object, checked once where it enters.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The id of a Git object: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits, never all zeros.
///
/// Forges write zeros where there is no object; here that is `None` (see [`Oid::or_none`]), so that no code can
/// mistake "no commit" for a commit. Serialised as a string.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Oid(Box<str>);

/// Why a text is not the id of a Git object. The text itself is not repeated, as it may be long or hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OidError {
    #[error("a Git object id has 40 or 64 hex digits, this has {0} characters")]
    Length(usize),
    #[error("a Git object id is written in the digits 0-9 and a-f alone")]
    Digit,
    #[error("an object id of zeros names no object")]
    Zeros,
}

impl Oid {
    /// The hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first ten digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }

    /// Reads an id where zeros say that there is none, as in the `before` of a branch that was just made.
    pub fn or_none(text: &str) -> Result<Option<Self>, OidError> {
        match text.parse() {
            Ok(oid) => Ok(Some(oid)),
            Err(OidError::Zeros) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl FromStr for Oid {
    type Err = OidError;

    fn from_str(text: &str) -> Result<Self, OidError> {
        if !matches!(text.len(), 40 | 64) {
            return Err(OidError::Length(text.chars().count()));
        }
        if !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(OidError::Digit);
        }
        if text.bytes().all(|b| b == b'0') {
            return Err(OidError::Zeros);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for Oid {
    type Error = OidError;

    fn try_from(text: String) -> Result<Self, OidError> {
        text.parse()
    }
}

impl From<Oid> for String {
    fn from(oid: Oid) -> Self {
        oid.0.into()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hash_lengths_are_ids() {
        for length in [40, 64] {
            let text = "0a".repeat(length / 2);
            let oid: Oid = text.parse().expect("hex of a known length");
            assert_eq!(oid.to_string(), text);
            assert_eq!(oid.short(), "0a0a0a0a0a");
        }
    }

    #[test]
    fn zeros_are_none_and_not_an_id() {
        let zeros = "0".repeat(40);
        assert_eq!(zeros.parse::<Oid>(), Err(OidError::Zeros));
        assert_eq!(Oid::or_none(&zeros), Ok(None));
        assert_eq!(Oid::or_none(&"0".repeat(64)), Ok(None));
        assert_eq!(Oid::or_none(&"0".repeat(41)), Err(OidError::Length(41)));
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!("".parse::<Oid>(), Err(OidError::Length(0)));
        assert_eq!("main".parse::<Oid>(), Err(OidError::Length(4)));
        assert_eq!("A".repeat(40).parse::<Oid>(), Err(OidError::Digit));
        assert_eq!("g".repeat(40).parse::<Oid>(), Err(OidError::Digit));
        assert_eq!("é".repeat(20).parse::<Oid>(), Err(OidError::Digit));
    }

    #[test]
    fn serialised_as_a_string_and_checked_when_read() {
        let text = format!("\"{}\"", "1f".repeat(20));
        let oid: Oid = serde_json::from_str(&text).expect("a valid id");
        assert_eq!(serde_json::to_string(&oid).expect("a string"), text);
        assert!(serde_json::from_str::<Oid>("\"HEAD\"").is_err());
    }
}
