//! Read access to a revision for renders, definitions and traces: a raw Git tree, without a checkout.
//!
//! The trait is implemented by `source` over Git's objects, and by [`disk::DirTree`] and [`memory::MemoryTree`] for a
//! directory and for tests. It neither follows links nor cleans paths: that is done once, in `render::paths`.

pub mod disk;
pub mod memory;

use std::error::Error;

use serde::{Deserialize, Serialize};

use crate::class::{Class, Classified};

/// What an entry of a Git tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    File,
    Executable,
    Link,
    Directory,
    Submodule,
}

impl Mode {
    /// The mode as Git prints it.
    pub fn octal(self) -> &'static str {
        match self {
            Mode::File => "100644",
            Mode::Executable => "100755",
            Mode::Link => "120000",
            Mode::Directory => "040000",
            Mode::Submodule => "160000",
        }
    }
}

/// One entry of a tree: its mode and the id of the Git object behind it, in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    pub mode: Mode,
    pub id: String,
}

/// The objects could not be read: a broken or vanished object database, never a path that is not there.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {what} from the Git objects")]
pub struct TreeError {
    /// The path or the object id that was asked for.
    pub what: String,
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Another fetch, or a mirror made anew, heals it.
impl Classified for TreeError {
    fn class(&self) -> Class {
        Class::RETRY
    }
}

impl TreeError {
    pub fn new(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what: what.into(), source: source.into() }
    }
}

/// A tree at one revision. Paths are relative to the root, cleaned, with `/` between the names; `""` is the root.
///
/// No implementation follows a link: below a link or a file there is nothing. Calls block on a fast object database at
/// most, so callers on a runtime use `spawn_blocking`.
pub trait Tree: Send + Sync {
    /// The entry at `path`, or `None` where there is none.
    fn entry(&self, path: &str) -> Result<Option<TreeEntry>, TreeError>;

    /// The size in bytes of the blob with this id, without reading it where the store can tell.
    fn size(&self, id: &str) -> Result<u64, TreeError> {
        Ok(self.blob(id)?.len() as u64)
    }

    /// The bytes of the blob with this id, as an entry named it. For a link they are its target.
    fn blob(&self, id: &str) -> Result<Vec<u8>, TreeError>;

    /// The direct entries of the directory at `path`, sorted by name in byte order, or `None` where there is no
    /// directory.
    fn list(&self, path: &str) -> Result<Option<Vec<(String, TreeEntry)>>, TreeError>;
}
