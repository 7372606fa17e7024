//! `preview`: what a folder would change in a cluster, without any configuration; or the full preview of a pull
//! request.

mod not_here;
mod place;
mod plain;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::client::{Server, segment};
use super::outcome::Outcome;
use super::output::{self, Format};
use crate::api::{PreviewView, Shows};
use crate::app::{Allow, App};
use crate::cluster::{Cluster, ClusterConfig};
use crate::config::Environment;
use crate::ids::{AppId, ClusterName};
use crate::plan::{Action, Change, Marks, Plan, Redactor, TakeOver, Verdict};
use crate::reconcile::{Owned, PlanInput, plan_apply};
use crate::redact::visible;
use crate::render::{ClusterFacts, RenderRequest, Rendered, Renderer, RendererConfig};
use place::{Overrides, Place, app_of_the_moment, defined_app};

#[derive(Debug, Args)]
pub(super) struct PreviewArgs {
    /// A folder with plain YAML, a kustomization or a chart, or a file with manifests.
    #[arg(required_unless_present_any = ["pr", "app"], conflicts_with = "pr")]
    dir: Option<PathBuf>,
    /// The definition of the app to preview: FILE, or FILE#NAME if the file defines several apps.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pr", "release"])]
    app: Option<String>,
    /// A values file for a chart, in addition to those of the app. May be repeated; later files override earlier ones.
    #[arg(long, value_name = "FILE", conflicts_with = "pr")]
    values: Vec<PathBuf>,
    /// The release name for a chart. In a sync, it is the app's name [default: preview].
    #[arg(long, value_name = "NAME", conflicts_with = "pr")]
    release: Option<String>,
    /// The context in the kubeconfig [default: the current context].
    #[arg(long)]
    context: Option<String>,
    /// The kubeconfig [default: the one that kubectl uses].
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Namespace for objects that do not set one [default: the app's, or `default`].
    #[arg(short, long)]
    namespace: Option<String>,
    /// The root of the repository, for bases and values outside DIR [default: the Git checkout that contains DIR, or
    /// DIR].
    #[arg(long)]
    root: Option<PathBuf>,
    /// The renderer's program.
    #[arg(long, env = "DRIFTLESS_RENDERER", default_value = "/usr/local/bin/driftless-renderer")]
    renderer: PathBuf,
    /// Print the full preview of a pull request, from the running server.
    #[arg(long, value_name = "REPO#NUMBER")]
    pr: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// One object, for programs.
#[derive(Debug, Serialize)]
struct Shown {
    object: String,
    action: Action,
    verdict: Verdict,
    diff: String,
    warnings: Vec<String>,
}

pub(super) async fn run(
    args: PreviewArgs,
    _environment: &(dyn Environment + Sync),
    format: Format,
) -> anyhow::Result<Outcome> {
    match (&args.pr, &args.dir) {
        (Some(pr), _) => pull_request(&args.server, pr, format).await,
        (None, None) if args.app.is_none() => bail!("pass a folder, an app with --app, or a pull request with --pr"),
        (None, dir) => folder(&args, dir.as_deref(), format).await,
    }
}

async fn pull_request(server: &Server, pr: &str, format: Format) -> anyhow::Result<Outcome> {
    let (repo, number) =
        pr.split_once('#').context("use --pr REPO#NUMBER, with a repo of the server's configuration")?;
    let number: u64 = number.parse().context("the pull request's number is not a number")?;
    let view: PreviewView = server.get(&format!("/api/v1/previews/{}/{number}", segment(repo)?)).await?;
    match format {
        Format::Json => output::json(&view)?,
        Format::Text => output::line(plain::plain(&view.markdown)),
    }
    match view.shows {
        Shows::Nothing => Ok(Outcome::Done),
        Shows::Changes => Ok(Outcome::Changes),
        Shows::Wrong => Ok(Outcome::Wrong),
        Shows::Unknown => bail!(
            "the server is older than this command and does not report whether the pull request changes anything. \
             Upgrade the server"
        ),
    }
}

async fn folder(args: &PreviewArgs, dir: Option<&Path>, format: Format) -> anyhow::Result<Outcome> {
    let overrides =
        Overrides { values: &args.values, release: args.release.as_deref(), namespace: args.namespace.as_deref() };
    // Before the cluster is asked for: what is wrong here is wrong whatever the cluster says.
    let (place, app) = match (&args.app, dir) {
        (Some(definition), dir) => defined_app(definition, dir, args.root.as_deref(), &overrides, cluster_name(args))?,
        (None, Some(dir)) => {
            let place = Place::of(dir, args.root.as_deref())?;
            let app = app_of_the_moment(&place, &overrides, cluster_name(args))?;
            (place, app)
        }
        (None, None) => bail!("pass a folder, or an app with --app"),
    };
    let mut config = ClusterConfig::new(cluster_name(args), args.kubeconfig.clone());
    config.context.clone_from(&args.context);
    let cluster = Cluster::connect(config).await.with_context(|| no_cluster(args))?;
    let rendered = render(args, &place, &app, &cluster).await?;
    let (plan, owner) = as_its_owner(&cluster, &app, &rendered).await?;
    let changes: Vec<&Change> = plan.changes.iter().filter(|change| differs(change)).collect();
    let redactor = Redactor::new(&plan.changes, &rendered.manifests);
    let lacking = match &owner {
        Some(owner) => Some(not_here::look(&cluster, owner, &plan).await),
        None => None,
    };
    // The folder that an app's definition names is all of the app.
    let is_all = owner.as_ref().is_some_and(|owner| args.app.is_some() && owner.app().name == app.id.name);
    let deletes: Vec<String> =
        lacking.iter().filter(|_| is_all).flat_map(|lacking| lacking.found.iter().map(ToString::to_string)).collect();
    match format {
        Format::Json => {
            let changed = changes.iter().map(|change| shown(change, &redactor));
            output::json(&changed.chain(deletes.iter().map(|object| deleted(object))).collect::<Vec<_>>())?;
        }
        Format::Text => output::line(text(&plan, &changes, &deletes, &redactor)),
    }
    if let (Some(owner), Some(lacking)) = (&owner, &lacking)
        && !is_all
    {
        output::note(visible(&lacking.text(owner)));
    } else if let Some(lacking) = &lacking
        && lacking.unlisted > 0
    {
        output::note("some kinds could not be listed: a sync may delete more");
    }
    Ok(if changes.iter().any(|change| change.is_rejected()) {
        Outcome::Wrong
    } else if changes.is_empty() && deletes.is_empty() {
        Outcome::Done
    } else {
        Outcome::Changes
    })
}

/// Whoever has passed a kubeconfig is not asked for one.
fn no_cluster(args: &PreviewArgs) -> String {
    match (&args.kubeconfig, &args.context) {
        (Some(file), _) => format!("the kubeconfig {} cannot be used", file.display()),
        (None, Some(context)) => format!("the context {context} cannot be used"),
        (None, None) => "no cluster to compare with: pass a kubeconfig with --kubeconfig or KUBECONFIG, and a context \
                         with --context"
            .to_owned(),
    }
}

/// The cluster has no name but its context's.
fn cluster_name(args: &PreviewArgs) -> ClusterName {
    ClusterName::new(args.context.as_deref().unwrap_or("of the current context"))
}

fn differs(change: &Change) -> bool {
    change.action != Action::None || change.verdict != Verdict::Accepted
}

async fn render(args: &PreviewArgs, place: &Place, app: &App, cluster: &Cluster) -> anyhow::Result<Rendered> {
    let launcher = std::env::current_exe().context("the path of this program is unknown")?;
    // The reader has the files.
    let renderer = Renderer::new(RendererConfig { full_texts: true, ..RendererConfig::new(launcher, &args.renderer) })?;
    let discovery = cluster.discovery().await?;
    let facts = ClusterFacts {
        version: discovery.server_version().to_owned(),
        api_versions: discovery.api_versions().to_vec(),
    };
    let request = RenderRequest {
        path: place.path.clone(),
        options: app.render.clone(),
        release: app.id.name.clone(),
        namespace: app.destination.namespace.clone(),
        cluster: Some(Arc::new(facts)),
    };
    Ok(renderer.render(request, Arc::clone(&place.tree), CancellationToken::new()).await?)
}

/// What the app that already owns these objects would do; where nobody or several own them, what a new app would.
async fn as_its_owner(cluster: &Cluster, app: &App, rendered: &Rendered) -> anyhow::Result<(Plan, Option<Marks>)> {
    let first = plan(cluster, app, &Marks::new("preview", &app.id), rendered, &[]).await?;
    let mut owners = BTreeSet::new();
    let mut owned = Vec::new();
    for change in &first.changes {
        if let Some(TakeOver::OtherApp { instance, app }) = &change.takes_over {
            owners.insert((instance.clone(), app.clone()));
            owned.push(Owned {
                id: change.key.id(),
                uid: None,
                manifest_hash: None,
                resource_version: None,
                done: false,
                held: false,
            });
        }
    }
    let mut owners = owners.into_iter();
    let (Some((instance, owner)), None) = (owners.next(), owners.next()) else { return Ok((first, None)) };
    let Ok(owner) = owner.parse::<AppId>() else { return Ok((first, None)) };
    let marks = Marks::new(&instance, &owner);
    Ok((plan(cluster, app, &marks, rendered, &owned).await?, Some(marks)))
}

async fn plan(
    cluster: &Cluster,
    app: &App,
    marks: &Marks,
    rendered: &Rendered,
    inventory: &[Owned],
) -> anyhow::Result<Plan> {
    // Whoever runs this has the kubeconfig's rights, and nothing is written.
    let allow: Allow = serde_json::from_value(serde_json::json!({
        "clusters": ["*"], "namespaces": ["*"], "clusterScoped": [{"kind": "*"}]
    }))?;
    let revision = "0000000000000000000000000000000000000001".parse()?;
    let input = PlanInput {
        app,
        marks,
        allow: &allow,
        revision: &revision,
        manifests: &rendered.manifests,
        inventory,
        unchanged: &|_, _| false,
        handed_over: None,
        adopt: true,
        reveals: true,
        siblings: None,
    };
    Ok(plan_apply(cluster, input, &CancellationToken::new()).await?)
}

fn shown(change: &Change, redactor: &Redactor) -> Shown {
    Shown {
        object: change.key.to_string(),
        action: change.action,
        verdict: redactor.verdict(&change.verdict),
        diff: redactor.diff(change).to_string(),
        warnings: redactor.texts(change.remarks.iter().chain(&change.warnings)),
    }
}

fn deleted(object: &str) -> Shown {
    Shown {
        object: object.to_owned(),
        action: Action::Prune,
        verdict: Verdict::Accepted,
        diff: String::new(),
        warnings: Vec::new(),
    }
}

fn text(plan: &Plan, changes: &[&Change], deletes: &[String], redactor: &Redactor) -> String {
    let mut text = String::new();
    for change in changes {
        let word = match change.action {
            Action::Create => "create",
            Action::Update => "update",
            Action::Replace => "replace",
            Action::Prune => "delete",
            Action::None => "keep",
        };
        text += &format!("{word} {}\n", change.key);
        match &redactor.verdict(&change.verdict) {
            Verdict::Accepted => {}
            Verdict::Rejected { message, .. } => text += &format!("  REJECTED: {message}\n"),
            Verdict::NotValidated { reason } => text += &format!("  not validated: {reason}\n"),
        }
        match &change.takes_over {
            None | Some(TakeOver::HandedOver { .. }) => {}
            Some(TakeOver::Unmarked) => text += "  already exists; not managed by Driftless yet\n",
            Some(TakeOver::OtherTool { tool, name }) => {
                text += &format!("  already exists and is managed by {tool} ({name})\n");
            }
            Some(TakeOver::OtherApp { instance, app }) => {
                text += &format!("  belongs to app {app} of instance {instance}\n");
            }
        }
        if !change.drops.is_empty() {
            text += &format!("  taking it over deletes {}\n", change.drops.join(", "));
        }
        for conflict in &change.conflicts {
            text += &format!("  takes {} from {}\n", conflict.field, conflict.manager);
        }
        for warning in &redactor.texts(change.remarks.iter().chain(&change.warnings)) {
            text += &format!("  warning: {warning}\n");
        }
        text += &redactor.diff(change).to_string();
        text.push('\n');
    }
    for object in deletes {
        text += &format!("delete {object}\n\n");
    }
    let same = plan.changes.len() - changes.len();
    visible(&text) + &format!("{} to change, {same} unchanged", changes.len() + deletes.len())
}
