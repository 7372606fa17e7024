//! Plans the affected apps of a pull request.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::brought::{Brought, held_back};
use super::comparison::{AppComparison, AppVersion, MergeTrees};
use super::edited::Inline;
use super::moves::Moves;
use super::names::Names;
use super::object::{Known, object, show};
use super::previewed::Collected;
use super::shared::refuse_shared;
use super::{budget, charts, claimed, edited, leaving, schema};
use crate::app::{App, OnDelete};
use crate::class::{Class, Classified};
use crate::cluster::Cluster;
use crate::config::Repo;
use crate::ids::{AppId, ClusterName, Oid};
use crate::jobs::Context;
use crate::jobs::desired::nondeterministic;
use crate::jobs::lost_owners;
use crate::jobs::ownership::{stale, unrecorded};
use crate::lifecycle::beside;
use crate::manifest::{Manifest, ObjectId};
use crate::plan::{Change, PruneLimit, Redactor};
use crate::queue::JobError;
use crate::reconcile::{BaseSide, ChangePlan, Owned, PlanInput, ReconcileError, plan_change, plan_unrecorded};
use crate::render::{RenderError, Rendered};
use crate::report::preview::{AppReport, AppResult, DefinitionChange, HeldBack};
use crate::store::apps::AppRow;
use crate::store::inventory::ObjectRow;
use crate::sync::unrecorded::Unrecorded;
use crate::sync::{Secrets, SeenSecrets, quotes_a_server};

/// How many apps are planned at once; each cluster limits its own requests.
const AT_ONCE: usize = 4;

/// The affected apps, as far as they could be compared.
pub(in crate::jobs) struct Compared {
    pub apps: Vec<AppReport>,
    /// The temporary error that prevented the comparison of an app: it is retried soon.
    pub trouble: Option<JobError>,
}

pub(in crate::jobs) async fn all(
    context: &Context,
    repo: &Repo,
    trees: &MergeTrees,
    pairs: Vec<AppComparison>,
    collected: &Collected,
    cancel: &CancellationToken,
) -> Result<Compared, JobError> {
    let mut leaving = Vec::new();
    for pair in &pairs {
        leaving.extend(leaving::preview(context, pair, &trees.change_commit, cancel).await?);
    }
    let moves = Moves::find(context, repo, trees, &pairs, cancel).boxed().await?;
    let siblings = Brought::by(context, &pairs, &moves).await?;
    let whole = &Whole { context, trees, moves: &moves, siblings: &siblings, collected, cancel };
    let at_once = &Semaphore::new(VALUES_AT_ONCE as usize);
    let each = pairs.into_iter().map(|pair| {
        let weight = u32::try_from(budget::values(&pair)).unwrap_or(u32::MAX).clamp(1, VALUES_AT_ONCE);
        async move {
            // Never closed.
            let _share = at_once.acquire_many(weight).await;
            Box::pin(by_itself(whole, pair)).await
        }
        .boxed()
    });
    let each: Vec<_> = each.collect();
    let compared: Vec<(AppReport, Option<JobError>)> =
        futures::stream::iter(each).buffered(AT_ONCE).try_collect().boxed().await?;
    let (mut reports, troubles): (Vec<_>, Vec<_>) = compared.into_iter().unzip();
    for left in leaving {
        let after = reports.iter().position(|report| report.app == left.app).map_or(reports.len(), |at| at + 1);
        reports.insert(after, left);
    }
    let names = Names::find(context, &reports).await?;
    collected.rest_on(names.rests(&reports));
    refuse_shared(&mut reports, &names);
    claimed::refuse(context, &mut reports, &moves, &names).await?;
    Ok(Compared { apps: reports, trouble: troubles.into_iter().flatten().next() })
}

/// What all apps of a pull request have in common.
struct Whole<'a> {
    context: &'a Context,
    trees: &'a MergeTrees,
    moves: &'a Moves,
    siblings: &'a Brought,
    collected: &'a Collected,
    cancel: &'a CancellationToken,
}

