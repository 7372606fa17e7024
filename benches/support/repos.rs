//! Repositories with apps in them: each app is an overlay on one base of four `ConfigMap`s.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::Outcome;
use super::world::World;

/// Objects of each app.
pub const OBJECTS: usize = 4;
/// What a `ConfigMap` holds beside its number: about a page of settings.
const PADDING: usize = 1_000;

/// A working copy, and the bare repository at the forge that it is pushed to.
pub struct Repo {
    pub name: &'static str,
    pub apps: usize,
    bare: PathBuf,
    work: TempDir,
    round: usize,
}

pub async fn one(world: &World) -> Outcome<Repo> {
    Repo::new(world, "one", 1).await
}

pub async fn many(world: &World, apps: usize) -> Outcome<Repo> {
    Repo::new(world, "many", apps).await
}

impl Repo {
    async fn new(world: &World, name: &'static str, apps: usize) -> Outcome<Self> {
        let bare = world.forge.create_repo(&format!("bench/{name}")).await?;
        let mut repo = Self { name, apps, bare, work: tempfile::tempdir()?, round: 0 };
        git(repo.work.path(), &["init", "-q", "-b", "main"])?;
        for number in 0..apps {
            repo.write(&format!("apps/{name}-{number}.yaml"), &definition(name, number))?;
            repo.write(&format!("deploy/{name}-{number}/kustomization.yaml"), &overlay(name, number, 0))?;
        }
        repo.write("base/kustomization.yaml", "resources: [settings.yaml]\n")?;
        repo.change_all()?;
        Ok(repo)
    }

    /// What the names of its objects begin with.
    pub fn prefix(&self) -> &'static str {
        self.name
    }

    pub fn project(&self) -> String {
        format!("bench/{}", self.name)
    }

    /// Commits and pushes a change of all objects. The forge has not processed it yet.
    pub fn change_all(&mut self) -> Outcome<()> {
        self.round += 1;
        self.write("base/settings.yaml", &settings(self.round))?;
        self.push()
    }

    /// The same for the first app's objects only.
    pub fn change_first(&mut self) -> Outcome<()> {
        self.round += 1;
        self.write(&format!("deploy/{0}-0/kustomization.yaml", self.name), &overlay(self.name, 0, self.round))?;
        self.push()
    }

    fn push(&self) -> Outcome<()> {
        let dir = self.work.path();
        git(dir, &["add", "-A"])?;
        git(dir, &["commit", "-q", "-m", &format!("round {}", self.round)])?;
        git(dir, &["push", "-q", &self.bare.display().to_string(), "main"])
    }

    fn write(&self, path: &str, text: &str) -> Outcome<()> {
        let path = self.work.path().join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(path, text)?)
    }
}

fn definition(repo: &str, number: usize) -> String {
    format!(
        "apiVersion: driftless.dev/v1\nkind: App\nmetadata:\n  name: {repo}-{number}\nspec:\n  \
         source: {{path: deploy/{repo}-{number}}}\n  destination: {{cluster: bench, namespace: bench}}\n"
    )
}

fn overlay(repo: &str, number: usize, round: usize) -> String {
    format!("namePrefix: {repo}-{number}-\ncommonAnnotations: {{round: \"{round}\"}}\nresources: [../../base]\n")
}

fn settings(round: usize) -> String {
    let mut text = String::new();
    for object in 0..OBJECTS {
        // Writing to a string does not fail.
        let _ = write!(text, "{}", settings_of(&format!("settings-{object}"), round));
    }
    text
}

fn settings_of(name: &str, round: usize) -> String {
    let padding = "x".repeat(PADDING);
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{round: \"{round}\", \
         text: \"{padding}\"}}\n"
    )
}

/// The same object as a bare request sends it.
pub fn bare_object(name: &str, round: u64) -> serde_json::Value {
    let padding = "x".repeat(PADDING);
    serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "annotations": {"round": "0"}},
        "data": {"round": round.to_string(), "text": padding},
    })
}

fn git(dir: &Path, args: &[&str]) -> Outcome<()> {
    let mut command = Command::new("git");
    command.args(args).current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Bench").env(format!("GIT_{who}_EMAIL"), "bench@localhost");
    }
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("git {args:?} failed").into()) }
}
