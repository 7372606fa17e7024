//! Ownership: an object belongs to one app, moves between apps of one repo, and is deleted by no other app.

pub(in crate::jobs) mod claims;
pub(in crate::jobs) mod handover;
pub(in crate::jobs) mod left;
pub(in crate::jobs) mod releasing;
pub(in crate::jobs) mod settle;
pub(in crate::jobs) mod stale;
pub(in crate::jobs) mod unclaimed;
pub(in crate::jobs) mod unrecorded;
