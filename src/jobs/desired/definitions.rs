//! Updates the stored apps of a repo from its definitions branch. A missing definition alone deletes nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::app::{App, DefinitionError, Discovered, Memory, OnDelete, Scope};
use crate::config::Repo;
use crate::ids::{AppId, Oid, RepoName};
use crate::jobs::Context;
use crate::jobs::context::stoppable;
use crate::jobs::deliver::removed;
use crate::jobs::desired::removed_by::removed_by;
use crate::jobs::refs::missing_ref;
use crate::queue::{JobError, Key};
use crate::store::apps::{AppRow, AppState, GOES, STAYS};
use crate::tree::{Tree, TreeError};

/// Reads the definitions of a tree.
pub(in crate::jobs) async fn discover(
    context: &Context,
    repo: &Repo,
    tree: Arc<dyn Tree>,
) -> Result<Discovered, JobError> {
    Ok(read(context, repo, tree).await?.0)
}

async fn read(context: &Context, repo: &Repo, tree: Arc<dyn Tree>) -> Result<(Discovered, Arc<Memory>), JobError> {
    let last = context.definitions.last(&repo.name);
    let (found, memory) =
        scoped(context, repo, move |scope, stopped| scope.discover_again(tree.as_ref(), &last, stopped)).await?;
    let memory = Arc::new(memory);
    context.definitions.keep(&repo.name, &memory);
    Ok((found, memory))
}

async fn scoped<T: Send + 'static>(
    context: &Context,
    repo: &Repo,
    look: impl FnOnce(Scope<'_>, &dyn Fn() -> bool) -> Result<T, TreeError> + Send + 'static,
) -> Result<T, JobError> {
    let (config, name) = (Arc::clone(&context.config), repo.name.clone());
    let look = move |stopped: &dyn Fn() -> bool| {
        let repo = config.repo(&name).expect("a repo that was configured a moment ago");
        look(repo.scope(), stopped)
    };
    Ok(stoppable(look).await??)
}

/// What a look at the definitions brings about.
#[derive(Default)]
pub(in crate::jobs) struct Reconciled {
    pub to_sync: BTreeSet<AppId>,
    /// The repos and refs that apps which came, changed or went are made from: pull requests into these affect other
    /// apps now.
    pub sources: BTreeSet<(RepoName, String)>,
    /// Where apps stay missing because their ref is not there: a look at it says whether that is still so.
    pub without_ref: BTreeSet<(RepoName, String)>,
}

/// Stores what changed, and names the apps to sync for it. `before` is where the branch was at the last look.
pub(in crate::jobs) async fn reconcile(
    context: &Context,
    repo: &Repo,
    revision: &Oid,
    before: Option<&Oid>,
) -> Result<Reconciled, JobError> {
    let tree = context.mirrors.tree(&repo.name, revision).await?;
    let (found, memory) = read(context, repo, Arc::clone(&tree)).await?;
    for error in &found.errors {
        tracing::warn!(repo = %repo.name, "{error}");
    }
    if is_rewritten(context, repo, before, revision).await? {
        // What is found on the new history is defined by it: the next commit that removes it does so on purpose.
        context.store.define_at(&found.apps.keys().cloned().collect::<Vec<_>>(), revision).await?;
    }
    let changes = context.store.definition_changes();
    if context.definitions.is_settled(&repo.name, &memory, changes) {
        return Ok(Reconciled::default());
    }
    let stored = context.store.apps_defined_by(&repo.name).await?;
    let by_id: HashMap<&AppId, &AppRow> = stored.iter().map(|row| (&row.app.id, row)).collect();
    let Reconciled { mut to_sync, mut sources, mut without_ref } = Reconciled::default();
    let source = |app: &App| (app.source.repo.clone(), app.source.ref_name.clone());
    for (id, app) in &found.apps {
        let known = by_id.get(id);
        if let Some(row) = known
            && is_without_ref(context, row, app).await?
        {
            say_missing(context, row).await?;
            without_ref.insert(source(app));
        } else if known.is_none_or(|row| !is_stored(row, app)) {
            sources.insert(source(app));
            sources.extend(known.map(|row| source(&row.app)));
            context.store.put_app(app, revision).await?;
            to_sync.insert(id.clone());
        } else if known.is_some_and(|row| row.identity.is_none()) {
            // It was stored by a look that was stopped before the sync was queued.
            to_sync.insert(id.clone());
        }
    }
    let mut all_found = true;
    let at = At { repo, revision, tree };
    for row in stored.iter().filter(|row| !found.apps.contains_key(&row.app.id)) {
        // What becomes of it depends on more than the files.
        all_found = false;
        if row.state == AppState::Active {
            sources.insert(source(&row.app));
        }
        // What failed of it is over, as it is not synced any more.
        if gone(context, &at, row, &found).await? || context.queue.has_failed(&Key::Sync(row.app.id.clone())).await? {
            to_sync.insert(row.app.id.clone());
        }
    }
    // A change counts as one of these: then the next look compares once more.
    if all_found && to_sync.is_empty() && without_ref.is_empty() {
        context.definitions.settle(&repo.name, &memory, changes);
    }
    Ok(Reconciled { to_sync, sources, without_ref })
}

