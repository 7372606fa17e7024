//! The stored forms of what a forge should show, and of what it shows.

use super::comment::Remote;
use crate::forge::NewStatus;
use crate::store::stored::Stored;

const REMEDY: &str = "It is not sent; the next preview or sync writes it again";

/// A status, and what a gate says.
pub(super) const STATUS: Stored<NewStatus> = Stored::new("reports.wanted", 1, REMEDY);

/// The parts of a comment.
pub(super) const COMMENT: Stored<Vec<String>> = Stored::new("reports.wanted", 1, REMEDY);

/// What is known of a comment at the forge.
pub(super) const REMOTE: Stored<Remote> = Stored::new("reports.remote", 1, "The forge is asked again");
