//! Limits how much of a tree is read for definitions. A small repository can contain more folders than can be listed,
//! because folders may share their content.

/// The most that one look takes. What is remembered of an earlier look counts as well, so that nobody's answer depends
/// on what another has read.
pub(super) const LIMITS: Extent = Extent { folders: 50_000, entries: 500_000, files: 20_000, bytes: 64 << 20 };

/// What is below a folder, as far as definitions can be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub folders: usize,
    /// Names in these folders, of whatever kind.
    pub entries: usize,
    /// Files at the globs, and how long they are.
    pub files: usize,
    pub bytes: u64,
}

impl Extent {
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            folders: self.folders.saturating_add(other.folders),
            entries: self.entries.saturating_add(other.entries),
            files: self.files.saturating_add(other.files),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            folders: self.folders.saturating_sub(other.folders),
            entries: self.entries.saturating_sub(other.entries),
            files: self.files.saturating_sub(other.files),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// What is too much, in words.
    pub fn beyond(&self, most: &Self) -> Option<String> {
        if self.folders > most.folders {
            return Some(format!("more than {} folders", most.folders));
        }
        if self.entries > most.entries {
            return Some(format!("more than {} entries", most.entries));
        }
        if self.files > most.files {
            return Some(format!("more than {} files", most.files));
        }
        (self.bytes > most.bytes).then(|| format!("more than {} MiB of files", most.bytes >> 20))
    }
}
