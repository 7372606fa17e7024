//! A commit's tree, read from Git's objects.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gix::ObjectId;
use gix::bstr::ByteSlice;
use gix::objs::tree::EntryKind;

use super::error::SourceError;
use super::history;
use crate::ids::{Oid, RepoName};
use crate::tree::{Mode, Tree, TreeEntry, TreeError};

type Listing = Arc<Vec<(String, TreeEntry)>>;

/// Directories that are kept decoded; beyond that the memory is emptied, as a render seldom comes back.
const DECODED: usize = 4096;

pub(super) struct GitTree {
    root: ObjectId,
    inner: Mutex<Inner>,
}

struct Inner {
    git: gix::Repository,
    decoded: HashMap<ObjectId, Listing>,
    /// Told when an object that should be there cannot be read.
    suspect: Arc<AtomicBool>,
}

pub(super) fn of_commit(
    git: gix::Repository,
    repo: &RepoName,
    commit: &Oid,
    suspect: Arc<AtomicBool>,
) -> Result<Arc<dyn Tree>, SourceError> {
    let root = history::tree_of(&git, repo, commit)?;
    Ok(Arc::new(GitTree::new(git, root, suspect)))
}

impl GitTree {
    /// `git` may hold objects in memory, as those of a merge; they live as long as the tree.
    pub(super) fn new(git: gix::Repository, root: ObjectId, suspect: Arc<AtomicBool>) -> Self {
        Self { root, inner: Mutex::new(Inner { git, decoded: HashMap::new(), suspect }) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The entries of a tree object, sorted by name in byte order (Git sorts directories as if they ended in `/`).
    fn listing(&mut self, id: ObjectId) -> Result<Listing, TreeError> {
        if let Some(listing) = self.decoded.get(&id) {
            return Ok(Arc::clone(listing));
        }
        let failed = |error| self.unreadable(format!("tree {id}"), error);
        let tree = self.git.find_tree(id).map_err(failed)?;
        let decoded = tree.decode().map_err(failed)?;
        let mut entries = Vec::with_capacity(decoded.entries.len());
        for entry in &decoded.entries {
            entries.push((
                name(id, entry.filename)?,
                TreeEntry { mode: mode(entry.mode.kind()), id: entry.oid.to_string() },
            ));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let listing = Arc::new(entries);
        if self.decoded.len() >= DECODED {
            self.decoded.clear();
        }
        self.decoded.insert(id, Arc::clone(&listing));
        Ok(listing)
    }

    fn unreadable(&self, what: String, error: gix::Error) -> TreeError {
        self.suspect.store(true, Ordering::SeqCst);
        TreeError::new(what, error)
    }

    fn entry(&mut self, root: ObjectId, path: &str) -> Result<Option<TreeEntry>, TreeError> {
        let mut at = TreeEntry { mode: Mode::Directory, id: root.to_string() };
        for part in path.split('/').filter(|_| !path.is_empty()) {
            if at.mode != Mode::Directory {
                return Ok(None);
            }
            let listing = self.listing(object_id(&at.id)?)?;
            match listing.binary_search_by(|(name, _)| name.as_str().cmp(part)) {
                Ok(index) => at = listing[index].1.clone(),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(at))
    }
}

/// Git's own tools refuse to make such names, so a tree that has one was made to mislead.
fn name(tree: ObjectId, bytes: &gix::bstr::BStr) -> Result<String, TreeError> {
    let forbidden = bytes.is_empty() || bytes == "." || bytes == ".." || bytes.contains(&b'/');
    if forbidden {
        return Err(TreeError::new(
            format!("tree {tree}"),
            format!("it holds an entry with the forbidden name {:?}", bytes.to_string()),
        ));
    }
    // A name that is not UTF-8 stays visible, with a mark in the place of the bytes.
    Ok(bytes.to_str_lossy().into_owned())
}

fn mode(kind: EntryKind) -> Mode {
    match kind {
        EntryKind::Tree => Mode::Directory,
        EntryKind::Blob => Mode::File,
        EntryKind::BlobExecutable => Mode::Executable,
        EntryKind::Link => Mode::Link,
        EntryKind::Commit => Mode::Submodule,
    }
}

fn object_id(hex: &str) -> Result<ObjectId, TreeError> {
    ObjectId::from_hex(hex.as_bytes()).map_err(|error| TreeError::new(format!("object {hex:?}"), error))
}

impl Tree for GitTree {
    fn entry(&self, path: &str) -> Result<Option<TreeEntry>, TreeError> {
        self.inner().entry(self.root, path)
    }

    fn size(&self, id: &str) -> Result<u64, TreeError> {
        let id = object_id(id)?;
        let inner = self.inner();
        let header = inner.git.find_header(id).map_err(|error| inner.unreadable(format!("blob {id}"), error))?;
        Ok(header.size())
    }

    fn blob(&self, id: &str) -> Result<Vec<u8>, TreeError> {
        let id = object_id(id)?;
        let inner = self.inner();
        let mut blob = inner.git.find_blob(id).map_err(|error| inner.unreadable(format!("blob {id}"), error))?;
        Ok(blob.take_data())
    }

    fn list(&self, path: &str) -> Result<Option<Vec<(String, TreeEntry)>>, TreeError> {
        let mut inner = self.inner();
        match inner.entry(self.root, path)? {
            Some(entry) if entry.mode == Mode::Directory => Ok(Some(inner.listing(object_id(&entry.id)?)?.to_vec())),
            _ => Ok(None),
        }
    }
}
