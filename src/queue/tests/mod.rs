//! The queue on a real store and a paused clock.

mod bench;
mod events;
mod failures;
mod invariants;
mod stopping;
