//! The affected apps of a pull request, planned: what is shown of each.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::brought::{Brought, held_back};
use super::edited::Inline;
use super::moves::Moves;
use super::names::Names;
use super::object::{object, show};
use super::pair::{Pair, Side, Trees};
use super::previewed::Collected;
use super::shared::refuse_shared;
use super::{budget, charts, claimed, edited, leaving, schema};
use crate::app::{App, OnDelete};
use crate::class::{Class, Classified};
use crate::cluster::Cluster;
use crate::config::Repo;
use crate::ids::{AppId, ClusterName, Oid};
use crate::jobs::Engine;
use crate::jobs::desired::volatile;
use crate::jobs::lost_owners;
use crate::jobs::ownership::{orphans, stale};
use crate::lifecycle::beside;
use crate::manifest::{Manifest, ObjectId};
use crate::plan::{Change, PruneLimit, Redactor};
use crate::queue::JobError;
use crate::reconcile::{BaseSide, ChangePlan, Owned, PlanInput, ReconcileError, plan_change, plan_orphans};
use crate::render::{RenderError, Rendered};
use crate::report::preview::{AppReport, AppResult, DefinitionChange, HeldBack};
use crate::store::apps::AppRow;
use crate::store::inventory::ObjectRow;
use crate::sync::marked::Orphan;
use crate::sync::{Secrets, SeenSecrets, quotes_a_server};

/// Apps that are planned at once; each cluster bounds its own requests.
const AT_ONCE: usize = 4;

/// The affected apps, as far as they could be compared.
pub(in crate::jobs) struct Compared {
    pub apps: Vec<AppReport>,
    /// What kept an app from being compared and may pass: it is tried again soon.
    pub trouble: Option<JobError>,
}

pub(in crate::jobs) async fn all(
    engine: &Engine,
    repo: &Repo,
    trees: &Trees,
    head: &Oid,
    pairs: Vec<Pair>,
    collected: &Collected,
    cancel: &CancellationToken,
) -> Result<Compared, JobError> {
    let mut leaving = Vec::new();
    for pair in &pairs {
        leaving.extend(leaving::preview(engine, pair, head, cancel).await?);
    }
    let moves = Moves::find(engine, repo, trees, &pairs, cancel).boxed().await?;
    let siblings = Brought::by(engine, &pairs, &moves).await?;
    let whole = &Whole { engine, trees, head, moves: &moves, siblings: &siblings, collected, cancel };
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
    let names = Names::find(engine, &reports).await?;
    collected.rest_on(names.rests(&reports));
    refuse_shared(&mut reports, &names);
    claimed::refuse(engine, &mut reports, &moves, &names).await?;
    Ok(Compared { apps: reports, trouble: troubles.into_iter().flatten().next() })
}

/// What all apps of a pull request have in common.
struct Whole<'a> {
    engine: &'a Engine,
    trees: &'a Trees,
    head: &'a Oid,
    moves: &'a Moves,
    siblings: &'a Brought,
    collected: &'a Collected,
    cancel: &'a CancellationToken,
}

/// One app, whatever it meets: what is wrong with it is said of it alone.
async fn by_itself(whole: &Whole<'_>, pair: Pair) -> Result<(AppReport, Option<JobError>), JobError> {
    let (id, definition) = (pair.id.clone(), definition_change(&pair));
    let rendered = [&pair.base, &pair.change].map(|side| Some(Arc::clone(side.as_ref()?.rendered.as_ref().ok()?)));
    let cluster = pair.change.as_ref().or(pair.base.as_ref()).map(|side| side.app.destination.cluster.clone());
    let (error, cluster) = match (Box::pin(one(whole, pair)).await, cluster) {
        (Ok(report), _) => return Ok((report, None)),
        (Err(error), Some(cluster)) if error.class != Class::Cancelled => (error, cluster),
        (Err(error), _) => return Err(error),
    };
    let manifests = rendered.each_ref().map(|side| side.as_ref().map_or(&[][..], |side| &side.manifests[..]));
    let error = without_secrets(whole.engine, &id, &cluster, manifests, error).await;
    let report = AppReport::new(id.clone(), cluster, definition, AppResult::Unavailable { message: error.message() });
    let trouble = error.class.is_retry().then(|| JobError::new(error.class, format!("{id}: {}", error.message())));
    Ok((report, trouble))
}

