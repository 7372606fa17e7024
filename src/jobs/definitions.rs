//! Brings the stored apps of a repo to what its definitions branch says. Disappearance deletes nothing by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Engine;
use super::engine::blocking;
use crate::app::{Discovered, OnDelete, Scope};
use crate::config::Repo;
use crate::ids::{AppId, Oid};
use crate::queue::JobError;
use crate::store::apps::{AppRow, AppState};
use crate::tree::Tree;

/// Reads the definitions of a tree.
pub(super) async fn discover(engine: &Engine, repo: &Repo, tree: Arc<dyn Tree>) -> Result<Discovered, JobError> {
    let (config, name) = (Arc::clone(&engine.config), repo.name.clone());
    let look = move || {
        let repo = config.repo(&name).expect("a repo that was configured a moment ago");
        let scope = Scope {
            repo: &repo.name,
            definitions_ref: &repo.definitions_ref,
            globs: &repo.definitions,
            allow: &repo.allow,
            may_read: &repo.may_read,
        };
        scope.discover(tree.as_ref())
    };
    Ok(blocking(look).await??)
}

/// Stores what changed, and names the apps to sync for it.
pub(super) async fn reconcile(engine: &Engine, repo: &Repo, revision: &Oid) -> Result<BTreeSet<AppId>, JobError> {
    let tree = engine.mirrors.tree(&repo.name, revision).await?;
    let found = discover(engine, repo, tree).await?;
    for error in &found.errors {
        tracing::warn!(repo = %repo.name, "{error}");
    }
    let stored = engine.store.apps_defined_by(&repo.name).await?;
    let mut to_sync = BTreeSet::new();
    for (id, app) in &found.apps {
        let known = stored.iter().find(|row| row.app.id == *id);
        if known.is_none_or(|row| !row.app.same_definition(app) || row.state != AppState::Active) {
            engine.store.put_app(app, revision).await?;
            to_sync.insert(id.clone());
        }
    }
    for row in stored.iter().filter(|row| !found.apps.contains_key(&row.app.id)) {
        if gone(engine, repo, row, &found, revision).await? {
            to_sync.insert(row.app.id.clone());
        }
    }
    Ok(to_sync)
}

/// A definition that is not there any more. True when its objects are to be pruned, because it said so while it was there.
async fn gone(engine: &Engine, repo: &Repo, row: &AppRow, found: &Discovered, revision: &Oid) -> Result<bool, JobError> {
    let (state, message) = verdict(engine, repo, row, found, revision).await?;
    if row.state != state || row.state_message != message {
        tracing::warn!(app = %row.app.id, "{message}");
        engine.store.set_app_state(&row.app.id, state, &message).await?;
    }
    Ok(state == AppState::Removed && row.app.on_delete == OnDelete::Prune && row.state != AppState::Removed)
}

async fn verdict(engine: &Engine, repo: &Repo, row: &AppRow, found: &Discovered, revision: &Oid) -> Result<(AppState, String), JobError> {
    let origin = &row.app.origin.file;
    if let Some(error) = found.errors.iter().find(|error| error.app.as_deref() == Some(&row.app.id.name) || error.file == *origin) {
        return Ok((AppState::Broken, format!("{error}; its objects stay as they are")));
    }
    if let Some(error) = found.errors.first() {
        let message = format!("its definition is gone from {origin}, but {error}, so that may be no removal; its objects stay as they are");
        return Ok((AppState::Missing, message));
    }
    if !engine.mirrors.is_ancestor(&repo.name, &row.definition_commit, revision).await? {
        let message =
            format!("its definition is gone from {origin} after {} was rewritten; its objects stay as they are", repo.definitions_ref);
        return Ok((AppState::Missing, message));
    }
    let objects = match row.app.on_delete {
        OnDelete::Keep => "its objects stay in the cluster, as `onDelete: keep` says",
        OnDelete::Prune => "its objects are pruned, as `onDelete: prune` said",
    };
    Ok((AppState::Removed, format!("its definition was removed by {}; {objects}", revision.short())))
}
