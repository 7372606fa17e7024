//! What can be told about a configuration without asking anybody: what `serve` would refuse, and what leaves it with
//! nothing to do.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::cluster::Cluster;
use crate::config::Config;
use crate::inspect::Findings;
use crate::serve;

pub(super) fn look(config: &Config, findings: &mut Findings) {
    nothing_to_do(config, findings);
    unknown_clusters(config, findings);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    for hook in &config.hooks {
        if let Err(error) = serve::forge(hook, config.ca.clone(), &clock) {
            findings.problems.push(error.to_string());
        }
    }
}

/// The rest is found by asking, where it is asked.
pub(super) async fn look_without_asking(config: &Config, findings: &mut Findings) {
    program(&config.renderer, findings);
    for entry in &config.clusters {
        // Reads the kubeconfig and builds the client. The cluster itself is asked with --online.
        if let Err(error) = Cluster::connect(serve::cluster_config(entry)).await {
            findings.problems.push(error.to_string());
        }
    }
}

fn nothing_to_do(config: &Config, findings: &mut Findings) {
    let lists = [
        ("hooks", config.hooks.is_empty(), "no webhook is accepted, and no repo can refer to a hook"),
        ("repos", config.repos.is_empty(), "no repository is followed"),
        ("clusters", config.clusters.is_empty(), "nothing can be synced or previewed"),
    ];
    for (key, _, consequence) in lists.iter().filter(|(_, empty, _)| *empty) {
        findings
            .problems
            .push(format!("{key} is empty: {consequence}. List at least one; the keys are in docs/configuration.md"));
    }
    for hook in config.hooks.iter().filter(|hook| !config.repos.iter().any(|repo| repo.hook == hook.name)) {
        findings.notes.push(format!("hook {}: no repo uses it, so its deliveries are ignored", hook.name));
    }
}

fn unknown_clusters(config: &Config, findings: &mut Findings) {
    for repo in &config.repos {
        let known = |pattern: &crate::app::Pattern| {
            config.clusters.iter().any(|cluster| pattern.matches(cluster.name.as_str()))
        };
        for pattern in repo.allow.clusters.iter().filter(|pattern| !known(pattern)) {
            let names: Vec<&str> = config.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
            findings.problems.push(format!(
                "repo {}: allow.clusters has {:?}, which matches no cluster of the configuration ({}). Correct the \
                 pattern, or define the cluster",
                repo.name,
                String::from(pattern.clone()),
                if names.is_empty() { "there is none".to_owned() } else { names.join(", ") }
            ));
        }
        if repo.allow.clusters.is_empty() {
            findings
                .notes
                .push(format!("repo {}: allow.clusters is empty, so its apps cannot use any cluster", repo.name));
        }
    }
}

fn program(path: &Path, findings: &mut Findings) {
    let why = match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => "it is not a file".to_owned(),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => "it is not executable".to_owned(),
        Ok(_) => return,
        Err(error) => error.to_string(),
    };
    findings.problems.push(format!(
        "renderer: {} cannot be used: {why}. Set `renderer` to the program `driftless-renderer`, which is built from \
         renderer/",
        path.display()
    ));
}