/// What a server says may repeat what it was asked about, and what it has.
async fn without_secrets(
    engine: &Engine,
    id: &AppId,
    cluster: &ClusterName,
    manifests: [&[Manifest]; 2],
    error: JobError,
) -> JobError {
    if !quotes_a_server(error.source()) {
        return error;
    }
    let seen = SeenSecrets { manifests, ..SeenSecrets::default() };
    let secrets = Secrets::read(&engine.store, (cluster, engine.clusters.get(cluster)), id, seen).await;
    error.reworded(|text| secrets.show(text).into())
}

/// Values of apps that are compared at once: each is copied a few times on the way, so that large apps are compared one
/// after the other.
const VALUES_AT_ONCE: u32 = 200_000;

async fn one(whole: &Whole<'_>, pair: Pair) -> Result<AppReport, JobError> {
    let &Whole { engine, trees, head, moves, siblings, collected, cancel } = whole;
    let Some(app) = pair.change.as_ref().or(pair.base.as_ref()).map(|side| side.app.clone()) else {
        return Err(JobError::new(Class::Fail, format!("app {} is on neither side", pair.id)));
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
    let cluster = engine.cluster_for(&app.id, &app.destination.cluster);
    if let Some(side) = &pair.change
        && let Err(denied) = engine.permitted(&side.app)
    {
        report.result = AppResult::NotAllowed { message: pair.refused.clone().unwrap_or_else(|| denied.to_string()) };
        return Ok(report);
    }
    if let Some(error) = [&pair.change, &pair.base].into_iter().find_map(|side| may_pass(side.as_ref())) {
        return Err(JobError::new(error.class(), error.to_string()));
    }
    if let Some(Side { rendered: Err(error), .. }) = &pair.change {
        report.result = render_failed(error);
        return Ok(report);
    }
    report.warnings.extend(warnings(&pair));
    let row = engine.store.app(&pair.id).await?;
    let waits = pair.change.as_ref().and_then(|_| moves.waits(&pair.id));
    report.held_back = held_back(row.as_ref(), &app, waits);
    report.waits_for = waits.filter(|_| report.held_back == Some(HeldBack::Owner)).cloned();
    // What was applied last says what becomes of the objects, not what Git says since.
    let on_delete = row.as_ref().map_or(app.on_delete, AppRow::on_delete);
    let inventory = engine.store.inventory_of(&app.destination.cluster, &pair.id).await?;
    if pair.change.is_none() && on_delete == OnDelete::Keep {
        objects_stay(engine, &pair.id, &mut report, &inventory, moves).await?;
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
    let base = manifests(engine, pair.base.as_ref().filter(|_| pair.leaves().is_none())).await?;
    let change = manifests(engine, pair.change.as_ref()).await?;
    let orphans = orphans::known(engine, cluster, &pair.id).await?;
    let comparison = Comparison {
        engine,
        cluster,
        trees,
        head,
        app: &app,
        pair: &pair,
        sides: [&base, &change],
        inventory: &inventory,
        orphans: &orphans,
        siblings,
        cancel,
    };
    match comparison.make(moves).await? {
        Ok((mut planned, marked)) => {
            moves.mark(&mut planned.changes);
            siblings.explain(&mut planned.changes);
            warn(engine, cluster, &pair.id, &mut planned).boxed().await?;
            charts::warn(engine, cluster, &mut planned.changes, cancel).boxed().await?;
            collected.add(&pair.id, &planned);
            let by_marks_alone = orphans::join(&mut planned, orphans::accepted(&pair.id, marked));
            report.destructive.extend(by_marks_alone);
            let applied = applied(engine, &pair).await?;
            // Secrets are searched for and lines compared for as long as somebody else's objects are large.
            beside(|| show(&mut report, &planned, &pair, [&base, &change], &inventory, applied, limit(engine)));
        }
        Err(error) if error.class() == Class::Fail => {
            let error = without_secrets(engine, &pair.id, cluster.name(), [&base, &change], error.into()).await;
            report.result = AppResult::Unavailable { message: error.message() }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(report)
}

/// A definition is removed whose objects stay, except those that move to other apps.
async fn objects_stay(
    engine: &Engine,
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
        1 => "Its object stays in the cluster, as `onDelete: keep` says".to_owned(),
        more => format!("Its {more} objects stay in the cluster, as `onDelete: keep` says"),
    };
    report.warnings.push(format!("Its definition is removed. {stay}."));
    report.warnings.extend(leaving::stays(engine, app).await?);
    let objects = moved.iter().map(|change| object(change, &Redactor::default())).collect();
    report.result = AppResult::Planned { objects };
    Ok(())
}

/// Adds what neither the manifests nor the dry runs tell.
async fn warn(engine: &Engine, cluster: &Cluster, app: &AppId, planned: &mut ChangePlan) -> Result<(), JobError> {
    schema::warn(engine, &mut planned.changes).await?;
    let authority = engine.grants(&app.repo)?.on(cluster.name());
    lost_owners::warn(cluster, &authority, &mut planned.changes.changes).await;
    Ok(())
}

/// The two sides of one app, and what is there.
struct Comparison<'a> {
    engine: &'a Engine,
    cluster: &'a Cluster,
    trees: &'a Trees,
    head: &'a Oid,
    app: &'a App,
    pair: &'a Pair,
    /// The manifests of the base and of the change.
    sides: [&'a [Manifest]; 2],
    inventory: &'a [ObjectRow],
    orphans: &'a [Orphan],
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
            Ok((planned, _)) => stale::find(self.engine, &planned.changes).await?,
            Err(_) => BTreeMap::new(),
        };
        if stale.is_empty() {
            return Ok(first);
        }
        handed_over.extend(stale);
        Ok(self.with(&handed_over).await)
    }

    async fn with(&self, handed_over: &BTreeMap<ObjectId, AppId>) -> Planned {
        let Self { engine, cluster, trees, head, app, pair, sides: [base, change], orphans, cancel, .. } = *self;
        let marks = engine.marks(&pair.id);
        let owned: Vec<Owned> = self.inventory.iter().map(crate::sync::owned).collect();
        let allow = engine.config.repo(&pair.id.repo).map(|repo| repo.allow.clone()).unwrap_or_default();
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
        let marked = match orphans {
            [] => Vec::new(),
            _ => plan_orphans(cluster, PlanInput { inventory: &orphans::as_owned(orphans), ..change }, cancel).await?,
        };
        Ok((planned, marked))
    }
}

fn base_side(pair: &Pair) -> BaseSide {
    match &pair.base {
        Some(Side { rendered: Ok(_), .. }) if pair.leaves().is_none() => BaseSide::Complete,
        _ => BaseSide::Unknown,
    }
}

/// A base that does not render has nothing to compare with: the change is shown against what is live.
async fn manifests<'a>(engine: &Engine, side: Option<&'a Side>) -> Result<Cow<'a, [Manifest]>, JobError> {
    match side {
        Some(Side { app, rendered: Ok(rendered) }) => volatile::settled(engine, app, rendered).await,
        _ => Ok(Cow::Borrowed(&[])),
    }
}

