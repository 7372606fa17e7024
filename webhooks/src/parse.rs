//! What it says: from verified bytes to an event.

use crate::event::Delivery;
use crate::rejection::Rejection;
use crate::verify::{Dialect, Encoding, Verified};
use crate::{form, github, gitlab};

#[cfg(test)]
mod tests;

/// Reads a verified delivery. It is refused (`Malformed`, rarely `Unsupported`) if a field that its event needs is
/// missing or makes no sense; an event that is not used, and any field that is not used, is no reason to refuse it.
pub fn parse(verified: Verified<'_>) -> Result<Delivery, Rejection> {
    let event = match verified.dialect {
        Dialect::GitHub { event, encoding: Encoding::Json } => github::event(&event, verified.body)?,
        Dialect::GitHub { event, encoding: Encoding::Form } => github::event(&event, &form::payload(verified.body)?)?,
        Dialect::GitLab => gitlab::event(verified.body)?,
    };
    Ok(Delivery { id: verified.id, event })
}
