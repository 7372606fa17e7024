//! Who owns what: an object belongs to one app, moves between apps of one repo, and is deleted by nobody else.

pub(in crate::jobs) mod claims;
pub(in crate::jobs) mod leave;
pub(in crate::jobs) mod left;
pub(in crate::jobs) mod orphans;
pub(in crate::jobs) mod released;
pub(in crate::jobs) mod stale;
pub(in crate::jobs) mod wanted;
