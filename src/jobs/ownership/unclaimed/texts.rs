//! Everything that an app is made from, as text: what it read when it last rendered or failed, and what lies where it
//! is.

use std::collections::BTreeSet;

use crate::app::{App, Destination};
use crate::jobs::remembered::could::Could;
use crate::trace::{Asked, Trace};
use crate::tree::{Mode, Tree, TreeError};

/// More is not looked through: then the app could render anything.
const MOST_BYTES: usize = 1 << 20;
const MOST_ENTRIES: usize = 5_000;

/// What an app that does not render at this tree could render.
pub(in crate::jobs) fn of(app: &App, tree: &dyn Tree, traces: &[&Trace]) -> Result<Could, TreeError> {
    let definition = said(app);
    let mut texts = Texts { tree, text: String::new(), seen: BTreeSet::new(), entries: 0, above: usize::MAX };
    texts.take(&app.source.path, &definition);
    let read = traces.iter().flat_map(|trace| trace.iter()).filter(|(_, asked)| matches!(asked, Asked::Read { .. }));
    let read: BTreeSet<&str> = read.map(|(path, _)| path).collect();
    let mut root = app.source.path.trim_matches('/');
    loop {
        if !texts.add(root)? {
            return Ok(Could::Anything);
        }
        for path in &read {
            if !texts.add(path)? {
                return Ok(Could::Anything);
            }
        }
        // What is read from beside a file may name more than was read.
        let higher = first_names(root, texts.above);
        if higher == root {
            return Ok(Could::Of(texts.text));
        }
        root = higher;
    }
}

/// What a definition says that a template can make names of: words of its policies name no object, nor do those that
/// Driftless has for its fields.
fn said(App { id, source, render, destination, .. }: &App) -> String {
    let Destination { cluster, namespace } = destination;
    let helm = &render.helm;
    let files = helm.values_files.join("\n");
    format!(
        "{id}\n{}\n{}\n{}\n{cluster}\n{namespace}\n{files}\n{}",
        source.repo, source.ref_name, source.path, helm.values
    )
}

struct Texts<'a> {
    tree: &'a dyn Tree,
    text: String,
    seen: BTreeSet<String>,
    entries: usize,
    /// How many names the path of the highest folder has that any of the files leads to.
    above: usize,
}

impl Texts<'_> {
    /// Adds what is at a path and below it. False where that cannot be read as text, or is too much.
    fn add(&mut self, path: &str) -> Result<bool, TreeError> {
        let Some(entry) = self.tree.entry(path)? else { return Ok(true) };
        let mut next = vec![(path.to_owned(), entry)];
        while let Some((path, entry)) = next.pop() {
            if !self.seen.insert(path.clone()) && entry.mode != Mode::Directory {
                continue;
            }
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                return Ok(false);
            }
            match entry.mode {
                Mode::Directory => {
                    let below = self.tree.list(&path)?.unwrap_or_default();
                    next.extend(below.into_iter().map(|(name, entry)| (join(&path, &name), entry)));
                }
                Mode::File | Mode::Executable => {
                    if self.text.len()
                        + usize::try_from(self.tree.size(&entry.id)?).unwrap_or(usize::MAX).min(MOST_BYTES)
                        > MOST_BYTES
                    {
                        return Ok(false);
                    }
                    let Ok(text) = String::from_utf8(self.tree.blob(&entry.id)?) else { return Ok(false) };
                    self.take(path.rsplit_once('/').map_or("", |(folder, _)| folder), &text);
                }
                // It may lead anywhere.
                Mode::Link => return Ok(false),
                Mode::Submodule => {}
            }
        }
        Ok(true)
    }

    /// Adds the text of a file in this folder.
    fn take(&mut self, folder: &str, text: &str) {
        let names = folder.split('/').filter(|name| !name.is_empty()).count();
        if let ups @ 1.. = ups(text) {
            self.above = self.above.min(names.saturating_sub(ups));
        }
        self.text.push_str(&text.to_lowercase());
        self.text.push('\n');
    }
}

/// The most `../` in a row.
fn ups(text: &str) -> usize {
    let (mut most, mut here, mut rest) = (0, 0, text);
    while let Some(at) = rest.find("..") {
        here = if at <= 1 && here > 0 { here + 1 } else { 1 };
        most = most.max(here);
        rest = &rest[at + 2..];
    }
    most
}

fn first_names(path: &str, most: usize) -> &str {
    match path.match_indices('/').nth(most.wrapping_sub(1)) {
        _ if most == 0 => "",
        Some((at, _)) => &path[..at],
        None => path,
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RepoName;
    use crate::tree::memory::MemoryTree;

    fn app(path: &str) -> App {
        let text = format!(
            "apiVersion: driftless.dev/v1\nkind: App\nmetadata: {{name: web}}\nspec:\n  source: {{path: {path}}}\n  \
             destination: {{cluster: prod, namespace: shop}}\n"
        );
        crate::app::parse_file(&RepoName::new("shop"), "refs/heads/main", "apps/web.yaml", &text).apps.remove(0)
    }

    fn text(path: &str, tree: &MemoryTree) -> Option<String> {
        match of(&app(path), tree, &[]).expect("memory does not fail") {
            Could::Of(text) => Some(text),
            Could::Anything => None,
        }
    }

    /// A3+: the names of Driftless's own fields, and of policies, are no names of objects.
    #[test]
    fn only_what_a_definition_says_counts() {
        assert_eq!(said(&app("web/prod")), "shop/web\nshop\nrefs/heads/main\nweb/prod\nprod\nshop\n\nnull");
    }

    /// A3+: what a broken app could render is what any file names that it can reach.
    #[test]
    fn all_that_an_app_can_reach_is_looked_through() {
        let tree = MemoryTree::new()
            .file("web/overlays/prod/kustomization.yaml", "resources: [../../base]")
            .file("web/base/kustomization.yaml", "resources: [Alpha.yaml, ../../lib]")
            .file("lib/a.yaml", "kind: Beta")
            .file("other/a.yaml", "gamma");
        let found = text("web/overlays/prod", &tree).expect("text");
        assert!(found.contains("alpha") && found.contains("beta") && found.contains("shop/web"), "{found}");
        let alone = text("lib", &tree).expect("text");
        assert!(alone.contains("beta") && !alone.contains("gamma") && !alone.contains("alpha"), "{alone}");
        let found = text("web/base", &tree.clone().file("web/base/chart.tgz", [0xff, 0x00]));
        assert_eq!(found, None, "what has no text may hold anything");
        assert_eq!(text("lib", &tree.clone().link("lib/more", "../other")), None);
        assert_eq!(text("lib", &tree.file("lib/large", "x".repeat(MOST_BYTES + 1))), None);
        assert_eq!([ups("a/../../b"), ups("../x ../y"), ups("a..b"), ups("none")], [2, 1, 1, 0]);
        assert_eq!(
            [first_names("a/b/c", 0), first_names("a/b/c", 2), first_names("a/b/c", usize::MAX)],
            ["", "a/b", "a/b/c"]
        );
    }
}
