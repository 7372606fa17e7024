//! Finds the definitions in a repo's tree: reads and checks the files at the configured globs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::extent::{Extent, LIMITS};
use super::native::{self, DefinitionError, Parsed};
use super::{Allow, App, Globs, Grants, Origin};
use crate::ids::{AppId, RepoName};
use crate::tree::{Mode, Tree, TreeEntry, TreeError};

/// No definition is longer; what is, is something else at the glob.
const LARGEST_FILE: u64 = 1024 * 1024;

/// So many names of a tree are looked at for definitions that no glob reaches.
const LOOKED_THROUGH: usize = 50_000;

/// Deeper folders than any repository has, so that a hostile tree ends.
const DEEPEST: usize = 64;

/// The apps of a tree. Names are unique; the files that can't be read, or define what may not be, are named.
#[derive(Debug, Default)]
pub struct Discovered {
    pub apps: BTreeMap<AppId, App>,
    pub errors: Vec<DefinitionError>,
    /// Apps that the configuration does not allow, as they are defined. Each has its error among the others.
    pub refused: BTreeMap<AppId, App>,
    /// Apps that are defined more than once, with the place that was met first. None of the definitions counts: which
    /// one is meant is not for the names of files to say.
    twice: BTreeMap<AppId, String>,
}

/// Where to look, and what the definitions may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub repo: &'a RepoName,
    /// The full ref whose definitions count.
    pub definitions_ref: &'a str,
    pub globs: &'a Globs,
    pub allow: &'a Allow,
    /// Other repos that the apps may read.
    pub may_read: &'a [RepoName],
}

/// What a look at a tree read. The next look, at another revision, reads only the folders and files that are other
/// objects there.
///
/// It holds what one revision has, so it is bounded by the repository. It belongs to one [`Scope`].
#[derive(Debug, Default)]
pub struct Memory(Arc<Folder>);

/// The folders and the files at the globs in a folder, by name. They follow from its tree object.
#[derive(Debug, Default)]
struct Folder {
    id: String,
    entries: BTreeMap<String, Entry>,
    extent: Extent,
}

#[derive(Debug)]
enum Entry {
    Folder(Arc<Folder>),
    File { id: String, bytes: u64, parsed: Arc<Parsed> },
}

/// Why a walk has no result.
enum Ended {
    Unreadable(TreeError),
    /// There is more than a look takes.
    TooLarge {
        folder: String,
        what: String,
    },
}

impl From<TreeError> for Ended {
    fn from(error: TreeError) -> Self {
        Self::Unreadable(error)
    }
}

/// One walk through the folders that the globs reach into.
struct Walk<'a> {
    scope: &'a Scope<'a>,
    tree: &'a dyn Tree,
    /// Whether nobody waits for the result any more.
    stopped: &'a dyn Fn() -> bool,
    most: Extent,
    so_far: Extent,
}

impl Memory {
    /// Whether another look read the very same files at the globs, so that it found the same apps.
    pub fn same_definitions(&self, other: &Self) -> bool {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        self.0.files("", &mut here);
        other.0.files("", &mut there);
        here == there
    }
}

impl Folder {
    /// The files below with their ids, in a fixed order.
    fn files<'a>(&'a self, path: &str, all: &mut Vec<(String, &'a str)>) {
        for (name, entry) in &self.entries {
            let path = join(path, name);
            match entry {
                Entry::Folder(folder) => folder.files(&path, all),
                Entry::File { id, .. } => all.push((path, id)),
            }
        }
    }
}

