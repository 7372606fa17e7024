//! Resolves paths in a Git tree: links inside the repository are followed, and links out of it are refused by name.
//!
//! Each step is recorded in the trace, so that a path that would resolve differently at another revision is detected:
//! links and files that were read, the directory of a missing name, and the missing name.

use std::sync::Arc;

use crate::redact::may_hold_secrets;
use crate::trace::{Asked, Trace, list_hash};
use crate::tree::{Mode, Tree, TreeEntry, TreeError};

/// As many links as Linux follows before it calls them a circle.
const MAX_LINKS: usize = 40;

const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// A view of one tree that remembers what was asked of it.
pub struct Paths {
    tree: Arc<dyn Tree>,
    trace: Trace,
    max_file: u64,
    /// Whether any file that was read may hold a secret.
    may_hold_secrets: bool,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    File { path: String, entry: TreeEntry },
    Directory { path: String },
    Missing,
    Refused(Refusal),
}

/// A path that a render may not have, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub path: String,
    pub why: String,
}

impl Refusal {
    fn new(path: &str, why: impl Into<String>) -> Self {
        Self { path: path.to_owned(), why: why.into() }
    }
}

/// What was asked for, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// With the path after links.
    Here(String, T),
    /// A directory was asked for as a file, or the reverse.
    Otherwise(String),
    Missing,
    Refused(Refusal),
}

impl Paths {
    /// Files larger than `max_file` bytes are refused.
    pub fn new(tree: Arc<dyn Tree>, max_file: u64) -> Self {
        Self { tree, trace: Trace::default(), max_file, may_hold_secrets: false }
    }

    /// Whether any file that was read may hold a secret: then a library's text about them may tell it.
    pub fn may_hold_secrets(&self) -> bool {
        self.may_hold_secrets
    }

    pub fn into_trace(self) -> Trace {
        self.trace
    }

    /// Says what kind of thing a path leads to.
    pub fn stat(&mut self, asked: &str) -> Result<Place, TreeError> {
        let place = self.resolve(asked)?;
        match &place {
            Place::File { path, entry } => self.trace.record(path, Asked::Exists { kind: entry.mode }),
            Place::Directory { path } => self.trace.record(path, Asked::Exists { kind: Mode::Directory }),
            Place::Missing | Place::Refused(_) => {}
        }
        Ok(place)
    }

    /// Reads a file.
    pub fn read(&mut self, asked: &str) -> Result<Found<Vec<u8>>, TreeError> {
        let (path, entry) = match self.stat(asked)? {
            Place::File { path, entry } => (path, entry),
            Place::Directory { path } => return Ok(Found::Otherwise(path)),
            Place::Missing => return Ok(Found::Missing),
            Place::Refused(why) => return Ok(Found::Refused(why)),
        };
        self.trace.record(&path, Asked::Read { id: entry.id.clone(), mode: entry.mode });
        let size = self.tree.size(&entry.id)?;
        if size > self.max_file {
            return Ok(Found::Refused(Refusal::new(
                &path,
                format!("{size} bytes long; the limit of a file is {} bytes", self.max_file),
            )));
        }
        let bytes = self.tree.blob(&entry.id)?;
        if bytes.starts_with(LFS_POINTER) {
            return Ok(Found::Refused(Refusal::new(&path, "kept in Git LFS: only its pointer is in the repository")));
        }
        self.may_hold_secrets = self.may_hold_secrets || may_hold_secrets(&bytes);
        Ok(Found::Here(path, bytes))
    }

    /// Lists the direct names of a directory.
    pub fn list(&mut self, asked: &str) -> Result<Found<Vec<(String, Mode)>>, TreeError> {
        let path = match self.stat(asked)? {
            Place::Directory { path } => path,
            Place::File { path, .. } => return Ok(Found::Otherwise(path)),
            Place::Missing => return Ok(Found::Missing),
            Place::Refused(why) => return Ok(Found::Refused(why)),
        };
        let Some(entries) = self.tree.list(&path)? else {
            return Ok(Found::Missing);
        };
        self.trace.record(&path, Asked::List { hash: list_hash(&entries) });
        let names = entries.into_iter().map(|(name, entry)| (name, entry.mode)).collect();
        Ok(Found::Here(path, names))
    }

