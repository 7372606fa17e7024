//! The trace of a render: each path of the repository that it read, listed or tested for existence, with the result.
//!
//! A trace decides whether an app is affected by a revision. Its stored form has a version. A trace of another version
//! does not parse, and an app without a trace is rendered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::tree::{Mode, Tree, TreeEntry, TreeError};

/// The answer that one path gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// The content counted: the object's id and mode. A link that was followed is read too.
    Read { id: String, mode: Mode },
    /// The direct names and their modes counted, not what is below them.
    List { hash: String },
    /// Only what kind of thing is there counted.
    Exists { kind: Mode },
    /// Nothing was there.
    Missing,
}

impl Asked {
    /// How much an answer says; the one that says more also implies the other.
    fn weight(&self) -> u8 {
        match self {
            Asked::Missing => 0,
            Asked::Exists { .. } => 1,
            Asked::List { .. } | Asked::Read { .. } => 2,
        }
    }
}

/// What a render asked, by path from the root of the repository (`""` is the root).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Trace {
    asked: BTreeMap<String, Asked>,
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    asked: BTreeMap<String, Asked>,
}

/// The stored form is of another version.
#[derive(Debug, thiserror::Error)]
#[error("a trace of version {0} was stored, this is version {VERSION}")]
pub struct OtherVersion(u32);

impl TryFrom<Stored> for Trace {
    type Error = OtherVersion;

    fn try_from(stored: Stored) -> Result<Self, OtherVersion> {
        if stored.version == VERSION { Ok(Trace { asked: stored.asked }) } else { Err(OtherVersion(stored.version)) }
    }
}

impl From<Trace> for Stored {
    fn from(trace: Trace) -> Self {
        Stored { version: VERSION, asked: trace.asked }
    }
}

impl Trace {
    /// Writes an answer down. Of two answers for one path the one that says more stays.
    pub fn record(&mut self, path: &str, asked: Asked) {
        match self.asked.get_mut(path) {
            Some(known) if known.weight() >= asked.weight() => {}
            Some(known) => *known = asked,
            None => {
                self.asked.insert(path.to_owned(), asked);
            }
        }
    }

    /// Adds what another render of the same tree asked.
    pub fn merge(&mut self, other: &Trace) {
        for (path, asked) in &other.asked {
            self.record(path, asked.clone());
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Asked)> {
        self.asked.iter().map(|(path, asked)| (path.as_str(), asked))
    }

    pub fn len(&self) -> usize {
        self.asked.len()
    }

    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// The first path that answers otherwise at `tree`, or `None` when all answers are the same.
    pub fn differs(&self, tree: &dyn Tree) -> Result<Option<String>, TreeError> {
        for (path, asked) in &self.asked {
            if !same(path, asked, tree)? {
                return Ok(Some(path.clone()));
            }
        }
        Ok(None)
    }

    /// Whether any of its paths answers otherwise in one tree than in the other, whatever it answered when it was
    /// written down.
    pub fn differs_between(&self, before: &dyn Tree, after: &dyn Tree) -> Result<bool, TreeError> {
        for (path, asked) in &self.asked {
            let same = match asked {
                Asked::List { .. } => {
                    let names = |tree: &dyn Tree| Ok(tree.list(path)?.map(|entries| list_hash(&entries)));
                    names(before)? == names(after)?
                }
                Asked::Read { .. } | Asked::Missing => before.entry(path)? == after.entry(path)?,
                Asked::Exists { .. } => {
                    before.entry(path)?.map(|entry| entry.mode) == after.entry(path)?.map(|entry| entry.mode)
                }
            };
            if !same {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A hash over all paths and answers, in hex.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for (path, asked) in &self.asked {
            let answer = match asked {
                Asked::Read { id, mode } => format!("read {} {id}", mode.octal()),
                Asked::List { hash } => format!("list {hash}"),
                Asked::Exists { kind } => format!("exists {}", kind.octal()),
                Asked::Missing => "missing".to_owned(),
            };
            hash.update(format!("{path}\0{answer}\0"));
        }
        hex::encode(hash.finalize())
    }
}

fn same(path: &str, asked: &Asked, tree: &dyn Tree) -> Result<bool, TreeError> {
    if let Asked::List { hash } = asked {
        return Ok(tree.list(path)?.is_some_and(|entries| *hash == list_hash(&entries)));
    }
    let entry = tree.entry(path)?;
    Ok(match (asked, entry) {
        (Asked::Read { id, mode }, Some(entry)) => entry.id == *id && entry.mode == *mode,
        (Asked::Exists { kind }, Some(entry)) => entry.mode == *kind,
        (Asked::Missing, None) => true,
        _ => false,
    })
}

/// The hash of a directory's direct names and modes, in hex.
pub fn list_hash(entries: &[(String, TreeEntry)]) -> String {
    let mut hash = Sha256::new();
    for (name, entry) in entries {
        hash.update(format!("{name}\0{}\0", entry.mode.octal()));
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests;
