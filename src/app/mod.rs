//! What an app is: a named source with a destination and a sync policy. Pure: definitions are parsed and checked here, never read.

mod definition;

pub use definition::{Adopt, App, Destination, DriftPolicy, OnDelete, Origin, Source, SyncPolicy};