/// Whether the branch no longer has what it had at the last look. A branch that was away counts as another one.
async fn is_rewritten(context: &Context, repo: &Repo, before: Option<&Oid>, revision: &Oid) -> Result<bool, JobError> {
    match before {
        Some(before) => Ok(!context.mirrors.is_ancestor(&repo.name, before, revision).await?),
        None => Ok(true),
    }
}

fn is_stored(row: &AppRow, app: &App) -> bool {
    row.state == AppState::Active && is_same(row, app)
}

fn is_same(row: &AppRow, app: &App) -> bool {
    row.app.same_definition(app) && row.app.origin.definitions_ref == app.origin.definitions_ref
}

/// Whether an app is missing, and would be so again: its definition is as it was, and nobody has seen its ref since.
async fn is_without_ref(context: &Context, row: &AppRow, app: &App) -> Result<bool, JobError> {
    let source = &app.source;
    Ok(row.state == AppState::Missing
        && is_same(row, app)
        && context.repo(&source.repo).is_ok()
        && context.store.ref_head(&source.repo, &source.ref_name).await?.is_none())
}

/// That its definition could not be found may have been the reason before.
async fn say_missing(context: &Context, row: &AppRow) -> Result<(), JobError> {
    let message = missing_ref(&row.app.source);
    if row.state_message != message {
        context.store.set_app_state(&row.app.id, AppState::Missing, &message).await?;
    }
    Ok(())
}

/// The commit at which the definitions are looked at.
struct At<'a> {
    repo: &'a Repo,
    revision: &'a Oid,
    tree: Arc<dyn Tree>,
}

/// A definition that is not there any more. True when a sync has something to do: to prune its objects, because it said
/// so while it was there, or to end a wait for their health.
async fn gone(context: &Context, at: &At<'_>, row: &AppRow, found: &Discovered) -> Result<bool, JobError> {
    let (state, message) = verdict(context, at, row, found).await?;
    // By which commit it was removed does not change with what is pushed after that.
    let is_news = row.state != state || (row.state_message != message && state != AppState::Removed);
    if is_news {
        tracing::warn!(app = %row.app.id, "{message}");
        context.store.set_app_state(&row.app.id, state, &message).await?;
    }
    if state != AppState::Removed {
        return Ok(false);
    }
    if row.on_delete() != OnDelete::Prune {
        let now = context.store.subject(&row.app.id).await?;
        return Ok(now.is_some_and(|now| removed::waits_in_vain(&now.row, now.waiting.as_ref())));
    }
    Ok(row.state != AppState::Removed || is_forgotten(context, row).await?)
}

/// Whether nobody is on the way to prune the objects of a removed app: a look that was stopped may have left word of
/// the removal and no job.
async fn is_forgotten(context: &Context, row: &AppRow) -> Result<bool, JobError> {
    let (app, cluster) = (&row.app.id, &row.app.destination.cluster);
    if context.store.waiting_run(app).await?.is_some() {
        return Ok(false);
    }
    // What was shown needs confirmation.
    let shown = context.store.confirmable(app, cluster).await?;
    Ok(context.store.inventory_of(cluster, app).await?.iter().any(|object| !shown.contains(&object.key.id())))
}

async fn verdict(
    context: &Context,
    at: &At<'_>,
    row: &AppRow,
    found: &Discovered,
) -> Result<(AppState, String), JobError> {
    let At { repo, revision, tree } = at;
    let origin = &row.app.origin.file;
    // What was removed stays so: a mistake that is made elsewhere afterwards says nothing of it.
    let is_removed = row.state == AppState::Removed;
    let is_own = |error: &&DefinitionError| match &error.app {
        Some(app) if is_removed => *app == row.app.id.name,
        app => app.as_ref() == Some(&row.app.id.name) || error.file == *origin,
    };
    let own: Vec<String> = found.errors.iter().filter(is_own).map(ToString::to_string).collect();
    if !own.is_empty() {
        return Ok((AppState::Broken, format!("{}; its objects are kept", own.join("; "))));
    }
    if let Some(error) = found.errors.first().filter(|_| !is_removed) {
        let message = format!(
            "its definition is gone from {origin}, but {error}, so this may not be a removal; its objects are kept"
        );
        return Ok((AppState::Missing, message));
    }
    let (app, tree) = (row.app.clone(), Arc::clone(tree));
    if let Some(why) = scoped(context, repo, move |scope, _| scope.hidden(tree.as_ref(), &app)).await? {
        return Ok((AppState::Missing, format!("its definition was not found, but {why}; its objects are kept")));
    }
    if !context.mirrors.is_ancestor(&repo.name, &row.definition_commit, revision).await? {
        let message = format!(
            "its definition is gone from {origin} after {} was rewritten; its objects are kept",
            repo.definitions_ref
        );
        return Ok((AppState::Missing, message));
    }
    let objects = match row.on_delete() {
        OnDelete::Keep => format!("{STAYS} in the cluster (`onDelete: keep`)"),
        OnDelete::Prune => format!("{GOES} (`onDelete: prune`)"),
    };
    // Many commits may have come with one push: the one that took it away is named.
    let by = removed_by(context, repo, &row.app, revision).await?;
    let by = by.as_ref().unwrap_or(revision).short();
    Ok((AppState::Removed, format!("its definition was removed by {by}{objects}")))
}
