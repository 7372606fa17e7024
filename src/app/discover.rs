//! Finds the definitions of a repo's tree: the files at the configured globs, read and checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::GlobSet;

use super::native::{self, DefinitionError, Parsed};
use super::{Allow, App, Grants, Origin};
use crate::ids::{AppId, RepoName};
use crate::tree::{Mode, Tree, TreeEntry, TreeError};

/// No definition is longer; what is, is something else at the glob.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Deeper folders than any repository has, so that a hostile tree ends.
const DEEPEST: usize = 64;

/// The apps of a tree. Names are unique; the files that can't be read, or define what may not be, are named.
#[derive(Debug, Default)]
pub struct Discovered {
    pub apps: BTreeMap<AppId, App>,
    pub errors: Vec<DefinitionError>,
    /// Apps that the configuration does not allow, as they are defined. Each has its error among the others.
    pub refused: BTreeMap<AppId, App>,
    /// Apps that are defined more than once, with the place that was met first. None of the definitions counts: which one is meant is not
    /// for the names of files to say.
    twice: BTreeMap<AppId, String>,
}

/// Where to look, and what the definitions may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub repo: &'a RepoName,
    /// The full ref whose definitions count.
    pub definitions_ref: &'a str,
    pub globs: &'a GlobSet,
    pub allow: &'a Allow,
    /// Other repos that the apps may read.
    pub may_read: &'a [RepoName],
}

/// What a look at a tree read. The next look, at another revision, reads only the folders and files that are other objects there.
///
/// It holds what one revision has, so it is bounded by the repository. It belongs to one [`Scope`].
#[derive(Debug, Default)]
pub struct Memory(Arc<Folder>);

/// The folders and the files at the globs in a folder, by name. They follow from its tree object.
#[derive(Debug, Default)]
struct Folder {
    id: String,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
enum Entry {
    Folder(Arc<Folder>),
    File { id: String, parsed: Arc<Parsed> },
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
        Ok(self.discover_again(tree, &Memory::default())?.0)
    }

    /// The same, with what an earlier look remembers. The ids of the tree's folders must follow from their content, as Git's do.
    pub fn discover_again(&self, tree: &dyn Tree, known: &Memory) -> Result<(Discovered, Memory), TreeError> {
        let mut found = Discovered::default();
        let id = tree.entry("")?.map(|entry| entry.id).unwrap_or_default();
        let root = self.folder(tree, "", id, 0, Some(&known.0))?;
        self.take_all("", &root, &mut found);
        found.errors.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Ok((found, Memory(root)))
    }

