//! A command as it was given.

use jiff::SignedDuration;

use super::verb::Verb;
use crate::ids::{AppId, RepoName};

/// What a line begins with that is a command.
pub const NAME: &str = "/driftless";

/// So many lines of one comment are carried out.
pub const MOST_LINES: usize = 10;

/// The longest pause that ends by itself.
pub const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The longest reason of a pause, in characters.
pub const REASON: usize = 200;

/// A command that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub verb: Verb,
    /// Those that it names; empty: those of the pull request.
    pub apps: Vec<AppId>,
    pub pause: Pause,
}

/// What is said of a pause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pause {
    /// None: until somebody resumes the app.
    pub lasts: Option<SignedDuration>,
    pub reason: Option<String>,
}

/// The apps that a command can name: those of the repo that it is given in.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub repo: &'a RepoName,
    pub apps: &'a [AppId],
}
