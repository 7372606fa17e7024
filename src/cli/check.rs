//! `check`: is the configuration right, and are the definitions in a folder? Nothing is touched; with `--online` what it names is asked.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::Outcome;
use super::output::{self, Format};
use crate::app::Scope;
use crate::clock::SystemClock;
use crate::config::{Config, Environment};
use crate::render::{RenderRequest, Renderer, RendererConfig};
use crate::serve;
use crate::tree::disk::DirTree;
use crate::tree::memory::MemoryTree;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration file.
    #[arg(short, long, env = "DRIFTLESS_CONFIG", default_value = "/etc/driftless/driftless.yaml")]
    config: PathBuf,
    /// A checkout whose definitions are read as well: REPO=DIR.
    #[arg(long, value_parser = checkout)]
    definitions: Vec<(String, PathBuf)>,
    /// Ask the forges and the clusters, and close the renderer's box once.
    #[arg(long)]
    online: bool,
}

fn checkout(text: &str) -> Result<(String, PathBuf), String> {
    let (repo, dir) = text.split_once('=').ok_or("REPO=DIR is expected, with a repo of the configuration")?;
    Ok((repo.to_owned(), PathBuf::from(dir)))
}

#[derive(Debug, Default, Serialize)]
struct Findings {
    passed: Vec<String>,
    problems: Vec<String>,
}

impl Findings {
    fn note<E: std::fmt::Display>(&mut self, what: impl Into<String>, result: Result<(), E>) {
        match result {
            Ok(()) => self.passed.push(what.into()),
            Err(error) => self.problems.push(format!("{}: {error}", what.into())),
        }
    }
}

pub(super) async fn run(args: &CheckArgs, environment: &(dyn Environment + Sync), format: Format) -> anyhow::Result<Outcome> {
    let mut findings = Findings::default();
    match Config::load(&args.config, environment) {
        Ok(config) => {
            findings.passed.push(format!("{} is a valid configuration", args.config.display()));
            definitions(&config, args, &mut findings)?;
            if args.online {
                online(&config, &mut findings).await?;
            }
        }
        Err(error) => findings.problems.extend(error.problems.iter().map(|problem| format!("{}:{problem}", error.file.display()))),
    }
    match format {
        Format::Json => output::json(&findings)?,
        Format::Text => {
            findings.passed.iter().for_each(|text| output::line(format!("ok    {text}")));
            findings.problems.iter().for_each(|text| output::line(format!("WRONG {text}")));
        }
    }
    Ok(if findings.problems.is_empty() { Outcome::Done } else { Outcome::Wrong })
}

fn definitions(config: &Config, args: &CheckArgs, findings: &mut Findings) -> anyhow::Result<()> {
    for (name, dir) in &args.definitions {
        let Some(repo) = config.repos.iter().find(|repo| repo.name.as_str() == name) else {
            findings.problems.push(format!("--definitions {name}: the configuration has no such repo"));
            continue;
        };
        let scope = Scope {
            repo: &repo.name,
            definitions_ref: &repo.definitions_ref,
            globs: &repo.definitions,
            allow: &repo.allow,
            may_read: &repo.may_read,
        };
        let found = scope.discover(&DirTree::new(dir))?;
        findings.passed.push(format!("{} defines {} apps", dir.display(), found.apps.len()));
        findings.problems.extend(found.errors.iter().map(|error| format!("{}/{error}", dir.display())));
    }
    Ok(())
}

async fn online(config: &Config, findings: &mut Findings) -> anyhow::Result<()> {
    let clock: Arc<dyn crate::clock::Clock> = Arc::new(SystemClock);
    let forges = serve::forges(config, &clock)?;
    for (hook, forge) in &forges {
        findings.note(format!("hook {hook}: {} knows who we are", forge.name()), forge.whoami().await.map(drop));
    }
    for repo in &config.repos {
        if let Some(forge) = forges.get(&repo.hook) {
            let open = forge.open_pull_requests(&repo.project).await;
            findings.note(format!("repo {}: pull requests can be read", repo.name), open.map(drop));
        }
    }
    for entry in &config.clusters {
        let asked = async {
            let cluster = crate::cluster::Cluster::connect(serve::cluster_config(entry)).await?;
            cluster.discovery().await.map(|discovery| discovery.server_version().to_owned())
        };
        findings.note(format!("cluster {} answers", entry.name), asked.await.map(drop));
    }
    findings.note("the renderer renders in its box", renders(config).await);
    Ok(())
}

async fn renders(config: &Config) -> Result<(), String> {
    let launcher = std::env::current_exe().map_err(|error| error.to_string())?;
    let renderer = Renderer::new(RendererConfig::new(launcher, &config.renderer)).map_err(|error| error.to_string())?;
    let tree = MemoryTree::new().file("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n");
    let request = RenderRequest {
        path: String::new(),
        options: crate::render::RenderOptions::default(),
        release: "check".into(),
        namespace: "default".into(),
        cluster: None,
    };
    renderer.render(request, Arc::new(tree), CancellationToken::new()).await.map(drop).map_err(|error| error.to_string())
}
