//! The server's configuration: one YAML file, the only root of trust. The only place that reads the environment.
//!
//! Reading has three steps, each of which names everything that is wrong at once, with its line. [`structure`] compares
//! the file with its [`form`], [`file`] reads it into types, and [`check`] looks at the whole of it.

mod branch;
mod check;
mod file;
mod form;
mod load;
mod salvage;
mod secret;
mod structure;
mod types;

pub use secret::{Environment, ProcessEnvironment};
pub use types::{
    ClusterAccess, ClusterEntry, Config, ConfigError, Credentials, DestructiveLimits, ForgeKind, Hook, Problem,
    Propagation, Repo, Timing,
};

#[cfg(test)]
mod tests;
