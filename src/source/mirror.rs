//! One bare repository on disk: created and replaced as a whole, so that a crash leaves either the old one or the new
//! one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::config::MirrorsConfig;
use super::error::{SourceError, chain};
use super::fetch::{self, Connection};
use super::handshake::HandshakeCache;
use super::remote;
use crate::ids::{Oid, RepoName};
use crate::tree::Tree;

/// How long a mirror that was cloned anew is not cloned again on mere suspicion: what fails there may fail everywhere.
const SUSPICION_PAUSE: Duration = Duration::from_mins(10);

const BESIDE: &str = ".beside-";

/// Failed fetches in a row, without a fault of the network, after which a mirror is cloned anew.
const STRIKES: u32 = 3;

/// The mirrors that are kept open, and how one is opened.
pub(super) struct OpenMirrors {
    cache: moka::sync::Cache<RepoName, gix::ThreadSafeRepository>,
    slots: u16,
    max_object_bytes: u64,
}

impl OpenMirrors {
    pub(super) fn new(config: &MirrorsConfig) -> Self {
        // Each fetch adds a pack, and an open mirror has to have room for all that come before it is made compact.
        let slots = u16::try_from(config.repack_after * 2 + 64).unwrap_or(u16::MAX / 2);
        let cache = moka::sync::Cache::new(config.open_mirrors);
        Self { cache, slots, max_object_bytes: config.max_object_bytes }
    }

    pub(super) fn close(&self, repo: &RepoName) {
        self.cache.invalidate(repo);
    }

    fn read(&self, dir: &Path) -> gix::Result<gix::ThreadSafeRepository> {
        options(self.slots, self.max_object_bytes).open(dir)
    }
}

pub(super) struct Mirror {
    pub(super) repo: RepoName,
    dir: PathBuf,
    parent: PathBuf,
    /// Held by whatever changes the mirror.
    pub(super) lock: Arc<tokio::sync::Mutex<()>>,
    /// Set when something could not be read that should be there; the next fetch then clones anew.
    pub(super) suspect: Arc<AtomicBool>,
    strikes: AtomicU32,
    replaced: std::sync::Mutex<Option<Instant>>,
    pub(super) greeting: Arc<HandshakeCache>,
    /// The tree that was last asked for, as long as somebody reads it: many apps of one push share what they decode.
    in_use: std::sync::Mutex<Option<(Oid, Weak<dyn Tree>)>>,
}

impl Mirror {
    pub(super) fn new(parent: &Path, repo: &RepoName) -> Result<Self, SourceError> {
        let name = remote::directory_name(repo)?;
        Ok(Self {
            repo: repo.clone(),
            dir: parent.join(format!("{name}.git")),
            parent: parent.to_owned(),
            lock: Arc::default(),
            suspect: Arc::default(),
            strikes: AtomicU32::new(0),
            replaced: std::sync::Mutex::default(),
            greeting: Arc::default(),
            in_use: std::sync::Mutex::default(),
        })
    }

    /// Waits until nobody else changes the mirror, within a limit: a forge that hangs must not hold up whoever comes
    /// next for as long as it likes.
    pub(super) async fn hold(&self, within: Duration) -> Result<OwnedMutexGuard<()>, SourceError> {
        let held = tokio::time::timeout(within, Arc::clone(&self.lock).lock_owned()).await;
        held.map_err(|_| SourceError::Busy { repo: self.repo.clone(), seconds: within.as_secs() })
    }

    pub(super) fn tree_in_use(&self, commit: &Oid) -> Option<Arc<dyn Tree>> {
        let in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.as_ref().filter(|(known, _)| known == commit)?.1.upgrade()
    }

