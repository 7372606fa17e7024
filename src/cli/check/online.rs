//! What `--online` checks: the forges, the clusters, and the renderer's sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::report::{Checkout, Report};
use crate::app::App;
use crate::clock::{Clock, SystemClock};
use crate::cluster::{Cluster, ClusterError};
use crate::config::{ClusterEntry, Config, Repo};
use crate::forge::Forge;
use crate::ids::{HookName, RepoName};
use crate::inspect::{self, Expected, Findings, Uses};
use crate::manifest::ObjectKey;
use crate::render::{ClusterFacts, RenderOptions, RenderRequest, Renderer, RendererConfig, sandbox};
use crate::serve;
use crate::source::Mirrors;
use crate::tree::Tree;
use crate::tree::disk::DirTree;
use crate::tree::memory::MemoryTree;

pub(super) async fn ask(config: &Config, checkouts: &[Checkout], report: &mut Report) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // A hook that cannot be used was reported already.
    let usable = config
        .hooks
        .iter()
        .filter_map(|hook| Some((hook.name.clone(), serve::forge(hook, config.ca.clone(), &clock).ok()??)));
    forges(config, &usable.collect(), &mut report.findings).await;
    match Mirrors::check_git(Path::new("git")).await {
        Ok(_) => report.findings.passed.push("git can merge pull requests".into()),
        Err(error) => report.findings.problems.push(format!("pull requests cannot be previewed: {error}")),
    }
    let launcher = std::env::current_exe()?;
    let renderer =
        Renderer::new(RendererConfig { landlock: config.landlock, ..RendererConfig::new(launcher, &config.renderer) })?;
    let renders = match sandbox::enforced(config.landlock) {
        Ok(enforced) => format!("the renderer works in its sandbox: {enforced}"),
        // Why is said by the render that fails.
        Err(_) => "the renderer works in its sandbox".to_owned(),
    };
    let boxed = note(&mut report.findings, renders, one_map(&renderer).await);
    // Without its sandbox nothing can be rendered, which was reported already.
    let checkouts = if boxed { checkouts } else { &[] };
    for entry in &config.clusters {
        cluster(config, entry, checkouts, &renderer, report).await;
    }
    Ok(())
}

/// Says how it went, and whether it went well.
fn note<E: std::fmt::Display>(findings: &mut Findings, what: impl Into<String>, result: Result<(), E>) -> bool {
    match result {
        Ok(()) => findings.passed.push(what.into()),
        Err(error) => {
            findings.problems.push(format!("{}: {error}", what.into()));
            return false;
        }
    }
    true
}

async fn forges(config: &Config, forges: &BTreeMap<HookName, Arc<dyn Forge>>, findings: &mut Findings) {
    let mut answering = BTreeSet::new();
    for hook in &config.hooks {
        let Some(forge) = forges.get(&hook.name) else {
            if hook.credentials.is_none() {
                let text = "without credentials Driftless posts no comments or statuses, and reads only public repos";
                findings.notes.push(format!("hook {}: {text}", hook.name));
            }
            continue;
        };
        match forge.whoami().await {
            Ok(identity) => {
                findings.passed.push(format!(
                    "hook {}: authenticated at {} as {}",
                    hook.name,
                    forge.name(),
                    identity.login
                ));
                answering.insert(&hook.name);
            }
            Err(error) => {
                findings.problems.push(format!("hook {}: the forge rejects the credentials: {error}", hook.name));
            }
        }
    }
    // A forge that rejects the credentials cannot be checked further.
    for repo in config.repos.iter().filter(|repo| answering.contains(&repo.hook)) {
        repository(config, repo, forges[&repo.hook].as_ref(), findings).await;
    }
}

async fn repository(config: &Config, repo: &Repo, forge: &dyn Forge, findings: &mut Findings) {
    let (name, project) = (repo.name.as_str(), repo.project.as_str());
    inspect::judge_grants(name, project, forge.grants(project).await, findings);
    note(
        findings,
        format!("repo {name}: {}s can be read", forge.flavour().pull_request),
        forge.open_pull_requests(project).await.map(drop),
    );
    let expected = Expected {
        repo: name,
        project,
        hook: repo.hook.as_str(),
        public_url: config.public_url.as_ref(),
        terms: &forge.flavour().hook,
    };
    inspect::judge_hooks(&expected, forge.hooks(project).await, findings);
}

