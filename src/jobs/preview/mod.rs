//! What would merging do? Said on the pull request and in its gate.

pub(in crate::jobs) mod brought;
pub(in crate::jobs) mod budget;
mod candidate;
pub(in crate::jobs) mod claimed;
pub(in crate::jobs) mod compare;
pub(in crate::jobs) mod edited;
pub(in crate::jobs) mod fetch;
pub(in crate::jobs) mod fill;
pub(in crate::jobs) mod gate;
pub(in crate::jobs) mod granted;
pub(in crate::jobs) mod group;
mod invalid;
pub(in crate::jobs) mod landed;
pub(in crate::jobs) mod leaving;
pub(in crate::jobs) mod moves;
pub(in crate::jobs) mod object;
pub(in crate::jobs) mod over;
pub(in crate::jobs) mod pair;
pub(in crate::jobs) mod previewed;
pub(in crate::jobs) mod pull;
pub(in crate::jobs) mod reads;
pub(in crate::jobs) mod relook;
pub(in crate::jobs) mod rests;
pub(in crate::jobs) mod shared;
pub(in crate::jobs) mod sides;
pub(in crate::jobs) mod told;
