//! What a preview renders: a folder with all that it may refer to, one file, or what a definition names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::app::{Adopt, App, Destination, DriftPolicy, OnDelete, Origin, Source, SyncPolicy, parse_file};
use crate::ids::{AppId, ClusterName, RepoName};
use crate::render::RenderOptions;
use crate::tree::Tree;
use crate::tree::disk::DirTree;
use crate::tree::memory::MemoryTree;

/// Files that stand for the folder that they are in.
const OF_A_FOLDER: [&str; 4] = ["kustomization.yaml", "kustomization.yml", "Kustomization", "Chart.yaml"];
const REPO: &str = "preview";

/// A tree, and the path in it that is rendered.
pub(super) struct Place {
    pub tree: Arc<dyn Tree>,
    pub path: String,
    /// Where the tree is on the disk. None where it has one file only.
    root: Option<PathBuf>,
}

impl Place {
    /// A folder, in the repository that it is in; or one file, by itself.
    pub fn of(what: &Path, root: Option<&Path>) -> anyhow::Result<Self> {
        let at = canonical(what)?;
        let name = at.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if at.is_dir() {
            return Self::folder(&at, root);
        }
        if let (true, Some(folder)) = (OF_A_FOLDER.contains(&name.as_str()), at.parent()) {
            return Self::folder(folder, root);
        }
        let text = std::fs::read_to_string(&at).with_context(|| format!("{} cannot be read", what.display()))?;
        Ok(Self { tree: Arc::new(MemoryTree::new().file(&name, &text)), path: String::new(), root: None })
    }

    fn folder(folder: &Path, root: Option<&Path>) -> anyhow::Result<Self> {
        let root = match root {
            Some(root) => canonical(root)?,
            None => repository(folder).unwrap_or(folder).to_owned(),
        };
        let path = folder
            .strip_prefix(&root)
            .with_context(|| format!("{} is not inside --root {}", folder.display(), root.display()))?;
        let path = path.to_str().with_context(|| format!("{} is not a UTF-8 path", path.display()))?.to_owned();
        Ok(Self { tree: Arc::new(DirTree::new(&root)), path, root: Some(root) })
    }

    /// A file's path in the tree, as definitions write it.
    fn within(&self, file: &Path) -> anyhow::Result<String> {
        let root = self.root.as_deref().context("--values needs a chart, not a single file")?;
        let at = canonical(file)?;
        let path = at.strip_prefix(root).with_context(|| {
            format!(
                "--values {}: it is outside {}, the root of the chart's repository. Choose another root with --root",
                file.display(),
                root.display()
            )
        })?;
        Ok(path.to_string_lossy().into_owned())
    }
}

fn canonical(path: &Path) -> anyhow::Result<PathBuf> {
    path.canonicalize().with_context(|| format!("{} cannot be read", path.display()))
}

/// The folder that Git calls the top level, if the folder is in a checkout.
fn repository(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|ancestor| ancestor.join(".git").exists())
}

/// What the flags say of how it is rendered.
#[derive(Default)]
pub(super) struct Overrides<'a> {
    pub values: &'a [PathBuf],
    pub release: Option<&'a str>,
    pub namespace: Option<&'a str>,
}

/// An app of the moment: nothing owns anything, so existing objects are shown as updates of theirs.
pub(super) fn app_of_the_moment(place: &Place, overrides: &Overrides<'_>, cluster: ClusterName) -> anyhow::Result<App> {
    let repo = RepoName::new(REPO);
    let app = App {
        id: AppId::new(&repo, overrides.release.unwrap_or("preview")),
        source: Source { repo, ref_name: String::new(), path: place.path.clone() },
        render: RenderOptions::default(),
        destination: Destination { cluster: cluster.clone(), namespace: "default".to_owned() },
        sync: SyncPolicy::Never,
        drift: DriftPolicy::Ignore,
        on_delete: OnDelete::Keep,
        adopt: Adopt(true),
        ignore_differences: Vec::new(),
        origin: Origin { file: String::new(), line: 0, definitions_ref: String::new() },
    };
    changed(app, place, overrides, cluster)
}