    pub(super) fn use_tree(&self, commit: &Oid, tree: &Arc<dyn Tree>) {
        // One that reads from a mirror which is broken is not passed on.
        if !self.suspect.load(Ordering::SeqCst) {
            *self.in_use.lock().unwrap_or_else(PoisonError::into_inner) = Some((commit.clone(), Arc::downgrade(tree)));
        }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The mirror, or `None` where there is none yet.
    pub(super) fn open(&self, open: &OpenMirrors) -> Result<Option<gix::Repository>, SourceError> {
        if let Some(opened) = open.cache.get(&self.repo) {
            return Ok(Some(opened.to_thread_local()));
        }
        if !self.dir.exists() {
            return Ok(None);
        }
        let opened =
            open.read(&self.dir).map_err(|error| SourceError::git(&self.repo, "it cannot be opened", error))?;
        open.cache.insert(self.repo.clone(), opened.clone());
        Ok(Some(opened.to_thread_local()))
    }

    pub(super) fn open_or_create(&self, open: &OpenMirrors) -> Result<gix::Repository, SourceError> {
        if let Some(repo) = self.open(open)? {
            return Ok(repo);
        }
        let fresh = self.beside()?;
        create(fresh.path(), &self.repo)?;
        match fs::rename(fresh.path(), &self.dir) {
            Ok(()) => {}
            // Somebody else was first.
            Err(_) if self.dir.exists() => {}
            Err(error) => return Err(SourceError::io(&self.repo, "it cannot be moved into place", error)),
        }
        self.open(open)?.ok_or_else(|| SourceError::NotMirrored { repo: self.repo.clone() })
    }

    /// Fetches, and clones anew when the mirror turns out to be broken.
    pub(super) fn fetch(
        &self,
        open: &OpenMirrors,
        connection: &Connection,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Option<Oid>>, SourceError> {
        if !self.suspect.load(Ordering::SeqCst) || !self.may_suspect() {
            match self.fetch_in_place(open, connection, names) {
                Err(error) if error.blames_mirror() && self.is_broken(open) => {
                    tracing::warn!(repo = %self.repo, error = chain(&error), "the mirror is broken and is cloned \
                                                                              again");
                }
                result => return result,
            }
        }
        self.replace(open, connection, names)
    }

    fn fetch_in_place(
        &self,
        open: &OpenMirrors,
        connection: &Connection,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Option<Oid>>, SourceError> {
        let repo = self.open_or_create(open)?;
        let result = fetch::fetch(&repo, connection, names);
        sweep(&self.dir);
        match &result {
            Ok(_) => self.strikes.store(0, Ordering::SeqCst),
            Err(error) if error.blames_mirror() => {
                self.strikes.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => {}
        }
        result
    }

    fn is_broken(&self, open: &OpenMirrors) -> bool {
        if self.strikes.load(Ordering::SeqCst) >= STRIKES && self.may_suspect() {
            return true;
        }
        match self.open(open) {
            Ok(Some(repo)) => fetch::check(&repo, &self.repo).is_err(),
            Ok(None) => false,
            Err(_) => true,
        }
    }

    fn may_suspect(&self) -> bool {
        let replaced = *self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.is_none_or(|replaced| replaced.elapsed() > SUSPICION_PAUSE)
    }

    /// Lists the forge's refs. A mirror that cannot be opened does not stand in the way, and is looked at by the next
    /// fetch.
    pub(super) fn list(
        &self,
        open: &OpenMirrors,
        connection: &Connection,
    ) -> Result<BTreeMap<String, Oid>, SourceError> {
        match self.open_or_create(open) {
            Ok(repo) => fetch::list(&repo, connection),
            Err(error) if error.blames_mirror() => {
                let empty = self.beside()?;
                create(empty.path(), &self.repo)?;
                let repo = open.read(empty.path()).map_err(|_| error)?;
                fetch::list(&repo.to_thread_local(), connection)
            }
            Err(error) => Err(error),
        }
    }

    /// Clones beside the mirror and swaps. What the old one held is fetched too, as far as the forge still has it.
    pub(super) fn replace(
        &self,
        open: &OpenMirrors,
        connection: &Connection,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Option<Oid>>, SourceError> {
        let mut all = names.clone();
        if let Ok(Some(old)) = self.open(open) {
            all.extend(fetch::fetched_names(&old));
        }
        let fresh = self.beside()?;
        create(fresh.path(), &self.repo)?;
        let repo = open
            .read(fresh.path())
            .map_err(|error| SourceError::git(&self.repo, "it cannot be opened", error))?
            .to_thread_local();
        let mut fetched = fetch::fetch(&repo, connection, &all)?;
        sweep(fresh.path());
        drop(repo);
        self.swap(open, fresh.path())?;
        self.suspect.store(false, Ordering::SeqCst);
        self.strikes.store(0, Ordering::SeqCst);
        *self.replaced.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        fetched.retain(|name, _| names.contains(name));
        Ok(fetched)
    }

    fn swap(&self, open: &OpenMirrors, fresh: &Path) -> Result<(), SourceError> {
        let old = self.beside()?;
        let failed = |error| SourceError::io(&self.repo, "it cannot be moved into place", error);
        match fs::rename(&self.dir, old.path()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let moved = fs::rename(fresh, &self.dir).map_err(failed);
        *self.in_use.lock().unwrap_or_else(PoisonError::into_inner) = None;
        open.close(&self.repo);
        moved
    }

    /// A directory beside the mirror that is removed with all that it holds, unless it was moved away.
    fn beside(&self) -> Result<tempfile::TempDir, SourceError> {
        let failed = |error| SourceError::io(&self.repo, "the directory of the mirrors cannot be written to", error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.parent).map_err(failed)?;
        tempfile::Builder::new().prefix(BESIDE).tempdir_in(&self.parent).map_err(failed)
    }

    /// A directory for the objects of one merge, from which the mirror's can be reached.
    pub(super) fn scratch(&self) -> Result<tempfile::TempDir, SourceError> {
        let failed = |error| SourceError::io(&self.repo, "the directory of the mirrors cannot be written to", error);
        let objects = match self.dir.join("objects").canonicalize() {
            Ok(objects) => objects,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(SourceError::NotMirrored { repo: self.repo.clone() });
            }
            Err(error) => return Err(failed(error)),
        };
        let scratch = self.beside()?;
        let info = scratch.path().join("info");
        fs::create_dir(&info).map_err(failed)?;
        let mut line = objects.into_os_string().into_encoded_bytes();
        line.push(b'\n');
        fs::write(info.join("alternates"), line).map_err(failed)?;
        Ok(scratch)
    }

    pub(super) fn packs(&self) -> usize {
        let Ok(files) = fs::read_dir(self.dir.join("objects/pack")) else { return 0 };
        files.flatten().filter(|file| file.path().extension().is_some_and(|ext| ext == "pack")).count()
    }
}

/// Removes what a process that was killed left: clones beside the mirrors, and the locks in them. One process owns them
/// all.
pub(super) fn remove_left_overs(dir: &Path) {
    let Ok(files) = fs::read_dir(dir) else { return };
    for file in files.flatten() {
        if file.file_name().to_string_lossy().starts_with(BESIDE) {
            let _ = fs::remove_dir_all(file.path());
        } else if file.path().extension().is_some_and(|extension| extension == "git") {
            remove_locks(&file.path(), false);
            remove_locks(&file.path().join("refs"), true);
        }
    }
}

/// A name that ends so can be no ref's. Links are not followed.
fn remove_locks(dir: &Path, below: bool) {
    let Ok(files) = fs::read_dir(dir) else { return };
    for file in files.flatten() {
        if below && file.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_locks(&file.path(), below);
        } else if file.path().extension().is_some_and(|extension| extension == "lock") {
            tracing::info!(file = %file.path().display(), "a lock that a killed process left is removed");
            let _ = fs::remove_file(file.path());
        }
    }
}

/// The limit of one object holds while deltas are resolved, too: what a pack says of sizes is not believed with memory.
fn options(slots: u16, max_object_bytes: u64) -> gix::open::Options {
    let slots = gix::odb::store::init::Slots::AsNeededByDiskState { multiplier: 2.0, minimum: usize::from(slots) };
    let limit = format!("gitoxide.objects.allocLimit={max_object_bytes}");
    let options = gix::open::Options::isolated().object_store_slots(slots).open_path_as_is(true);
    options.config_overrides([limit]).with(gix::sec::Trust::Full)
}

fn create(dir: &Path, repo: &RepoName) -> Result<(), SourceError> {
    let create = gix::create::Options { destination_must_be_empty: Some(true), ..Default::default() };
    gix::ThreadSafeRepository::init_opts(dir, gix::create::Kind::Bare, create, options(64, u64::from(u32::MAX)))
        .map(drop)
        .map_err(|error| SourceError::git(repo, "it cannot be created", error))
}

/// Removes what an interrupted fetch left, and the marks that would keep a pack from being made compact.
fn sweep(dir: &Path) {
    let Ok(files) = fs::read_dir(dir.join("objects/pack")) else { return };
    for file in files.flatten() {
        let name = file.file_name();
        let name = name.to_string_lossy();
        let left_over = name.starts_with(".tmp") || name.starts_with("tmp_");
        if left_over || name.ends_with(".keep") {
            let _ = fs::remove_file(file.path());
        }
    }
}
