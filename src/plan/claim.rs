//! What an app may claim of an object.

use super::marks::Marks;
use crate::ids::AppId;

/// What the inventory says of an object, and whether the run may take over what it does not have.
#[derive(Clone, Copy)]
pub struct Claim<'a> {
    pub marks: &'a Marks,
    /// The uid of the object that the last apply left.
    pub uid: Option<&'a str>,
    /// The manifest's hash of the last apply.
    pub applied_hash: Option<&'a str>,
    pub adopt: bool,
    /// Whoever asks reads with the cluster's own rights: what is live may be shown, whosever it is.
    pub reveals: bool,
    /// The app of the same repo that has the object until now, where it is known to let it go.
    pub handed_over_by: Option<&'a AppId>,
}