/// The ref of an app that names none: that of its definition, which is the one that is checked out.
const HERE: &str = "refs/heads/main";

fn not_here(app: &App, top: &Path) -> String {
    let (name, path, top) = (&app.id.name, &app.source.path, top.display());
    match app.source.ref_name.as_str() {
        HERE => format!("app {name} renders {path}, which is not in {top}"),
        other => {
            let short = other.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/");
            format!(
                "app {name} renders {path} of {short}, which is not in {top}. Check out {short} elsewhere, and also \
                 pass that folder, as DIR"
            )
        }
    }
}

/// The app that a file defines: FILE, or FILE#NAME where it defines several. `what` is rendered instead of the path
/// that it names.
pub(super) fn defined_app(
    definition: &str,
    what: Option<&Path>,
    root: Option<&Path>,
    overrides: &Overrides<'_>,
    cluster: ClusterName,
) -> anyhow::Result<(Place, App)> {
    let (file, name) = definition.split_once('#').map_or((definition, None), |(file, name)| (file, Some(name)));
    let at = canonical(Path::new(file))?;
    let text = std::fs::read_to_string(&at).with_context(|| format!("{file} cannot be read"))?;
    let parsed = parse_file(&RepoName::new(REPO), HERE, file, &text);
    if let Some(error) = parsed.errors.first() {
        bail!("{error}");
    }
    let mut apps = parsed.apps;
    if let Some(name) = name {
        apps.retain(|app| app.id.name == name);
    }
    let app = match (apps.pop(), apps.is_empty()) {
        (Some(app), true) => app,
        (Some(_), false) => bail!("{file} defines several apps. Choose one with --app {file}#NAME"),
        (None, _) => bail!("{definition} defines no app"),
    };
    let place = match what {
        Some(what) => Place::of(what, root)?,
        None if app.source.repo.as_str() != REPO => {
            bail!(
                "the source of app {} is repo {}. Also pass a folder in a checkout of that repo, as DIR",
                app.id.name,
                app.source.repo
            )
        }
        None => {
            let folder = at.parent().unwrap_or(Path::new("/"));
            let top = match root {
                Some(root) => canonical(root)?,
                None => repository(folder)
                    .context("the definition is not in a Git checkout. Pass the root of the repository with --root")?
                    .to_owned(),
            };
            let path = top.join(&app.source.path);
            anyhow::ensure!(path.exists(), not_here(&app, &top));
            Place::of(&path, Some(&top))?
        }
    };
    let app = changed(app, &place, overrides, cluster)?;
    Ok((place, app))
}