    /// Walks to `asked` name by name, as the kernel would below a root that can't be left.
    fn resolve(&mut self, asked: &str) -> Result<Place, TreeError> {
        if asked.starts_with('/') || asked.contains('\0') {
            return Ok(Place::Refused(Refusal::new(asked, "not a path from the root of the repository")));
        }
        let mut walk = Walk { at: Vec::new(), left: names(asked), links: 0 };
        let mut last = None;
        while let Some(name) = walk.left.pop() {
            if name == ".." {
                let here = walk.at.join("/");
                if walk.at.pop().is_none() {
                    return Ok(Place::Refused(Refusal::new(asked, "leads above the root of the repository")));
                }
                self.trace.record(&here, Asked::Exists { kind: Mode::Directory });
                last = None;
                continue;
            }
            walk.at.push(name);
            let path = walk.at.join("/");
            let Some(entry) = self.tree.entry(&path)? else {
                let parent = walk.at[..walk.at.len() - 1].join("/");
                self.trace.record(&parent, Asked::Exists { kind: Mode::Directory });
                self.trace.record(&path, Asked::Missing);
                return Ok(Place::Missing);
            };
            match entry.mode {
                Mode::Directory => last = None,
                Mode::Link => {
                    if let Some(why) = self.follow(&mut walk, &path, &entry)? {
                        return Ok(Place::Refused(why));
                    }
                    last = None;
                }
                Mode::Submodule => {
                    self.trace.record(&path, Asked::Read { id: entry.id, mode: entry.mode });
                    return Ok(Place::Refused(Refusal::new(
                        &path,
                        "a Git submodule, whose files are in another repository",
                    )));
                }
                Mode::File | Mode::Executable if walk.left.is_empty() => last = Some(entry),
                Mode::File | Mode::Executable => {
                    self.trace.record(&path, Asked::Exists { kind: entry.mode });
                    return Ok(Place::Missing);
                }
            }
        }
        let path = walk.at.join("/");
        Ok(match last {
            Some(entry) => Place::File { path, entry },
            None => Place::Directory { path },
        })
    }

    /// Puts a link's target before what is left of the way, or says why not.
    fn follow(&mut self, walk: &mut Walk, path: &str, entry: &TreeEntry) -> Result<Option<Refusal>, TreeError> {
        self.trace.record(path, Asked::Read { id: entry.id.clone(), mode: Mode::Link });
        let target = self.tree.blob(&entry.id)?;
        let Ok(target) = String::from_utf8(target) else {
            return Ok(Some(Refusal::new(path, "a link whose target is not UTF-8")));
        };
        walk.links += 1;
        if walk.links > MAX_LINKS {
            return Ok(Some(Refusal::new(path, "a link in a circle of links")));
        }
        if target.starts_with('/') {
            return Ok(Some(Refusal::new(path, format!("a link out of the repository, to {target}"))));
        }
        walk.at.pop();
        if climbs_out(&walk.at, &target) {
            return Ok(Some(Refusal::new(path, format!("a link out of the repository, to {target}"))));
        }
        walk.left.extend(names(&target));
        Ok(None)
    }
}

struct Walk {
    at: Vec<String>,
    /// What is left of the way, the next name last.
    left: Vec<String>,
    links: usize,
}

fn names(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|name| !name.is_empty() && *name != ".").map(str::to_owned).collect()
}

/// Whether a relative target goes above the root before it comes to its end, counted by its names alone.
fn climbs_out(at: &[String], target: &str) -> bool {
    let mut depth = at.len();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests;
