//! What the worker runs, by the kind of a job's key. Each looks at what its key names, and brings it to what Git says.
//!
//! Nothing here trusts what asked for the job: refs are resolved, pull requests are read, and clusters are looked at
//! anew.

mod context;
mod deliver;
mod desired;
mod handler;
mod history;
mod lost_owners;
mod outcome;
mod ownership;
mod poll;
mod preview;
mod push;
mod refs;
mod remembered;
mod resync;
pub mod revision;

pub use context::{Context, Unknown};
pub use deliver::wait_notes::note_waits;
pub use deliver::waits::listen_to_waits;
pub use remembered::Remembered;
pub use remembered::definitions::Definitions;
pub use remembered::looked::Looked;
pub use remembered::looked_through::LookedThrough;
pub use remembered::unclaimed::UnclaimedCache;
pub use remembered::unrecorded::UnrecordedCache;
