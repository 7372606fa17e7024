//! The stored forms of what is told on pull requests.

use super::preview::{AppEnd, PreviewReport};
use crate::store::stored::Stored;

/// What the comment of a pull request shows.
pub const REPORT: Stored<PreviewReport> =
    Stored::new("pulls.report", 1, "The next preview of the pull request writes it again");

/// How a sync ended.
pub const END: Stored<AppEnd> = Stored::new("app_ends.ended", 1, "The next sync of the app writes another one");

/// What a merged pull request tells of an app.
pub const EVENT: Stored<AppEnd> =
    Stored::new("outcome_events.ended", 1, "The comment of the pull request leaves it out");
