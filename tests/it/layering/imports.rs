//! Which file knows which other one: by `use`, and by paths within the code. What a file passes on by `pub use` counts
//! as known to whoever takes it there, and not to the file.

use std::collections::{BTreeMap, BTreeSet};

use super::words::words;

/// The name of a module, from the root of its crate.
type Path = Vec<String>;

/// The files of a crate by their modules.
pub struct Tree {
    files: BTreeMap<Path, File>,
}

struct File {
    /// From the root of the sources.
    place: String,
    defines: BTreeSet<String>,
    names: BTreeSet<Path>,
    /// What is passed on, by the name under which it is.
    passes_on: BTreeMap<String, Path>,
    /// Modules of which all is passed on.
    passes_on_all: Vec<Path>,
}

impl File {
    fn has(&self, name: &str) -> bool {
        self.defines.contains(name) || self.passes_on.contains_key(name)
    }
}

/// More re-exports than this in a row are a circle of their own.
const MOST_REEXPORTS: usize = 8;

impl Tree {
    /// From the places and texts of the files.
    pub fn of<'a>(sources: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let sources: Vec<_> = sources.into_iter().map(|(place, text)| (module(place), place, words(text))).collect();
        let modules: BTreeSet<Path> = sources.iter().map(|(module, ..)| module.clone()).collect();
        let read = |(module, place, words): (Path, &str, Vec<&str>)| {
            let file = Reader { modules: &modules, module: module.clone(), inner: Vec::new() }.file(place, &words);
            (module, file)
        };
        Self { files: sources.into_iter().map(read).collect() }
    }

    /// From each file to those that it knows, with the path by which it does.
    pub fn edges(&self) -> BTreeMap<&str, BTreeMap<&str, String>> {
        let of = |module: &Path, file: &File| {
            let mut known = BTreeMap::new();
            for name in &file.names {
                if let Some(to) = self.owner(name, 0).filter(|to| *to != module) {
                    known.entry(self.files[to].place.as_str()).or_insert_with(|| format!("crate::{}", name.join("::")));
                }
            }
            known
        };
        self.files.iter().map(|(module, file)| (file.place.as_str(), of(module, file))).collect()
    }

    /// The file that a path leads to, past whatever passes it on.
    fn owner<'t>(&'t self, path: &[String], reexports: usize) -> Option<&'t Path> {
        let (module, file) = (0..=path.len()).rev().find_map(|length| self.files.get_key_value(&path[..length]))?;
        let Some(name) = path.get(module.len()) else { return Some(module) };
        if file.defines.contains(name) || reexports == MOST_REEXPORTS {
            return Some(module);
        }
        if let Some(origin) = file.passes_on.get(name) {
            return self.owner(&[origin, &path[module.len() + 1..]].concat(), reexports + 1);
        }
        let has = |origin: &&Path| self.files.get(*origin).is_some_and(|file| file.has(name));
        match file.passes_on_all.iter().find(has) {
            Some(origin) => self.owner(&[origin, &path[module.len()..]].concat(), reexports + 1),
            None => Some(module),
        }
    }
}

/// `plan/mod.rs` and `plan.rs` are the module `plan`.
fn module(place: &str) -> Path {
    let mut parts: Path = place.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod" || *parts == ["lib"]) {
        parts.pop();
    }
    parts
}

/// One file as it is read.
struct Reader<'m> {
    modules: &'m BTreeSet<Path>,
    module: Path,
    /// The modules within the file that are open, and how deep in brackets each is.
    inner: Vec<(String, usize)>,
}