pub(in crate::jobs) fn definition_change(pair: &Pair) -> DefinitionChange {
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

/// What kept a side from being rendered, where it may pass.
fn may_pass(side: Option<&Side>) -> Option<&RenderError> {
    side?.rendered.as_ref().err().filter(|error| error.class().is_retry())
}

fn warnings(pair: &Pair) -> Vec<String> {
    let rendered = |side: &Option<Side>| side.as_ref().and_then(|side| side.rendered.as_ref().ok()).cloned();
    let mut warnings =
        rendered(&pair.change).map(|rendered: Arc<Rendered>| rendered.warnings.clone()).unwrap_or_default();
    if let Some(Side { rendered: Err(error), .. }) = &pair.base {
        warnings.push(format!("The base does not render, so this is compared with what is in the cluster: {error}"));
    }
    warnings
}

/// Whether the base's head is what is applied: then what differs has drifted.
async fn applied(engine: &Engine, pair: &Pair) -> Result<bool, JobError> {
    let Some(Side { rendered: Ok(rendered), .. }) = &pair.base else { return Ok(false) };
    let row = engine.store.app(&pair.id).await?;
    Ok(row.is_some_and(|row| {
        row.applied_identity.as_deref() == Some(&crate::jobs::desired::identity::identity(&row.app, rendered))
    }))
}

pub(in crate::jobs) fn limit(engine: &Engine) -> PruneLimit {
    PruneLimit { share: engine.config.destructive.share, above: engine.config.destructive.count }
}
