//! Why a delivery is refused, in words that may be sent back.

use std::fmt;

/// A delivery that is refused.
///
/// The message names what is wrong and where, and what to do about it. It quotes neither secrets nor signatures nor
/// values of the payload, so it may be logged and sent back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    pub kind: RejectionKind,
    pub message: String,
}

/// The sort of refusal, for the status code and for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// Nothing in the request proves who sent it.
    Unsigned,
    /// There is a proof, and it is wrong or ambiguous.
    BadSignature,
    /// The proof is right and too old, or from the future.
    Stale,
    /// The request is authentic or could not be tested, and is encoded in a way that is not read here.
    Unsupported,
    /// The request is authentic and makes no sense.
    Malformed,
}

impl RejectionKind {
    /// The HTTP status to answer with: 401 if the sender did not prove who it is, else 400.
    pub fn status(self) -> u16 {
        match self {
            Self::Unsigned | Self::BadSignature | Self::Stale => 401,
            Self::Unsupported | Self::Malformed => 400,
        }
    }

    /// One word, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::BadSignature => "bad_signature",
            Self::Stale => "stale",
            Self::Unsupported => "unsupported",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for RejectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Rejection {
    fn new(kind: RejectionKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn unsigned(message: impl Into<String>) -> Self {
        Self::new(RejectionKind::Unsigned, message)
    }

    pub(crate) fn bad_signature(message: impl Into<String>) -> Self {
        Self::new(RejectionKind::BadSignature, message)
    }

    pub(crate) fn stale(message: impl Into<String>) -> Self {
        Self::new(RejectionKind::Stale, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(RejectionKind::Unsupported, message)
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(RejectionKind::Malformed, message)
    }
}
