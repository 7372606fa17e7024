//! A tree that is held in memory: for tests, and for a revision that exists nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{Mode, Tree, TreeEntry, TreeError};

/// Files by path. Directories exist where a file lies below them.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    entries: BTreeMap<String, TreeEntry>,
    blobs: BTreeMap<String, Vec<u8>>,
}

impl MemoryTree {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file.
    #[must_use]
    pub fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.with(path, Mode::File, bytes.as_ref())
    }

    /// Adds or replaces a symbolic link.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        self.with(path, Mode::Link, target.as_bytes())
    }

    /// Adds a submodule. Its commit is made from the path.
    #[must_use]
    pub fn submodule(self, path: &str) -> Self {
        self.with(path, Mode::Submodule, path.as_bytes())
    }

    /// Takes a file, a link or a submodule away.
    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        self.entries.remove(path);
        self
    }

    fn with(mut self, path: &str, mode: Mode, bytes: &[u8]) -> Self {
        let id = hex::encode(Sha256::digest(bytes));
        self.blobs.insert(id.clone(), bytes.to_vec());
        self.entries.insert(path.to_owned(), TreeEntry { mode, id });
        self
    }

    fn below(&self, path: &str) -> impl Iterator<Item = (&str, &TreeEntry)> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        self.entries.range(prefix.clone()..).map_while(move |(path, entry)| Some((path.strip_prefix(&prefix)?, entry)))
    }

    /// A directory's id covers everything below it, as Git's does.
    fn directory(&self, path: &str) -> Option<TreeEntry> {
        let mut hash = Sha256::new();
        let mut empty = true;
        for (name, entry) in self.below(path) {
            empty = false;
            hash.update(format!("{name}\0{}\0{}\0", entry.mode.octal(), entry.id));
        }
        (!empty || path.is_empty()).then(|| TreeEntry { mode: Mode::Directory, id: hex::encode(hash.finalize()) })
    }
}

impl Tree for MemoryTree {
    fn entry(&self, path: &str) -> Result<Option<TreeEntry>, TreeError> {
        Ok(match self.entries.get(path) {
            Some(entry) => Some(entry.clone()),
            None => self.directory(path),
        })
    }

    fn blob(&self, id: &str) -> Result<Vec<u8>, TreeError> {
        let bytes = self.blobs.get(id).cloned();
        bytes.ok_or_else(|| TreeError::new(id, "no such object"))
    }

    fn list(&self, path: &str) -> Result<Option<Vec<(String, TreeEntry)>>, TreeError> {
        if self.entries.contains_key(path) || self.directory(path).is_none() {
            return Ok(None);
        }
        let names: BTreeSet<&str> =
            self.below(path).map(|(rest, _)| rest.split_once('/').map_or(rest, |(first, _)| first)).collect();
        let mut found = Vec::new();
        for name in names {
            let child = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            if let Some(entry) = self.entry(&child)? {
                found.push((name.to_owned(), entry));
            }
        }
        Ok(Some(found))
    }
}