impl Reader<'_> {
    fn file(mut self, place: &str, words: &[&str]) -> File {
        let mut file = File {
            place: place.to_owned(),
            defines: BTreeSet::new(),
            names: BTreeSet::new(),
            passes_on: BTreeMap::new(),
            passes_on_all: Vec::new(),
        };
        let (mut at, mut depth) = (0, 0);
        while at < words.len() {
            match (words[at], words.get(at + 1).copied().unwrap_or_default()) {
                ("use", _) => {
                    let end = at + words[at..].iter().position(|word| *word == ";").unwrap_or(words.len() - at);
                    self.import(&words[at + 1..end], is_public(&words[..at]), &mut file);
                    at = end;
                }
                // Where an item may be seen says nothing of who knows whom.
                ("pub", "(") => at += words[at..].iter().position(|word| *word == ")").unwrap_or_default(),
                ("mod", name) if words.get(at + 2) == Some(&"{") => self.inner.push((name.to_owned(), depth)),
                ("struct" | "enum" | "trait" | "type" | "const" | "static" | "fn" | "union", name) => {
                    file.defines.insert(name.to_owned());
                }
                ("macro_rules", _) => file.defines.extend(words.get(at + 2).map(|name| (*name).to_owned())),
                ("{", _) => depth += 1,
                ("}", _) => {
                    depth = depth.saturating_sub(1);
                    self.inner.retain(|(_, open)| *open < depth);
                }
                (_, "::") if at == 0 || words[at - 1] != "::" => file.names.extend(self.absolute(&path(&words[at..]))),
                _ => {}
            }
            at += 1;
        }
        file
    }

    fn import(&self, tree: &[&str], is_public: bool, file: &mut File) {
        for (path, name) in leaves(tree) {
            let Some(path) = self.absolute(&path) else { continue };
            match name {
                _ if !is_public => {
                    file.names.insert(path);
                }
                Some(name) => {
                    file.passes_on.insert(name.to_owned(), path);
                }
                None => file.passes_on_all.push(path),
            }
        }
    }

    /// A path from the root, if it is one of ours.
    fn absolute(&self, path: &[&str]) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        let mut base = self.module.clone();
        base.extend(self.inner.iter().map(|(name, _)| name.clone()));
        let owned = |rest: &[&str]| rest.iter().map(|part| (*part).to_owned()).collect::<Path>();
        match *first {
            "crate" => Some(owned(rest)),
            "self" => Some([base, owned(rest)].concat()),
            "super" => {
                let ups = path.iter().take_while(|part| **part == "super").count();
                base.truncate(base.len().saturating_sub(ups));
                Some([base, owned(&path[ups..])].concat())
            }
            child => {
                base.push(child.to_owned());
                self.modules.contains(&base).then(|| [base, owned(rest)].concat())
            }
        }
    }
}

/// The parts of the path that begins here.
fn path<'t>(words: &[&'t str]) -> Vec<&'t str> {
    let mut parts = words[..1].to_vec();
    let mut rest = &words[1..];
    while let ["::", next, after @ ..] = rest
        && next.starts_with(|char: char| char.is_alphanumeric() || char == '_')
    {
        parts.push(*next);
        rest = after;
    }
    parts
}

/// Whether `pub`, `pub(crate)` or the like stands before an import.
fn is_public(before: &[&str]) -> bool {
    let visibility = match before {
        [.., ")"] => before.iter().rposition(|word| *word == "(").map_or(before, |open| &before[..open]),
        _ => before,
    };
    visibility.last() == Some(&"pub")
}

/// The paths of a tree of imports, each with the name that it has here; none for all names of a module.
fn leaves<'t>(tree: &[&'t str]) -> Vec<(Vec<&'t str>, Option<&'t str>)> {
    let mut found = Vec::new();
    let mut prefix = Vec::new();
    let mut rest = tree;
    while let Some((word, after)) = rest.split_first() {
        match *word {
            "::" => {}
            "{" => {
                let inner = &after[..after.len() - 1];
                for branch in branches(inner) {
                    let below = leaves(branch).into_iter();
                    found.extend(below.map(|(path, name)| ([prefix.clone(), path].concat(), name)));
                }
                return found.into_iter().map(without_self).collect();
            }
            "*" => return vec![(prefix, None)],
            "as" => return vec![(prefix, after.first().copied())],
            part => prefix.push(part),
        }
        rest = after;
    }
    let name = prefix.last().copied();
    if prefix.is_empty() { Vec::new() } else { vec![(prefix, name)] }
}

/// `a::{self}` is `a`.
fn without_self<'t>((mut path, name): (Vec<&'t str>, Option<&'t str>)) -> (Vec<&'t str>, Option<&'t str>) {
    if path.len() > 1 && path.last() == Some(&"self") {
        path.pop();
        let name = name.filter(|name| *name != "self").or(path.last().copied());
        return (path, name);
    }
    (path, name)
}

/// What commas part, outside inner brackets.
fn branches<'w, 't>(words: &'w [&'t str]) -> Vec<&'w [&'t str]> {
    let mut depth = 0_usize;
    let parts = words.split(move |word| {
        match *word {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        *word == "," && depth == 0
    });
    parts.filter(|part| !part.is_empty()).collect()
}
