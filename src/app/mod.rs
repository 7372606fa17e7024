//! Apps: a named source with a destination and a sync policy. Pure: definitions are parsed and checked here; other
//! modules read them.

mod allow;
mod checks;
mod definition;
mod discover;
mod extent;
mod globs;
mod grants;
mod mistakes;
mod native;

pub use allow::{Allow, ClusterScoped, Pattern, Refusal};
pub use definition::{Adopt, App, Destination, DriftPolicy, IgnoreDifferences, OnDelete, Origin, Source, SyncPolicy};
pub use discover::{Discovered, Memory, Scope};
pub use globs::Globs;
pub use grants::{Authority, Grants, OnCluster, Verb};
pub use native::{API_VERSION, DefinitionError, Parsed, parse_file};