/// Plans one app. Its errors are reported for this app only.
async fn by_itself(whole: &Whole<'_>, pair: AppComparison) -> Result<(AppReport, Option<JobError>), JobError> {
    let (id, definition) = (pair.id.clone(), definition_change(&pair));
    let rendered = [&pair.base, &pair.change].map(|side| Some(Arc::clone(side.as_ref()?.rendered.as_ref().ok()?)));
    let cluster = pair.change.as_ref().or(pair.base.as_ref()).map(|side| side.app.destination.cluster.clone());
    let (error, cluster) = match (Box::pin(one(whole, pair)).await, cluster) {
        (Ok(report), _) => return Ok((report, None)),
        (Err(error), Some(cluster)) if error.class != Class::Cancelled => (error, cluster),
        (Err(error), _) => return Err(error),
    };
    let manifests = rendered.each_ref().map(|side| side.as_ref().map_or(&[][..], |side| &side.manifests[..]));
    let error = without_secrets(whole.context, &id, &cluster, manifests, error).await;
    let report = AppReport::new(id.clone(), cluster, definition, AppResult::Unavailable { message: error.message() });
    let trouble = error.class.is_retry().then(|| JobError::new(error.class, format!("{id}: {}", error.message())));
    Ok((report, trouble))
}

/// A server's message may repeat the request, and live data.
async fn without_secrets(
    context: &Context,
    id: &AppId,
    cluster: &ClusterName,
    manifests: [&[Manifest]; 2],
    error: JobError,
) -> JobError {
    if !quotes_a_server(error.source()) {
        return error;
    }
    let seen = SeenSecrets { manifests, ..SeenSecrets::default() };
    let secrets = Secrets::read(&context.store, (cluster, context.clusters.get(cluster)), id, seen).await;
    error.reworded(|text| secrets.show(text).into())
}

/// Values of apps that are compared at once: each is copied a few times on the way, so that large apps are compared one
/// after the other.
const VALUES_AT_ONCE: u32 = 200_000;

