//! What the worker runs: one file per kind of key. Each looks at what its key names, and brings it to what Git says.
//!
//! Nothing here trusts what asked for the job: refs are resolved, pull requests are read, and clusters are looked at anew.

mod affected;
mod budget;
mod claims;
mod compare;
mod definitions;
mod edited;
mod engine;
mod finish;
mod handler;
mod head;
mod history;
mod landed;
mod leave;
mod left_clusters;
mod lost;
mod moves;
mod orphans;
mod outcome;
mod outdated;
mod poll;
mod preview;
mod previewed;
mod push;
mod released;
mod relook;
mod rests;
mod resync;
mod reviewed;
pub mod revision;
mod sides;
mod sync;
mod took_along;
mod visible;
mod volatile;
mod wait_notes;
mod waits;
mod wanted;
mod wish;
mod writing;

pub use definitions::Definitions;
pub use engine::{Engine, Remembered, Unknown};
pub use orphans::Orphans;
pub use outdated::LookedThrough;
pub use poll::Looked;
pub use wait_notes::note_waits;
pub use waits::listen_to_waits;
pub use wanted::Wants;