async fn cluster(
    config: &Config,
    entry: &ClusterEntry,
    checkouts: &[Checkout],
    renderer: &Renderer,
    report: &mut Report,
) {
    let rights = async {
        let cluster = Cluster::connect(serve::cluster_config(entry)).await?;
        let discovery = cluster.discovery().await?;
        report.findings.passed.push(format!("cluster {} answers ({})", entry.name, discovery.server_version()));
        let facts = ClusterFacts {
            version: discovery.server_version().to_owned(),
            api_versions: discovery.api_versions().to_vec(),
        };
        let uses = uses(config, entry, checkouts, renderer, &Arc::new(facts), &mut report.findings).await;
        if uses.is_empty() {
            report.findings.notes.push(format!(
                "cluster {}: no repo may use this cluster. Add it to `allow.clusters` of a repo, or remove it",
                entry.name
            ));
        }
        inspect::look(&cluster, &discovery, inspect::needs(&discovery, &uses)).await
    };
    let rights: Result<_, ClusterError> = rights.await;
    match rights {
        Ok(rights) => {
            super::rights::judge(&rights, &mut report.findings);
            report.clusters.push(rights);
        }
        Err(error) => report.findings.problems.push(error.to_string()),
    }
}

/// The repos that may write to a cluster, with what their apps render for it where a checkout was given.
async fn uses<'a>(
    config: &'a Config,
    entry: &ClusterEntry,
    checkouts: &[Checkout],
    renderer: &Renderer,
    facts: &Arc<ClusterFacts>,
    findings: &mut Findings,
) -> Vec<Uses<'a>> {
    let mut all = Vec::new();
    for repo in config.repos.iter().filter(|repo| repo.allow.cluster(&repo.name, &entry.name).is_ok()) {
        let apps =
            checkouts.iter().find(|checkout| checkout.repo == repo.name).and_then(|checkout| checkout.apps.as_ref());
        let mut rendered = apps.map(|_| Vec::new());
        for app in apps.into_iter().flatten().filter(|app| app.destination.cluster == entry.name) {
            match keys(app, checkouts, renderer, facts).await {
                Ok(keys) => rendered.iter_mut().for_each(|all| all.push((app.id.clone(), keys.clone()))),
                Err(error) => {
                    findings.problems.push(format!("app {}: {error}", app.id));
                    rendered = None;
                }
            }
        }
        all.push(Uses { repo: repo.name.as_str(), allow: &repo.allow, rendered });
    }
    all
}

/// The objects of an app, with the namespace that its destination fills in.
async fn keys(
    app: &App,
    checkouts: &[Checkout],
    renderer: &Renderer,
    facts: &Arc<ClusterFacts>,
) -> Result<Vec<ObjectKey>, String> {
    let source: &RepoName = &app.source.repo;
    let checkout = checkouts.iter().find(|checkout| checkout.repo == *source);
    let checkout = checkout.ok_or_else(|| {
        format!("its source is repo {source}. Also pass a checkout of that repo: --definitions {source}=DIR")
    })?;
    let request = RenderRequest {
        path: app.source.path.clone(),
        options: app.render.clone(),
        release: app.id.name.clone(),
        namespace: app.destination.namespace.clone(),
        cluster: Some(Arc::clone(facts)),
    };
    let tree: Arc<dyn Tree> = Arc::new(DirTree::new(&checkout.dir));
    let rendered = renderer.render(request, tree, CancellationToken::new()).await.map_err(|error| error.to_string())?;
    let fill = |mut key: ObjectKey| {
        key.namespace.get_or_insert_with(|| app.destination.namespace.clone());
        key
    };
    Ok(rendered.manifests.iter().map(|manifest| fill(manifest.key.clone())).collect())
}

async fn one_map(renderer: &Renderer) -> Result<(), String> {
    let tree = MemoryTree::new().file("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n");
    let request = RenderRequest {
        path: String::new(),
        options: RenderOptions::default(),
        release: "check".into(),
        namespace: "default".into(),
        cluster: None,
    };
    renderer
        .render(request, Arc::new(tree), CancellationToken::new())
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}