fn changed(mut app: App, place: &Place, overrides: &Overrides<'_>, cluster: ClusterName) -> anyhow::Result<App> {
    for file in overrides.values {
        app.render.helm.values_files.push(place.within(file)?);
    }
    if let Some(namespace) = overrides.namespace {
        namespace.clone_into(&mut app.destination.namespace);
    }
    app.destination.cluster = cluster;
    Ok(app)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        std::fs::create_dir(dir.path().join(".git")).expect("made");
        write("deploy/overlay/kustomization.yaml", "resources: [../base]\n");
        write("deploy/base/web.yaml", "a: b\n");
        write("chart/Chart.yaml", "name: chart\n");
        write("values/prod.yaml", "a: b\n");
        let app = |name: &str| {
            format!(
                "apiVersion: driftless.dev/v1\nkind: App\nmetadata: {{name: {name}}}\nspec:\n  source: {{path: \
                 chart}}\n  \
                 helm: {{valuesFiles: [values/prod.yaml]}}\n  destination: {{cluster: prod, namespace: shop}}\n"
            )
        };
        write("apps/shop.yaml", &app("shop"));
        write("apps/both.yaml", &format!("{}---\n{}", app("one"), app("two")));
        dir
    }

    fn cluster() -> ClusterName {
        ClusterName::new("here")
    }

    /// B12: without --root the tree is the repository that the folder is in, so that an overlay finds its base.
    #[test]
    fn a_folder_is_seen_in_its_repository() {
        let dir = checkout();
        for what in ["deploy/overlay", "deploy/overlay/kustomization.yaml"] {
            let place = Place::of(&dir.path().join(what), None).expect("a place");
            assert_eq!(place.path, "deploy/overlay", "{what}");
            assert!(place.tree.entry("deploy/base/web.yaml").expect("read").is_some(), "{what}");
        }
        let place = Place::of(&dir.path().join("deploy/overlay"), Some(&dir.path().join("deploy"))).expect("a place");
        assert_eq!(place.path, "overlay");
        let outside = tempfile::tempdir().expect("a folder");
        assert_eq!(Place::of(outside.path(), None).expect("a place").path, "", "no checkout at all");
        assert!(Place::of(outside.path(), Some(dir.path())).is_err());
    }

    /// B12: one file is rendered by itself, whatever lies beside it.
    #[test]
    fn a_file_is_rendered_by_itself() {
        let dir = checkout();
        let place = Place::of(&dir.path().join("deploy/base/web.yaml"), None).expect("a place");
        assert_eq!(place.path, "");
        assert!(place.tree.entry("web.yaml").expect("read").is_some());
        assert!(place.tree.entry("deploy").expect("read").is_none());
    }

    /// P9: values and the release's name are given by flags.
    #[test]
    fn values_are_named_by_their_path_in_the_repository() {
        let dir = checkout();
        let place = Place::of(&dir.path().join("chart"), None).expect("a place");
        let values = [dir.path().join("values/prod.yaml")];
        let overrides = Overrides { values: &values, release: Some("shop"), namespace: Some("eu") };
        let app = app_of_the_moment(&place, &overrides, cluster()).expect("an app");
        assert_eq!(app.render.helm.values_files, ["values/prod.yaml"]);
        assert_eq!((app.id.name.as_str(), app.destination.namespace.as_str()), ("shop", "eu"));
        let outside = tempfile::NamedTempFile::new().expect("a file");
        let outside = [outside.path().to_owned()];
        let error = app_of_the_moment(&place, &Overrides { values: &outside, ..Overrides::default() }, cluster())
            .expect_err("outside");
        assert!(error.to_string().contains("it is outside"), "{error}");
    }

    /// P9: with a definition everything is as the server would do it.
    #[test]
    fn a_definition_says_what_is_rendered_and_how() {
        let dir = checkout();
        let file = |name: &str| dir.path().join("apps").join(name).display().to_string();
        let (place, app) =
            defined_app(&file("shop.yaml"), None, None, &Overrides::default(), cluster()).expect("an app");
        assert_eq!(place.path, "chart");
        assert_eq!((app.id.name.as_str(), app.destination.namespace.as_str()), ("shop", "shop"));
        assert_eq!(app.render.helm.values_files, ["values/prod.yaml"]);
        let several =
            defined_app(&file("both.yaml"), None, None, &Overrides::default(), cluster()).err().expect("which one?");
        assert!(several.to_string().contains("#NAME"), "{several}");
        let (_, two) = defined_app(&format!("{}#two", file("both.yaml")), None, None, &Overrides::default(), cluster())
            .expect("an app");
        assert_eq!(two.id.name, "two");
    }

    /// L9+: an app of another branch is not in this checkout, and the error says where it is.
    #[test]
    fn an_app_of_another_branch_is_not_here() {
        let dir = checkout();
        let at = dir.path().join("apps/other.yaml");
        let text = "apiVersion: driftless.dev/v1\nkind: App\nmetadata: {name: other}\nspec:\n  \
                    source: {path: gone, ref: release}\n  destination: {cluster: prod, namespace: shop}\n";
        std::fs::write(&at, text).expect("a file");
        let error = defined_app(&at.display().to_string(), None, None, &Overrides::default(), cluster()).err();
        let error = error.expect("it is not here").to_string();
        assert!(error.contains("gone of release") && error.contains("DIR"), "{error}");
    }
}
