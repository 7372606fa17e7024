//! Manifests from a tree.

mod options;

pub use options::{HelmOptions, KustomizeOptions, LoadRestriction, Nondeterministic, RenderOptions, RendererKind};
