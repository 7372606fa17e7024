//! Loads a configuration: from the file to a checked configuration.

use std::collections::BTreeSet;
use std::path::Path;

use super::file::{Read, Rest};
use super::secret::Environment;
use super::types::{Config, ConfigError, Problem};
use super::{check, file};

impl Config {
    /// Reads and checks the file. `environment` answers for the secrets that are given as environment variables.
    pub fn load(path: &Path, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            file: path.to_owned(),
            problems: vec![Problem { line: 0, message: format!("cannot be read: {error}") }],
        })?;
        Self::parse(path, &text, environment)
    }

    pub fn parse(path: &Path, text: &str, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let failed = |problems| ConfigError { file: path.to_owned(), problems };
        // The worker and the server may have another folder than the one in which a relative path was given.
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = absolute.parent().unwrap_or(Path::new("/"));
        match file::read(text) {
            Read::Whole(file) => check::check(file, folder, environment, &BTreeSet::new()).map_err(failed),
            Read::Faulty { mut faults, rest } => {
                // Whoever corrects the form of a file corrects its meaning in the same round.
                if let Some(Rest { file, names }) = rest {
                    faults.extend(check::check(file, folder, environment, &names).err().unwrap_or_default());
                    faults.sort();
                }
                Err(failed(faults))
            }
        }
    }
}
