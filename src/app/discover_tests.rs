use std::sync::Mutex;

use super::*;
use crate::tree::memory::MemoryTree;

fn definition(name: &str, cluster: &str, repo: &str) -> String {
    format!(
        "apiVersion: driftless.dev/v1\nkind: App\nmetadata: {{name: {name}}}\nspec:\n  source: {{repo: {repo}, path: \
         deploy}}\n  \
         destination: {{cluster: {cluster}, namespace: shop}}\n"
    )
}

fn discover(tree: &MemoryTree) -> Discovered {
    again(tree, &Memory::default()).0
}

fn again(tree: &dyn Tree, known: &Memory) -> (Discovered, Memory) {
    let globs = Globs::new(["apps/**/*.yaml"]).expect("a glob");
    let allow: Allow =
        serde_json::from_value(serde_json::json!({"clusters": ["prod"], "namespaces": ["shop*"]})).expect("a list");
    let repo = RepoName::new("shop");
    let scope = Scope {
        repo: &repo,
        definitions_ref: "refs/heads/main",
        globs: &globs,
        allow: &allow,
        may_read: &[RepoName::new("lib")],
    };
    scope.discover_again(tree, known, &|| false).expect("memory does not fail")
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
    let moved = tree
        .file("apps/us/web.yaml", definition("us2", "prod", "shop"))
        .file("deploy/a/b.txt", "2")
        .without("apps/eu/web.yaml");
    let noting = Noting(moved.clone(), Mutex::default());
    let (second, newer) = again(&noting, &known);
    assert!(!known.same_definitions(&newer));
    let elsewhere = moved.clone().file("deploy/a/b.txt", "3");
    assert!(newer.same_definitions(&again(&elsewhere, &newer).1), "other files are of no account");
    let known = newer;
    assert_eq!(format!("{second:?}"), format!("{:?}", discover(&moved)), "as if nothing were remembered");
    assert_ne!(format!("{first:?}"), format!("{second:?}"));
    let asked = std::mem::take(&mut *noting.1.lock().expect("nobody panics"));
    assert_eq!(asked, ["", "apps", "apps/us", "a file"], "no definition can be elsewhere");
    let (third, same) = again(&noting, &known);
    assert!(known.same_definitions(&same) && !known.same_definitions(&Memory::default()));
    assert_eq!(format!("{second:?}"), format!("{third:?}"));
    assert_eq!(*noting.1.lock().expect("nobody panics"), [""; 0], "the same tree is not read at all");
}

