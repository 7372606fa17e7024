//! The location and the limits of the mirrors.

use std::path::PathBuf;
use std::time::Duration;

/// Where the mirrors are and what bounds them.
#[derive(Clone, Debug)]
pub struct MirrorsConfig {
    /// The directory of all mirrors. It is a cache: it may be removed while Driftless is stopped.
    pub dir: PathBuf,
    /// A file with further certificate authorities in PEM form, for forges with a private one.
    pub tls_ca: Option<PathBuf>,
    /// For one listing or fetch as a whole.
    pub timeout: Duration,
    /// How long a job waits for another one that changes the same mirror.
    pub wait: Duration,
    /// Without a byte from the forge.
    pub idle_timeout: Duration,
    /// The most bytes of one answer.
    pub max_pack_bytes: u64,
    /// The most bytes of one object once it is unpacked: a small pack can hold huge ones. GitHub takes files of up to
    /// 100 MiB.
    pub max_object_bytes: u64,
    /// A mirror with this many packs is made compact. Each fetch that brings something adds one.
    pub repack_after: usize,
    /// The program that merges, and that makes mirrors compact: version 2.38 or later.
    pub git: PathBuf,
    /// For one merge.
    pub merge_timeout: Duration,
    /// How many mirrors are kept open.
    pub open_mirrors: u64,
}

impl MirrorsConfig {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            tls_ca: None,
            timeout: Duration::from_mins(10),
            wait: Duration::from_mins(2),
            idle_timeout: Duration::from_secs(30),
            max_pack_bytes: 4 << 30,
            max_object_bytes: 128 << 20,
            repack_after: 200,
            git: PathBuf::from("git"),
            merge_timeout: Duration::from_mins(2),
            open_mirrors: 64,
        }
    }
}
