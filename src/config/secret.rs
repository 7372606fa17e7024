//! Secrets by reference: an environment variable or a file.

use std::path::Path;

use secrecy::SecretString;

use super::file::SecretRef;

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

/// Reads a secret; a line end after it, as editors leave it, is not part of it. Errors name the place, never the content.
pub(super) fn read(reference: &SecretRef, folder: &Path, environment: &dyn Environment) -> Result<SecretString, String> {
    let text = match (&reference.env, &reference.file) {
        (Some(name), None) => environment.var(name).ok_or_else(|| format!("the environment variable {name} is not set"))?,
        (None, Some(file)) => {
            let path = folder.join(file);
            std::fs::read_to_string(&path).map_err(|error| format!("the secret file {} cannot be read: {error}", path.display()))?
        }
        _ => return Err("a secret is given as either `env: NAME` or `file: PATH`".into()),
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err("the secret is empty; an empty one would let anybody in".into());
    }
    Ok(SecretString::from(text))
}
