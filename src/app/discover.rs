//! Finds the definitions of a repo's tree: the files at the configured globs, read and checked.

use std::collections::BTreeMap;

use globset::GlobSet;

use super::native::{self, DefinitionError};
use super::{Allow, App};
use crate::ids::{AppId, RepoName};
use crate::tree::{Mode, Tree, TreeError};

/// No definition is longer; what is, is something else at the glob.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Deeper folders than any repository has, so that a hostile tree ends.
const DEEPEST: usize = 64;

/// The apps of a tree. Names are unique; the files that can't be read, or define what may not be, are named.
#[derive(Debug, Default)]
pub struct Discovered {
    pub apps: BTreeMap<AppId, App>,
    pub errors: Vec<DefinitionError>,
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

impl Scope<'_> {
    pub fn discover(&self, tree: &dyn Tree) -> Result<Discovered, TreeError> {
        let mut found = Discovered::default();
        self.folder(tree, "", 0, &mut found)?;
        found.errors.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Ok(found)
    }

    fn folder(&self, tree: &dyn Tree, path: &str, depth: usize, found: &mut Discovered) -> Result<(), TreeError> {
        if depth > DEEPEST {
            return Ok(());
        }
        for (name, entry) in tree.list(path)?.unwrap_or_default() {
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            match entry.mode {
                Mode::Directory => self.folder(tree, &path, depth + 1, found)?,
                Mode::File | Mode::Executable if self.globs.is_match(&path) => self.file(tree, &path, &entry.id, found)?,
                // A definition is a file: following a link would read one outside the globs.
                Mode::File | Mode::Executable | Mode::Link | Mode::Submodule => {}
            }
        }
        Ok(())
    }

    fn file(&self, tree: &dyn Tree, path: &str, id: &str, found: &mut Discovered) -> Result<(), TreeError> {
        let error = |line, message: String, app| DefinitionError { file: path.to_owned(), line, message, app };
        if tree.size(id)? > LARGEST_FILE {
            found.errors.push(error(0, "the file is larger than 1 MiB, which no definition is".into(), None));
            return Ok(());
        }
        let Ok(text) = String::from_utf8(tree.blob(id)?) else {
            found.errors.push(error(0, "the file is not UTF-8".into(), None));
            return Ok(());
        };
        let parsed = native::parse_file(self.repo, self.definitions_ref, path, &text);
        found.errors.extend(parsed.errors);
        for app in parsed.apps {
            let line = app.origin.line;
            if let Some(first) = found.apps.get(&app.id) {
                let message = format!("app {} is defined already, at {}:{}", app.id.name, first.origin.file, first.origin.line);
                found.errors.push(error(line, message, Some(app.id.name)));
            } else if let Err(message) = self.permitted(&app) {
                found.errors.push(error(line, message, Some(app.id.name)));
            } else {
                found.apps.insert(app.id.clone(), app);
            }
        }
        Ok(())
    }

    /// What can be told from the definition alone; the objects are looked at when they are rendered.
    fn permitted(&self, app: &App) -> Result<(), String> {
        self.allow.cluster(self.repo, &app.destination.cluster).map_err(|refusal| refusal.to_string())?;
        if app.source.repo != *self.repo && !self.may_read.contains(&app.source.repo) {
            let (own, other) = (self.repo, &app.source.repo);
            return Err(format!(
                "repo {own} may not read repo {other}: it is not in repos[{own}].mayRead; whoever runs Driftless can add it"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
        let globs = GlobSetBuilder::new().add(Glob::new("apps/**/*.yaml").expect("a glob")).build().expect("globs");
        let allow: Allow = serde_json::from_value(serde_json::json!({"clusters": ["prod"]})).expect("a list");
        let repo = RepoName::new("shop");
        let scope =
            Scope { repo: &repo, definitions_ref: "refs/heads/main", globs: &globs, allow: &allow, may_read: &[RepoName::new("lib")] };
        scope.discover(tree).expect("memory does not fail")
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

    #[test]
    fn what_may_not_be_is_named() {
        let tree = MemoryTree::new()
            .file("apps/a.yaml", definition("web", "prod", "shop"))
            .file("apps/b.yaml", definition("web", "prod", "shop"))
            .file("apps/c.yaml", definition("far", "staging", "shop"))
            .file("apps/d.yaml", definition("spy", "prod", "secrets"))
            .file("apps/e.yaml", [0xff, 0xfe]);
        let found = discover(&tree);
        assert_eq!(found.apps.len(), 1);
        let messages: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(messages.join("\n"));
    }
}
