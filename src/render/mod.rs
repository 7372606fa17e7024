//! Renders manifests from a tree: a pool of sandboxed workers with the libraries of kustomize and Helm, and a cache by
//! their traces.
//!
//! A worker has no file system and no network. It requests each path over its pipe; [`paths`] answers from the Git tree
//! and records the trace. The same options and the same trace give the same manifests, so [`cache`] can answer instead.

pub mod cache;
mod decode;
mod error;
mod options;
pub mod paths;
mod places;
mod pool;
mod process;
mod request;
pub mod sandbox;
mod session;
mod slow;
mod wire;

pub use error::{Failure, RenderError};
pub use options::{HelmOptions, KustomizeOptions, LoadRestriction, Nondeterministic, RenderOptions, RendererKind};
pub use places::{Asker, Purpose};
pub use pool::{Identifier, Renderer, RendererConfig};
pub use request::{ClusterFacts, NondeterministicField, RenderRequest, Rendered};
