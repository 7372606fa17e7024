//! `sync:REPO/APP` and what follows it: brings an app to the state in Git.

pub(in crate::jobs) mod attempt;
mod carry_out;
mod conclude;
mod confirmed;
pub(in crate::jobs) mod failing;
pub(in crate::jobs) mod finish;
pub(in crate::jobs) mod goal;
pub(in crate::jobs) mod head;
mod judge;
mod kept;
pub(in crate::jobs) mod lost;
mod missing;
mod owners;
pub(in crate::jobs) mod previous_clusters;
pub(in crate::jobs) mod removed;
pub(in crate::jobs) mod sync;
pub(in crate::jobs) mod target;
mod told;
pub(in crate::jobs) mod took_along;
mod unreviewed;
pub(in crate::jobs) mod wait_notes;
pub(in crate::jobs) mod waits;
pub(in crate::jobs) mod writing;
