//! The only user of kube: one [`Cluster`] per configured cluster, with what it serves, its objects, their metadata, and
//! watches.
//!
//! Requests are made raw, because Driftless needs more of an answer than kube's typed calls keep: the `Warning`
//! headers, `Retry-After`, and the difference between a Status and a plain text. What an answer means is decided in
//! `answer`, which is pure.

mod answer;
mod connect;
mod content;
mod contents;
mod discover;
mod discovery;
mod error;
mod exchange;
mod immutable;
mod limiter;
mod metadata;
mod objects;
mod propagation;
mod request;
mod rights;
mod typed;
mod watch;

pub use connect::{Cluster, ClusterConfig};
pub use contents::Listed;
pub use discovery::{Discovery, Resource};
pub use error::{ApplyError, ClusterError};
pub use metadata::{ManagedEntry, MetadataList, OwnerReference, PartialMeta};
pub use objects::{Applied, ApplyMode, Deleted};
pub use propagation::Propagation;
pub use rights::Rules;
pub use watch::WatchEvent;