async fn one(whole: &Whole<'_>, pair: AppComparison) -> Result<AppReport, JobError> {
    let &Whole { context, trees, moves, siblings, collected, cancel } = whole;
    let Some(app) = pair.change.as_ref().or(pair.base.as_ref()).map(|side| side.app.clone()) else {
        return Err(JobError::new(
            Class::Fail,
            format!("app {} is defined neither on the base nor in the merge", pair.id),
        ));
    };
    let definition = definition_change(&pair);
    let (definition_diff, policies) = match definition {
        DefinitionChange::None => (None, Vec::new()),
        _ => edited::describe(
            pair.base.as_ref().map(|side| &side.app),
            pair.change.as_ref().map(|side| &side.app),
            Inline::Keys,
        ),
    };
    let result = AppResult::Planned { objects: Vec::new() };
    let mut report = AppReport::new(pair.id.clone(), app.destination.cluster.clone(), definition, result);
    (report.definition_diff, report.policies) = (definition_diff, policies);
    if let Some(message) = &pair.invalid {
        report.result = AppResult::Invalid { message: message.clone() };
        return Ok(report);
    }
    report.rendered_from = trees.reads.rendered_from(&app);
    let cluster = context.cluster_for(&app.id, &app.destination.cluster);
    if let Some(side) = &pair.change
        && let Err(denied) = context.permitted(&side.app)
    {
        report.result = AppResult::NotAllowed { message: pair.refused.clone().unwrap_or_else(|| denied.to_string()) };
        return Ok(report);
    }
    if let Some(error) = [&pair.change, &pair.base].into_iter().find_map(|side| may_pass(side.as_ref())) {
        return Err(JobError::new(error.class(), error.to_string()));
    }
    if let Some(AppVersion { rendered: Err(error), .. }) = &pair.change {
        report.result = render_failed(error);
        return Ok(report);
    }
    report.warnings.extend(warnings(&pair));
    let row = context.store.app(&pair.id).await?;
    let waits = pair.change.as_ref().and_then(|_| moves.waits(&pair.id));
    report.held_back = held_back(row.as_ref(), &app, waits);
    report.waits_for = waits.filter(|_| report.held_back == Some(HeldBack::Owner)).cloned();
    // What was applied last says what becomes of the objects, not what Git says since.
    let on_delete = row.as_ref().map_or(app.on_delete, AppRow::on_delete);
    let inventory = context.store.inventory_of(&app.destination.cluster, &pair.id).await?;
    if pair.change.is_none() && on_delete == OnDelete::Keep {
        objects_stay(context, &pair.id, &mut report, &inventory, moves).await?;
        return Ok(report);
    }
    let cluster = match cluster {
        Ok(cluster) => cluster,
        Err(unknown) => {
            report.result = AppResult::NotAllowed { message: unknown.to_string() };
            return Ok(report);
        }
    };
    // On another cluster everything is new.
    let base = manifests(context, pair.base.as_ref().filter(|_| pair.leaves().is_none())).await?;
    let change = manifests(context, pair.change.as_ref()).await?;
    let unrecorded = unrecorded::known(context, cluster, &pair.id).await?;
    let comparison = Comparison {
        context,
        cluster,
        trees,
        head: &trees.change_commit,
        app: &app,
        pair: &pair,
        sides: [&base, &change],
        inventory: &inventory,
        unrecorded: &unrecorded,
        siblings,
        cancel,
    };
    match comparison.make(moves).await? {
        Ok((mut planned, marked)) => {
            moves.mark(&mut planned.changes);
            siblings.explain(&mut planned.changes);
            warn(context, cluster, &pair.id, &mut planned).boxed().await?;
            charts::warn(context, cluster, &mut planned.changes, cancel).boxed().await?;
            collected.add(&pair.id, &planned);
            let by_marks_alone = unrecorded::join(&mut planned, unrecorded::accepted(&pair.id, marked));
            report.destructive.extend(by_marks_alone);
            let applied = applied(context, &pair).await?;
            // Secrets are searched for and lines compared for as long as somebody else's objects are large.
            let known = Known { manifests: [&base, &change], inventory: &inventory, applied };
            beside(|| show(&mut report, &planned, &pair, known, limit(context)));
        }
        Err(error) if error.class() == Class::Fail => {
            let error = without_secrets(context, &pair.id, cluster.name(), [&base, &change], error.into()).await;
            report.result = AppResult::Unavailable { message: error.message() }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(report)
}

/// A removed definition whose objects stay, except those that move to other apps.
async fn objects_stay(
    context: &Context,
    app: &AppId,
    report: &mut AppReport,
    inventory: &[ObjectRow],
    moves: &Moves,
) -> Result<(), JobError> {
    let moved: Vec<Change> = inventory.iter().filter_map(|row| moves.away(app, &report.cluster, &row.key)).collect();
    let left = inventory.len() - moved.len();
    report.stays = Some(left);
    // No sync is made for that, so nothing but what a person holds is held back.
    let is_held = matches!(report.held_back, Some(HeldBack::Paused | HeldBack::Pinned)) && !moved.is_empty();
    report.held_back = report.held_back.filter(|_| is_held);
    let stay = match left {
        0 if is_held => "All of its objects move to other apps once it is resumed".to_owned(),
        0 if !moved.is_empty() => "All of its objects move to other apps".to_owned(),
        0 => "It has no objects in the cluster".to_owned(),
        1 => "Its object stays in the cluster (`onDelete: keep`)".to_owned(),
        more => format!("Its {more} objects stay in the cluster (`onDelete: keep`)"),
    };
    report.warnings.push(format!("Its definition is removed. {stay}."));
    report.warnings.extend(leaving::stays(context, app).await?);
    let objects = moved.iter().map(|change| object(change, &Redactor::default())).collect();
    report.result = AppResult::Planned { objects };
    Ok(())
}

/// Adds what neither the manifests nor the dry runs show.
async fn warn(context: &Context, cluster: &Cluster, app: &AppId, planned: &mut ChangePlan) -> Result<(), JobError> {
    schema::warn(context, &mut planned.changes).await?;
    let authority = context.grants(&app.repo)?.on(cluster.name());
    lost_owners::warn(cluster, &authority, &mut planned.changes.changes).await;
    Ok(())
}

/// The two sides of one app, and what is there.
struct Comparison<'a> {
    context: &'a Context,
    cluster: &'a Cluster,
    trees: &'a MergeTrees,
    head: &'a Oid,
    app: &'a App,
    pair: &'a AppComparison,
    /// The manifests of the base and of the change.
    sides: [&'a [Manifest]; 2],
    inventory: &'a [ObjectRow],
    unrecorded: &'a [Unrecorded],
    siblings: &'a Brought,
    cancel: &'a CancellationToken,
}

type Planned = Result<(ChangePlan, Vec<Change>), ReconcileError>;

impl Comparison<'_> {
    /// Once more with what turns out to be let go by those whose marks it bears.
    async fn make(&self, moves: &Moves) -> Result<Planned, JobError> {
        let mut handed_over = moves.to(&self.pair.id).cloned().unwrap_or_default();
        let first = self.with(&handed_over).await;
        let stale = match &first {
            Ok((planned, _)) => stale::find(self.context, &planned.changes).await?,
            Err(_) => BTreeMap::new(),
        };
        if stale.is_empty() {
            return Ok(first);
        }
        handed_over.extend(stale);
        Ok(self.with(&handed_over).await)
    }

    async fn with(&self, handed_over: &BTreeMap<ObjectId, AppId>) -> Planned {
        let Self { context, cluster, trees, head, app, pair, sides: [base, change], unrecorded, cancel, .. } = *self;
        let marks = context.marks(&pair.id);
        let owned: Vec<Owned> = self.inventory.iter().map(crate::sync::owned).collect();
        let allow = context.config.repo(&pair.id.repo).map(|repo| repo.allow.clone()).unwrap_or_default();
        let base_app = pair.base.as_ref().map_or(app, |side| &side.app);
        let input = |app, revision, manifests, adopt| PlanInput {
            app,
            marks: &marks,
            allow: &allow,
            revision,
            manifests,
            inventory: &owned,
            // A preview looks at everything, so that it can tell what had drifted before.
            unchanged: &|_, _| false,
            handed_over: Some(handed_over),
            adopt,
            reveals: false,
            siblings: None,
        };
        let base = input(base_app, &trees.base_commit, base, base_app.adopt.0);
        let change = PlanInput { siblings: self.siblings.to(app), ..input(app, head, change, app.adopt.0) };
        let planned = plan_change(cluster, base, change, base_side(pair), cancel).await?;
        let marked = match unrecorded {
            [] => Vec::new(),
            _ => {
                plan_unrecorded(cluster, PlanInput { inventory: &unrecorded::as_owned(unrecorded), ..change }, cancel)
                    .await?
            }
        };
        Ok((planned, marked))
    }
}

fn base_side(pair: &AppComparison) -> BaseSide {
    match &pair.base {
        Some(AppVersion { rendered: Ok(_), .. }) if pair.leaves().is_none() => BaseSide::Complete,
        _ => BaseSide::Unknown,
    }
}

/// If the base does not render, the change is compared with the live objects.
async fn manifests<'a>(context: &Context, side: Option<&'a AppVersion>) -> Result<Cow<'a, [Manifest]>, JobError> {
    match side {
        Some(AppVersion { app, rendered: Ok(rendered) }) => nondeterministic::settled(context, app, rendered).await,
        _ => Ok(Cow::Borrowed(&[])),
    }
}

