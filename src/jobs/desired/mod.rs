//! The desired state: the definitions of a repo, the apps that a tree affects, and their rendered objects.

pub(in crate::jobs) mod affected;
pub(in crate::jobs) mod definitions;
pub(in crate::jobs) mod facts_change;
pub(in crate::jobs) mod fetch_commit;
pub(in crate::jobs) mod identity;
pub(in crate::jobs) mod mentions;
pub(in crate::jobs) mod nondeterministic;
pub(in crate::jobs) mod outdated;
pub(in crate::jobs) mod removed_by;
pub(in crate::jobs) mod render;
