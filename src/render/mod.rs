//! Manifests from a tree: a pool of boxed workers around the libraries of kustomize and Helm, and a cache by what they
//! looked at.
//!
//! A worker has no file system and no network. It asks for each path over its pipe; [`paths`] answers from the Git tree
//! and writes the trace. The same options and the same trace make the same manifests, so [`cache`] can answer instead.

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