pub(in crate::jobs) fn definition_change(pair: &AppComparison) -> DefinitionChange {
    match (&pair.base, &pair.change) {
        (None, _) => DefinitionChange::Added,
        (_, None) => DefinitionChange::Removed,
        _ if pair.repairs => DefinitionChange::Repaired,
        _ if pair.definition_changed => DefinitionChange::Edited,
        _ => DefinitionChange::None,
    }
}

fn render_failed(error: &RenderError) -> AppResult {
    AppResult::RenderFailed {
        message: error.to_string(),
        file: error.failure().and_then(|failure| failure.file.clone()),
    }
}

/// The temporary error that prevented the render of a side.
fn may_pass(side: Option<&AppVersion>) -> Option<&RenderError> {
    side?.rendered.as_ref().err().filter(|error| error.class().is_retry())
}

fn warnings(pair: &AppComparison) -> Vec<String> {
    let rendered = |side: &Option<AppVersion>| side.as_ref().and_then(|side| side.rendered.as_ref().ok()).cloned();
    let mut warnings =
        rendered(&pair.change).map(|rendered: Arc<Rendered>| rendered.warnings.clone()).unwrap_or_default();
    if let Some(AppVersion { rendered: Err(error), .. }) = &pair.base {
        warnings.push(format!("The base does not render, so this is compared with what is in the cluster: {error}"));
    }
    warnings
}

/// Whether the base's head is applied: then differences are drift.
async fn applied(context: &Context, pair: &AppComparison) -> Result<bool, JobError> {
    let Some(AppVersion { rendered: Ok(rendered), .. }) = &pair.base else { return Ok(false) };
    let row = context.store.app(&pair.id).await?;
    Ok(row.is_some_and(|row| {
        row.applied_identity.as_deref() == Some(&crate::jobs::desired::identity::identity(&row.app, rendered))
    }))
}

pub(in crate::jobs) fn limit(context: &Context) -> PruneLimit {
    PruneLimit { share: context.config.destructive.share, above: context.config.destructive.count }
}
