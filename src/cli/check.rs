//! `check`: whether the configuration and the definitions of a folder are valid. Changes nothing. With `--online` it
//! also queries the forges and clusters of the configuration.

mod offline;
mod online;
mod report;
mod rights;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::outcome::Outcome;
use super::output::{self, Format};
use crate::config::{Config, Environment};
use crate::inspect::Findings;
use crate::tree::disk::DirTree;
use report::{Checkout, Report};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", env = "DRIFTLESS_CONFIG", default_value = "/etc/driftless/driftless.yaml")]
    config: PathBuf,
    /// A checkout whose app definitions to check, as REPO=DIR with a repo of the configuration. With --online, the apps
    /// are also rendered. May be repeated.
    #[arg(long, value_name = "REPO=DIR", value_parser = checkout)]
    definitions: Vec<(String, PathBuf)>,
    /// Also check the forges (credentials, webhooks), the clusters (rights) and the renderer's sandbox.
    #[arg(long)]
    online: bool,
}

fn checkout(text: &str) -> Result<(String, PathBuf), String> {
    let (repo, dir) = text.split_once('=').ok_or("use REPO=DIR, with a repo of the configuration")?;
    Ok((repo.to_owned(), PathBuf::from(dir)))
}

pub(super) async fn run(
    args: &CheckArgs,
    environment: &(dyn Environment + Sync),
    format: Format,
) -> anyhow::Result<Outcome> {
    let mut report = Report::default();
    match Config::load(&args.config, environment) {
        Ok(config) => {
            report.findings.passed.push(format!("{} is a valid configuration", args.config.display()));
            offline::look(&config, &mut report.findings);
            let checkouts = definitions(&config, args, &mut report.findings)?;
            if args.online {
                online::ask(&config, &checkouts, &mut report).await?;
            } else {
                offline::look_without_asking(&config, &mut report.findings).await;
            }
        }
        Err(error) => {
            let problems = error.problems.iter().map(|problem| format!("{}:{problem}", error.file.display()));
            report.findings.problems.extend(problems);
        }
    }
    match format {
        Format::Json => output::json(&report)?,
        Format::Text => print(&report),
    }
    Ok(if report.findings.problems.is_empty() { Outcome::Done } else { Outcome::Wrong })
}

fn print(report: &Report) {
    let Findings { passed, notes, problems } = &report.findings;
    for (word, texts) in [("ok   ", passed), ("note ", notes), ("ERROR", problems)] {
        for text in texts {
            output::line(format!("{word} {text}"));
        }
    }
    for text in report.clusters.iter().filter_map(rights::text) {
        output::line(format!("\n{text}"));
    }
}

fn definitions(config: &Config, args: &CheckArgs, findings: &mut Findings) -> anyhow::Result<Vec<Checkout>> {
    let mut checkouts = BTreeMap::new();
    for (name, dir) in &args.definitions {
        let Some(repo) = config.repos.iter().find(|repo| repo.name.as_str() == name) else {
            let known: Vec<&str> = config.repos.iter().map(|repo| repo.name.as_str()).collect();
            findings.problems.push(format!(
                "--definitions {name}: the configuration has no such repo. It has: {}",
                known.join(", ")
            ));
            continue;
        };
        if !dir.is_dir() {
            findings.problems.push(format!("--definitions {name}: {} is not a folder", dir.display()));
            continue;
        }
        let found = repo.scope().discover(&DirTree::new(dir))?;
        match found.apps.len() {
            0 if !found.errors.is_empty() => {}
            0 => findings.notes.push(format!(
                "{} defines no app in the files that match repos[{name}].definitions.globs",
                dir.display()
            )),
            1 => findings.passed.push(format!("{} defines 1 app", dir.display())),
            apps => findings.passed.push(format!("{} defines {apps} apps", dir.display())),
        }
        for (file, apps) in repo.scope().ignored_in(&DirTree::new(dir))? {
            findings.notes.push(format!("{}/{file}: {}", dir.display(), repo.scope().why_ignored(&apps)));
        }
        findings.problems.extend(found.errors.iter().map(|error| format!("{}/{error}", dir.display())));
        let apps = (found.errors.is_empty() && !found.apps.is_empty()).then(|| found.apps.into_values().collect());
        let checkout = Checkout { repo: repo.name.clone(), dir: dir.clone(), apps };
        checkouts.insert(repo.name.clone(), checkout);
    }
    Ok(checkouts.into_values().collect())
}
