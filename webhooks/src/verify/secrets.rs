//! Several secrets at once, for the time in which one takes another's place.

use crate::Secret;

/// Whether any secret passes. All are tried, so that the time does not tell which one did.
pub(super) fn any(secrets: &[&Secret], passes: impl Fn(&Secret) -> bool) -> bool {
    secrets.iter().fold(false, |passed, secret| passed | passes(secret))
}