impl Scope<'_> {
    pub fn discover(&self, tree: &dyn Tree) -> Result<Discovered, TreeError> {
        Ok(self.discover_again(tree, &Memory::default(), &|| false)?.0)
    }

    /// The same, with what an earlier look remembers. The ids of the tree's folders must follow from their content, as
    /// Git's do. Once it is `stopped`, it ends soon, with an error that nobody reads.
    pub fn discover_again(
        &self,
        tree: &dyn Tree,
        known: &Memory,
        stopped: &dyn Fn() -> bool,
    ) -> Result<(Discovered, Memory), TreeError> {
        self.within(LIMITS, tree, known, stopped)
    }

    fn within(
        &self,
        most: Extent,
        tree: &dyn Tree,
        known: &Memory,
        stopped: &dyn Fn() -> bool,
    ) -> Result<(Discovered, Memory), TreeError> {
        let mut found = Discovered::default();
        let id = tree.entry("")?.map(|entry| entry.id).unwrap_or_default();
        let mut walk = Walk { scope: self, tree, stopped, most, so_far: Extent::default() };
        let root = match walk.folder("", id, 0, Some(&known.0)) {
            Ok(root) => root,
            Err(Ended::Unreadable(error)) => return Err(error),
            Err(Ended::TooLarge { folder, what }) => {
                found.errors.push(too_large(&folder, &what));
                return Ok((found, Memory::default()));
            }
        };
        self.take_all("", &root, &mut found);
        found.errors.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Ok((found, Memory(root)))
    }

    fn take_all(&self, path: &str, folder: &Folder, found: &mut Discovered) {
        for (name, entry) in &folder.entries {
            let path = join(path, name);
            match entry {
                Entry::Folder(folder) => self.take_all(&path, folder, found),
                Entry::File { parsed, .. } => self.take(&path, parsed, found),
            }
        }
    }

    fn take(&self, path: &str, parsed: &Parsed, found: &mut Discovered) {
        found.errors.extend_from_slice(&parsed.errors);
        for app in &parsed.apps {
            let refuse = |message| DefinitionError {
                file: path.to_owned(),
                line: app.origin.line,
                message,
                app: Some(app.id.name.clone()),
            };
            if let Some(first) = found.apps.remove(&app.id).or_else(|| found.refused.remove(&app.id)) {
                let message = format!(
                    "app {} is also defined at {path}:{}. Neither definition is used: remove one",
                    app.id.name, app.origin.line
                );
                let Origin { file, line, .. } = first.origin;
                found.twice.insert(app.id.clone(), format!("{file}:{line}"));
                found.errors.push(DefinitionError { file, line, message, app: Some(app.id.name.clone()) });
            }
            if let Some(first) = found.twice.get(&app.id) {
                let message = format!(
                    "app {} is already defined at {first}. Neither definition is used: remove one",
                    app.id.name
                );
                found.errors.push(refuse(message));
            } else if let Err(refusal) = self.grants().app(app) {
                found.errors.push(refuse(refusal.to_string()));
                found.refused.insert(app.id.clone(), app.clone());
            } else {
                found.apps.insert(app.id.clone(), app.clone());
            }
        }
    }

    /// Why a definition that was not found is not gone all the same, if it is not: a commit that takes it away takes it
    /// out of its file.
    pub fn hidden(&self, tree: &dyn Tree, app: &App) -> Result<Option<String>, TreeError> {
        let Origin { file, definitions_ref, .. } = &app.origin;
        if !definitions_ref.is_empty() && definitions_ref != self.definitions_ref {
            return Ok(Some(format!(
                "definitions are now read from {}, no longer from {definitions_ref}",
                self.definitions_ref
            )));
        }
        let Some(entry) = tree.entry(file)? else { return Ok(None) };
        match entry.mode {
            Mode::Link => Ok(Some(format!("{file} is now a symbolic link; a definition must be a regular file"))),
            Mode::Submodule => Ok(Some(format!("{file} is now a submodule; a definition must be a regular file"))),
            Mode::File | Mode::Executable if !self.globs.is_match(file) && tree.size(&entry.id)? <= LARGEST_FILE => {
                let text = String::from_utf8_lossy(&tree.blob(&entry.id)?).into_owned();
                let parsed = native::parse_file(self.repo, self.definitions_ref, file, &text);
                let names = parsed
                    .apps
                    .into_iter()
                    .map(|app| Some(app.id.name))
                    .chain(parsed.errors.into_iter().map(|error| error.app));
                let still = names.flatten().any(|name| name == app.id.name);
                Ok(still.then(|| format!("{file} still defines it but no longer matches any configured glob")))
            }
            Mode::File | Mode::Executable | Mode::Directory => Ok(None),
        }
    }

    /// The apps that a file would define, where no glob reaches it: nobody reads it.
    pub fn ignored(&self, tree: &dyn Tree, file: &str) -> Result<Vec<String>, TreeError> {
        let is_yaml = [".yaml", ".yml"].iter().any(|end| file.ends_with(end));
        if !is_yaml || self.globs.is_match(file) {
            return Ok(Vec::new());
        }
        let Some(TreeEntry { mode: Mode::File | Mode::Executable, id }) = tree.entry(file)? else {
            return Ok(Vec::new());
        };
        if tree.size(&id)? > LARGEST_FILE {
            return Ok(Vec::new());
        }
        let text = String::from_utf8_lossy(&tree.blob(&id)?).into_owned();
        if !text.contains(native::API_VERSION) {
            return Ok(Vec::new());
        }
        let parsed = native::parse_file(self.repo, self.definitions_ref, file, &text);
        let names = parsed.apps.into_iter().map(|app| app.id.name);
        let mut names: Vec<String> = names.chain(parsed.errors.into_iter().filter_map(|error| error.app)).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The same of all files of a tree, by their paths; of a very large one only of a part.
    pub fn ignored_in(&self, tree: &dyn Tree) -> Result<Vec<(String, Vec<String>)>, TreeError> {
        let (mut folders, mut left, mut found) = (vec![(String::new(), 0)], LOOKED_THROUGH, Vec::new());
        while let Some((folder, depth)) = folders.pop() {
            for (name, entry) in tree.list(&folder)?.unwrap_or_default() {
                if left == 0 {
                    return Ok(found);
                }
                left -= 1;
                let path = join(&folder, &name);
                match entry.mode {
                    Mode::Directory if depth < DEEPEST && name != ".git" => folders.push((path, depth + 1)),
                    Mode::File | Mode::Executable => {
                        let apps = self.ignored(tree, &path)?;
                        found.extend((!apps.is_empty()).then_some((path, apps)));
                    }
                    Mode::Directory | Mode::Link | Mode::Submodule => {}
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// What is said of such a file.
    pub fn why_ignored(&self, apps: &[String]) -> String {
        let (what, is) = if apps.len() == 1 { ("app", "is") } else { ("apps", "are") };
        format!(
            "it defines {what} {}, which {is} ignored: definitions.globs of repo {} ({}) do not match the file. Move \
             the file, or add a glob",
            apps.join(", "),
            self.repo,
            self.globs.patterns().join(", ")
        )
    }

    /// What can be told from the definition alone; the objects are looked at when they are rendered.
    fn grants(&self) -> Grants<'_> {
        Grants { repo: self.repo, allow: self.allow, may_read: self.may_read }
    }
}

impl Walk<'_> {
    fn folder(
        &mut self,
        path: &str,
        id: String,
        depth: usize,
        known: Option<&Arc<Folder>>,
    ) -> Result<Arc<Folder>, Ended> {
        if let Some(known) = known.filter(|known| known.id == id) {
            self.charge(path, known.extent)?;
            return Ok(Arc::clone(known));
        }
        if (self.stopped)() {
            return Err(TreeError::new("the definitions", "reading was cancelled").into());
        }
        let before = self.so_far;
        let names = self.tree.list(path)?.unwrap_or_default();
        self.charge(path, Extent { folders: 1, entries: names.len(), ..Extent::default() })?;
        let mut entries = BTreeMap::new();
        for (name, TreeEntry { mode, id }) in names {
            let path = join(path, &name);
            let known = known.and_then(|known| known.entries.get(&name));
            match mode {
                Mode::Directory if depth < DEEPEST && self.scope.globs.reach_into(&path) => {
                    let known =
                        known.and_then(|known| if let Entry::Folder(known) = known { Some(known) } else { None });
                    entries.insert(name, Entry::Folder(self.folder(&path, id, depth + 1, known)?));
                }
                Mode::File | Mode::Executable if self.scope.globs.is_match(&path) => {
                    entries.insert(name, self.file(&path, id, known)?);
                }
                // A definition is a file: following a link would read one outside the globs.
                Mode::Directory | Mode::File | Mode::Executable | Mode::Link | Mode::Submodule => {}
            }
        }
        Ok(Arc::new(Folder { id, entries, extent: self.so_far.minus(before) }))
    }

    fn file(&mut self, path: &str, id: String, known: Option<&Entry>) -> Result<Entry, Ended> {
        if let Some(Entry::File { id: before, bytes, parsed }) = known
            && *before == id
        {
            self.charge(path, Extent { files: 1, bytes: *bytes, ..Extent::default() })?;
            return Ok(Entry::File { id, bytes: *bytes, parsed: Arc::clone(parsed) });
        }
        // What is too long for a definition is not read.
        let size = self.tree.size(&id)?;
        let bytes = if size > LARGEST_FILE { 0 } else { size };
        self.charge(path, Extent { files: 1, bytes, ..Extent::default() })?;
        if (self.stopped)() {
            return Err(TreeError::new("the definitions", "reading was cancelled").into());
        }
        let parsed = Arc::new(self.parse(path, &id, size)?);
        Ok(Entry::File { id, bytes, parsed })
    }

    fn parse(&self, path: &str, id: &str, size: u64) -> Result<Parsed, TreeError> {
        let refused = |message: &str| {
            let error = DefinitionError { file: path.to_owned(), line: 0, message: message.to_owned(), app: None };
            Parsed { apps: Vec::new(), errors: vec![error] }
        };
        if size > LARGEST_FILE {
            return Ok(refused("the file is larger than 1 MiB, the limit for a definition"));
        }
        let Ok(text) = String::from_utf8(self.tree.blob(id)?) else { return Ok(refused("the file is not UTF-8")) };
        Ok(native::parse_file(self.scope.repo, self.scope.definitions_ref, path, &text))
    }

    fn charge(&mut self, path: &str, more: Extent) -> Result<(), Ended> {
        self.so_far = self.so_far.plus(more);
        match self.so_far.beyond(&self.most) {
            Some(what) => Err(Ended::TooLarge { folder: path.to_owned(), what }),
            None => Ok(()),
        }
    }
}

/// The first names of a path say where it is; the path itself may have as many names as its author liked.
const SHOWN: usize = 3;

fn too_large(path: &str, what: &str) -> DefinitionError {
    let mut names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).take(SHOWN).collect();
    if names.is_empty() {
        names.push(".");
    }
    let message = format!(
        "no definition was read: the folders matched by definitions.globs contain {what}, the limit of a repo. Remove \
         what is not needed there, or narrow definitions.globs"
    );
    DefinitionError { file: names.join("/"), line: 0, message, app: None }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
#[path = "discover_tests.rs"]
mod tests;
