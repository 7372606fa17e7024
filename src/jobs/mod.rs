//! The work of each kind of job key. A job inspects what its key names, and brings it to the state in Git.
//!
//! Nothing here trusts the event that queued the job: refs are resolved, and pull requests and clusters are read again.

mod command;
mod context;
mod deliver;
mod deliveries;
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
