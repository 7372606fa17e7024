//! What a webhook tells of, and what it is written from.

use secrecy::SecretString;

use super::record::{Moved, PullChange, Repo};
use super::view::View;

#[derive(Clone, Copy)]
pub(super) enum Occasion<'a> {
    /// The hook was made.
    Hooked,
    Pushed(&'a Moved),
    /// The pull request of this number.
    Changed(u64, &'a PullChange),
    /// The comment with this id.
    Noted(u64),
}

/// Of what, for whom, and by which secret.
pub(super) struct Sender<'a> {
    pub view: &'a View,
    pub repo: &'a Repo,
    pub url: &'a str,
    pub secret: &'a SecretString,
    pub now: jiff::Timestamp,
}
