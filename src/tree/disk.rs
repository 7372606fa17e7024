//! A directory of the disk as a tree: what `driftless preview DIR` renders from.
//!
//! Ids are hashes of the content, so that a trace taken here answers whether a file changed since. `.git` is left out.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::{Mode, Tree, TreeEntry, TreeError};

/// A directory, read when asked. It has to stand still while a render looks at it.
#[derive(Debug)]
pub struct DirTree {
    root: PathBuf,
    /// Where a blob was seen, by its id.
    seen: Mutex<BTreeMap<String, PathBuf>>,
}

impl DirTree {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), seen: Mutex::default() }
    }

    /// The path on the disk, unless a link or a file lies on the way: below those a tree has nothing.
    fn locate(&self, path: &str) -> io::Result<Option<(PathBuf, fs::Metadata)>> {
        let mut at = self.root.clone();
        let mut found = fs::metadata(&at)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if !found.is_dir() || name == ".git" || name == ".." {
                return Ok(None);
            }
            at.push(name);
            found = match fs::symlink_metadata(&at) {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
        }
        Ok(Some((at, found)))
    }

    fn describe(&self, at: &Path, found: &fs::Metadata) -> io::Result<Option<TreeEntry>> {
        let mode = if found.is_symlink() {
            Mode::Link
        } else if found.is_dir() {
            let id = hex::encode(Sha256::digest(at.as_os_str().as_bytes()));
            return Ok(Some(TreeEntry { mode: Mode::Directory, id }));
        } else if !found.is_file() {
            return Ok(None);
        } else if found.permissions().mode() & 0o100 != 0 {
            Mode::Executable
        } else {
            Mode::File
        };
        let id = hex::encode(Sha256::digest(content(at, mode == Mode::Link)?));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(id.clone(), at.to_owned());
        Ok(Some(TreeEntry { mode, id }))
    }

    fn entries(&self, path: &str) -> io::Result<Option<Vec<(String, TreeEntry)>>> {
        let Some((at, found)) = self.locate(path)? else {
            return Ok(None);
        };
        if !found.is_dir() {
            return Ok(None);
        }
        let mut entries = Vec::new();
        for child in fs::read_dir(&at)? {
            let child = child?;
            let Ok(name) = child.file_name().into_string() else {
                continue;
            };
            let metadata = child.metadata()?;
            if let (true, Some(entry)) = (name != ".git", self.describe(&child.path(), &metadata)?) {
                entries.push((name, entry));
            }
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Some(entries))
    }
}

fn content(at: &Path, link: bool) -> io::Result<Vec<u8>> {
    if link { Ok(fs::read_link(at)?.into_os_string().as_bytes().to_vec()) } else { fs::read(at) }
}

impl Tree for DirTree {
    fn entry(&self, path: &str) -> Result<Option<TreeEntry>, TreeError> {
        let found = self.locate(path).and_then(|found| match found {
            Some((at, metadata)) => self.describe(&at, &metadata),
            None => Ok(None),
        });
        found.map_err(|error| TreeError::new(path, error))
    }

    fn blob(&self, id: &str) -> Result<Vec<u8>, TreeError> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let at = seen.ok_or_else(|| TreeError::new(id, "no such object"))?;
        content(&at, at.is_symlink()).map_err(|error| TreeError::new(at.display().to_string(), error))
    }

    fn list(&self, path: &str) -> Result<Option<Vec<(String, TreeEntry)>>, TreeError> {
        self.entries(path).map_err(|error| TreeError::new(path, error))
    }
}
