//! Secrets by reference: an environment variable or a file.

use std::path::Path;

use super::file::SecretRef;
use crate::secret::{LiveSecret, trimmed};

/// Where environment variables come from: the process, or a test's table.
pub trait Environment {
    fn var(&self, name: &str) -> Option<String>;
}

/// The variables of this process.
#[derive(Debug, Clone, Copy)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Reads a secret. Errors name the place, never the content. A process keeps the variables that it was started with; a
/// file may change.
pub(super) fn read(reference: &SecretRef, folder: &Path, environment: &dyn Environment) -> Result<LiveSecret, String> {
    match (&reference.env, &reference.file) {
        (Some(name), None) => {
            let text = environment.var(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
            Ok(LiveSecret::fixed(trimmed(text)?))
        }
        (None, Some(file)) => LiveSecret::in_file(&folder.join(file)),
        _ => Err("a secret is given as either `env: NAME` or `file: PATH`".into()),
    }
}