    fn folder(&self, tree: &dyn Tree, path: &str, id: String, depth: usize, known: Option<&Arc<Folder>>) -> Result<Arc<Folder>, TreeError> {
        if let Some(known) = known.filter(|known| known.id == id) {
            return Ok(Arc::clone(known));
        }
        let mut entries = BTreeMap::new();
        for (name, TreeEntry { mode, id }) in tree.list(path)?.unwrap_or_default() {
            let path = join(path, &name);
            let known = known.and_then(|known| known.entries.get(&name));
            match (mode, known) {
                (Mode::Directory, known) if depth < DEEPEST => {
                    let known = known.and_then(|known| if let Entry::Folder(known) = known { Some(known) } else { None });
                    entries.insert(name, Entry::Folder(self.folder(tree, &path, id, depth + 1, known)?));
                }
                (Mode::File | Mode::Executable, Some(Entry::File { id: before, parsed })) if *before == id => {
                    entries.insert(name, Entry::File { id, parsed: Arc::clone(parsed) });
                }
                (Mode::File | Mode::Executable, _) if self.globs.is_match(&path) => {
                    let parsed = Arc::new(self.parse(tree, &path, &id)?);
                    entries.insert(name, Entry::File { id, parsed });
                }
                // A definition is a file: following a link would read one outside the globs.
                (Mode::Directory | Mode::File | Mode::Executable | Mode::Link | Mode::Submodule, _) => {}
            }
        }
        Ok(Arc::new(Folder { id, entries }))
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

    fn parse(&self, tree: &dyn Tree, path: &str, id: &str) -> Result<Parsed, TreeError> {
        let refused = |message: &str| {
            let error = DefinitionError { file: path.to_owned(), line: 0, message: message.to_owned(), app: None };
            Parsed { apps: Vec::new(), errors: vec![error] }
        };
        if tree.size(id)? > LARGEST_FILE {
            return Ok(refused("the file is larger than 1 MiB, the limit for a definition"));
        }
        let Ok(text) = String::from_utf8(tree.blob(id)?) else { return Ok(refused("the file is not UTF-8")) };
        Ok(native::parse_file(self.repo, self.definitions_ref, path, &text))
    }

    fn take(&self, path: &str, parsed: &Parsed, found: &mut Discovered) {
        found.errors.extend_from_slice(&parsed.errors);
        for app in &parsed.apps {
            let refuse =
                |message| DefinitionError { file: path.to_owned(), line: app.origin.line, message, app: Some(app.id.name.clone()) };
            if let Some(first) = found.apps.remove(&app.id).or_else(|| found.refused.remove(&app.id)) {
                let message =
                    format!("app {} is also defined at {path}:{}. Neither definition is used: remove one", app.id.name, app.origin.line);
                let Origin { file, line, .. } = first.origin;
                found.twice.insert(app.id.clone(), format!("{file}:{line}"));
                found.errors.push(DefinitionError { file, line, message, app: Some(app.id.name.clone()) });
            }
            if let Some(first) = found.twice.get(&app.id) {
                let message = format!("app {} is already defined at {first}. Neither definition is used: remove one", app.id.name);
                found.errors.push(refuse(message));
            } else if let Err(refusal) = self.grants().app(app) {
                found.errors.push(refuse(refusal.to_string()));
                found.refused.insert(app.id.clone(), app.clone());
            } else {
                found.apps.insert(app.id.clone(), app.clone());
            }
        }
    }

    /// Why a definition that was not found is not gone all the same, if it is not: a commit that takes it away takes it out of its file.
    pub fn hidden(&self, tree: &dyn Tree, app: &App) -> Result<Option<String>, TreeError> {
        let Origin { file, definitions_ref, .. } = &app.origin;
        if !definitions_ref.is_empty() && definitions_ref != self.definitions_ref {
            return Ok(Some(format!("definitions are now read from {}, no longer from {definitions_ref}", self.definitions_ref)));
        }
        let Some(entry) = tree.entry(file)? else { return Ok(None) };
        match entry.mode {
            Mode::Link => Ok(Some(format!("{file} is now a symbolic link; a definition must be a regular file"))),
            Mode::Submodule => Ok(Some(format!("{file} is now a submodule; a definition must be a regular file"))),
            Mode::File | Mode::Executable if !self.globs.is_match(file) && tree.size(&entry.id)? <= LARGEST_FILE => {
                let text = String::from_utf8_lossy(&tree.blob(&entry.id)?).into_owned();
                let parsed = native::parse_file(self.repo, self.definitions_ref, file, &text);
                let names = parsed.apps.into_iter().map(|app| Some(app.id.name)).chain(parsed.errors.into_iter().map(|error| error.app));
                let still = names.flatten().any(|name| name == app.id.name);
                Ok(still.then(|| format!("{file} still defines it but no longer matches any configured glob")))
            }
            Mode::File | Mode::Executable | Mode::Directory => Ok(None),
        }
    }

    /// What can be told from the definition alone; the objects are looked at when they are rendered.
    fn grants(&self) -> Grants<'_> {
        Grants { repo: self.repo, allow: self.allow, may_read: self.may_read }
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use globset::{Glob, GlobSetBuilder};

    use super::*;
    use crate::tree::memory::MemoryTree;

    fn definition(name: &str, cluster: &str, repo: &str) -> String {
        format!(
            "apiVersion: driftless.dev/v1\nkind: App\nmetadata: {{name: {name}}}\nspec:\n  source: {{repo: {repo}, path: deploy}}\n  \
             destination: {{cluster: {cluster}, namespace: shop}}\n"
        )
    }

    fn discover(tree: &MemoryTree) -> Discovered {
        again(tree, &Memory::default()).0
    }

    fn again(tree: &dyn Tree, known: &Memory) -> (Discovered, Memory) {
        let globs = GlobSetBuilder::new().add(Glob::new("apps/**/*.yaml").expect("a glob")).build().expect("globs");
        let allow: Allow = serde_json::from_value(serde_json::json!({"clusters": ["prod"], "namespaces": ["shop*"]})).expect("a list");
        let repo = RepoName::new("shop");
        let scope =
            Scope { repo: &repo, definitions_ref: "refs/heads/main", globs: &globs, allow: &allow, may_read: &[RepoName::new("lib")] };
        scope.discover_again(tree, known).expect("memory does not fail")
    }

    /// Notes what it is asked for.
    struct Noting(MemoryTree, Mutex<Vec<String>>);

    impl Noting {
        fn note(&self, what: &str) {
            self.1.lock().expect("nobody panics").push(what.to_owned());
        }
    }

    impl Tree for Noting {
        fn entry(&self, path: &str) -> Result<Option<TreeEntry>, TreeError> {
            self.0.entry(path)
        }

        fn blob(&self, id: &str) -> Result<Vec<u8>, TreeError> {
            self.note("a file");
            self.0.blob(id)
        }

        fn size(&self, id: &str) -> Result<u64, TreeError> {
            self.0.size(id)
        }

        fn list(&self, path: &str) -> Result<Option<Vec<(String, TreeEntry)>>, TreeError> {
            self.note(path);
            self.0.list(path)
        }
    }

    #[test]
    fn a_second_look_reads_what_is_another_object() {
        let tree = MemoryTree::new()
            .file("apps/eu/web.yaml", definition("web", "prod", "shop"))
            .file("apps/us/web.yaml", definition("us", "prod", "shop"))
            .file("apps/us/bad.yaml", definition("far", "staging", "shop"))
            .file("deploy/a/b.txt", "1");
        let (first, known) = again(&tree, &Memory::default());
        let moved =
            tree.file("apps/us/web.yaml", definition("us2", "prod", "shop")).file("deploy/a/b.txt", "2").without("apps/eu/web.yaml");
        let noting = Noting(moved.clone(), Mutex::default());
        let (second, newer) = again(&noting, &known);
        assert!(!known.same_definitions(&newer));
        let elsewhere = moved.clone().file("deploy/a/b.txt", "3");
        assert!(newer.same_definitions(&again(&elsewhere, &newer).1), "other files are of no account");
        let known = newer;
        assert_eq!(format!("{second:?}"), format!("{:?}", discover(&moved)), "as if nothing were remembered");
        assert_ne!(format!("{first:?}"), format!("{second:?}"));
        let asked = std::mem::take(&mut *noting.1.lock().expect("nobody panics"));
        assert_eq!(asked, ["", "apps", "apps/us", "a file", "deploy", "deploy/a"]);
        let (third, same) = again(&noting, &known);
        assert!(known.same_definitions(&same) && !known.same_definitions(&Memory::default()));
        assert_eq!(format!("{second:?}"), format!("{third:?}"));
        assert_eq!(*noting.1.lock().expect("nobody panics"), [""; 0], "the same tree is not read at all");
    }

    fn scoped<T>(glob: &str, definitions_ref: &str, look: impl FnOnce(Scope<'_>) -> T) -> T {
        let globs = GlobSetBuilder::new().add(Glob::new(glob).expect("a glob")).build().expect("globs");
        let allow: Allow = serde_json::from_value(serde_json::json!({"clusters": ["prod"], "namespaces": ["shop*"]})).expect("a list");
        let (repo, may_read) = (RepoName::new("shop"), [RepoName::new("lib")]);
        look(Scope { repo: &repo, definitions_ref, globs: &globs, allow: &allow, may_read: &may_read })
    }

    #[test]
    fn a_second_definition_takes_an_app_from_nobody() {
        // As after a file was copied and its name forgotten: the copy comes first, and would move the app to other manifests.
        let copy = definition("web", "prod", "shop").replace("path: deploy", "path: other");
        let tree = MemoryTree::new().file("apps/web.yaml", definition("web", "prod", "shop")).file("apps/api.yaml", copy);
        let found = discover(&tree);
        assert!(found.apps.is_empty(), "{:?}", found.apps);
        let places: Vec<_> = found.errors.iter().map(|error| (error.file.as_str(), error.app.as_deref())).collect();
        assert_eq!(places, [("apps/api.yaml", Some("web")), ("apps/web.yaml", Some("web"))]);
    }

    #[test]
    fn only_a_commit_takes_a_definition_away() {
        let web = || definition("web", "prod", "shop");
        let tree = MemoryTree::new().file("apps/web.yaml", web());
        let app = discover(&tree).apps.into_values().next().expect("one app");
        let hidden = |glob: &str, branch: &str, tree: &MemoryTree| {
            scoped(glob, branch, |scope| scope.hidden(tree, &app).expect("memory does not fail"))
        };
        let main = "refs/heads/main";
        assert_eq!(hidden("apps/*.yaml", main, &MemoryTree::new()), None, "deleted");
        assert_eq!(
            hidden("apps/*.yaml", main, &MemoryTree::new().file("apps/web.yaml", definition("api", "prod", "shop"))),
            None,
            "edited"
        );
        assert_eq!(hidden("apps/*.yaml", main, &MemoryTree::new().file("attic/web.yaml", web())), None, "moved away");
        let texts = [
            hidden("clusters/*.yaml", main, &tree),
            hidden("apps/*.yaml", "refs/heads/release", &MemoryTree::new()),
            hidden("apps/*.yaml", main, &MemoryTree::new().link("apps/web.yaml", "../attic/web.yaml")),
        ];
        let texts: Vec<_> = texts.into_iter().map(|text| text.expect("a reason")).collect();
        insta::assert_snapshot!(texts.join("\n"), @r"
        apps/web.yaml still defines it but no longer matches any configured glob
        definitions are now read from refs/heads/release, no longer from refs/heads/main
        apps/web.yaml is now a symbolic link; a definition must be a regular file
        ");
    }

    #[test]
    fn apps_are_found_at_the_globs_only() {
        let tree = MemoryTree::new()
            .file("apps/eu/web.yaml", definition("web", "prod", "shop"))
            .file("apps/lib.yaml", definition("lib", "prod", "lib"))
            .file("other/web.yaml", definition("other", "prod", "shop"))
            .link("apps/link.yaml", "../other/web.yaml");
        let found = discover(&tree);
        let names: Vec<_> = found.apps.keys().map(ToString::to_string).collect();
        assert_eq!((names, found.errors), (vec!["shop/lib".to_owned(), "shop/web".to_owned()], vec![]));
    }

    /// X4+: a destination namespace that is not allowed is refused with its definition, whatever namespaces the manifests name themselves.
    #[test]
    fn the_namespace_of_a_destination_must_be_allowed() {
        let tree =
            MemoryTree::new().file("apps/web.yaml", definition("web", "prod", "shop").replace("namespace: shop", "namespace: kube-system"));
        let found = discover(&tree);
        assert!(found.apps.is_empty() && found.refused.len() == 1);
        insta::assert_snapshot!(found.errors[0]);
    }

    #[test]
    fn what_may_not_be_is_named() {
        let tree = MemoryTree::new()
            .file("apps/a.yaml", definition("web", "prod", "shop"))
            .file("apps/b.yaml", definition("web", "prod", "shop"))
            .file("apps/c.yaml", definition("far", "staging", "shop"))
            .file("apps/d.yaml", definition("spy", "prod", "secrets"))
            .file("apps/e.yaml", [0xff, 0xfe]);
        let found = discover(&tree);
        assert_eq!(found.apps.len(), 0);
        let messages: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(messages.join("\n"));
    }
}