fn scoped<T>(glob: &str, definitions_ref: &str, look: impl FnOnce(Scope<'_>) -> T) -> T {
    let globs = Globs::new([glob]).expect("a glob");
    let allow: Allow =
        serde_json::from_value(serde_json::json!({"clusters": ["prod"], "namespaces": ["shop*"]})).expect("a list");
    let (repo, may_read) = (RepoName::new("shop"), [RepoName::new("lib")]);
    look(Scope { repo: &repo, definitions_ref, globs: &globs, allow: &allow, may_read: &may_read })
}

#[test]
fn a_second_definition_takes_an_app_from_nobody() {
    // As after a file was copied and its name forgotten: the copy comes first, and would move the app to other
    // manifests.
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

/// X4+: a destination namespace that is not allowed is refused with its definition, whatever namespaces the manifests
/// name themselves.
#[test]
fn the_namespace_of_a_destination_must_be_allowed() {
    let tree = MemoryTree::new()
        .file("apps/web.yaml", definition("web", "prod", "shop").replace("namespace: shop", "namespace: kube-system"));
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

/// A few tree objects that name each other ten times: more folders than anybody can list.
struct Bomb {
    listed: std::sync::atomic::AtomicUsize,
}

impl Bomb {
    fn new() -> Self {
        Self { listed: std::sync::atomic::AtomicUsize::new(0) }
    }

    fn listed(&self) -> usize {
        self.listed.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl Tree for Bomb {
    fn entry(&self, path: &str) -> Result<Option<TreeEntry>, TreeError> {
        let depth = path.split('/').filter(|name| !name.is_empty()).count();
        Ok(Some(TreeEntry { mode: Mode::Directory, id: format!("depth-{depth}") }))
    }

    fn blob(&self, id: &str) -> Result<Vec<u8>, TreeError> {
        Err(TreeError::new(id, "no file"))
    }

    fn list(&self, path: &str) -> Result<Option<Vec<(String, TreeEntry)>>, TreeError> {
        self.listed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let depth = path.split('/').filter(|name| !name.is_empty()).count();
        if depth == 12 {
            return Ok(Some(Vec::new()));
        }
        let below = TreeEntry { mode: Mode::Directory, id: format!("depth-{}", depth + 1) };
        Ok(Some(
            (0..10)
                .map(|n| (if path.is_empty() && n == 0 { "apps".into() } else { format!("d{n}") }, below.clone()))
                .collect(),
        ))
    }
}

/// X10+: a tree that has no end is the change's own failure, and costs no more than the limit.
#[test]
fn x10_a_look_has_an_end() {
    let bomb = Bomb::new();
    let (found, memory) = again(&bomb, &Memory::default());
    assert!(bomb.listed() <= LIMITS.folders + 1, "{}", bomb.listed());
    assert!(found.apps.is_empty() && memory.same_definitions(&Memory::default()));
    let messages: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(messages.join("\n"));
    // Where no pattern leads, nobody looks.
    let bomb = Bomb::new();
    scoped("apps/*.yaml", "refs/heads/main", |scope| scope.discover(&bomb)).expect("no definition");
    assert_eq!(bomb.listed(), 2);
}

/// X10+: once nobody waits for it, a walk ends.
#[test]
fn x10_a_look_that_nobody_waits_for_ends() {
    let bomb = Bomb::new();
    let stopped = || bomb.listed() >= 5;
    let ended =
        scoped("apps/**/*.yaml", "refs/heads/main", |scope| scope.discover_again(&bomb, &Memory::default(), &stopped));
    assert!(ended.is_err());
    assert_eq!(bomb.listed(), 5);
}

/// X10+: each limit holds, and what an earlier look has read counts like what is read now.
#[test]
fn x10_the_limits_hold_whatever_is_remembered() {
    let tree = MemoryTree::new()
        .file("apps/a/one.yaml", definition("one", "prod", "shop"))
        .file("apps/a/words", "words")
        .file("apps/b/two.yaml", definition("two", "prod", "shop"));
    let there = Extent { folders: 4, entries: 6, files: 2, bytes: 2 * definition("one", "prod", "shop").len() as u64 };
    let look = |most: Extent, known: &Memory| {
        scoped("apps/**/*.yaml", "refs/heads/main", |scope| scope.within(most, &tree, known, &|| false))
            .expect("memory does not fail")
    };
    let (found, known) = look(there, &Memory::default());
    assert_eq!((found.apps.len(), found.errors.len()), (2, 0));
    let tighter = [
        Extent { folders: 3, ..there },
        Extent { entries: 5, ..there },
        Extent { files: 1, ..there },
        Extent { bytes: there.bytes - 1, ..there },
    ];
    for most in tighter {
        for known in [&Memory::default(), &known] {
            let (found, _) = look(most, known);
            assert_eq!((found.apps.len(), found.errors.len()), (0, 1), "{most:?}");
            assert!(found.errors[0].message.contains(", the limit of a repo"), "{}", found.errors[0]);
        }
    }
}

/// A definition where no glob reaches is named, with what to do.
#[test]
fn a_definition_outside_of_the_globs_is_named() {
    let app = "apiVersion: driftless.dev/v1\nkind: App\nmetadata: {name: lost}\nspec:\n  source: {path: x}\n  \
               destination: {cluster: prod, namespace: x}\n";
    let tree = MemoryTree::new()
        .file("apps/shop.yaml", app.replace("lost", "shop"))
        .file("deploy/lost.yaml", app)
        .file("deploy/broken.yml", app.replace("lost", "broken").replace("kind: App", "kind: App\nx: 1"))
        .file("docs/apps.md", app)
        .file("deploy/map.yaml", "apiVersion: v1\nkind: ConfigMap\n");
    let globs = Globs::new(["apps/*.yaml"]).expect("globs");
    let repo = RepoName::new("shop");
    let allow = Allow::default();
    let scope = Scope { repo: &repo, definitions_ref: "refs/heads/main", globs: &globs, allow: &allow, may_read: &[] };
    let found = scope.ignored_in(&tree).expect("read");
    let of = |file: &str, app: &str| (file.to_owned(), vec![app.to_owned()]);
    assert_eq!(found, [of("deploy/broken.yml", "broken"), of("deploy/lost.yaml", "lost")]);
    insta::assert_snapshot!(scope.why_ignored(&found[1].1), @"it defines app lost, which is ignored: definitions.globs of repo shop (apps/*.yaml) do not match the file. Move the file, or add a glob");
}
