//! Objects with the mark of an app that no longer owns them: a keep policy kept them when it stopped rendering them.

use std::collections::BTreeMap;

use crate::ids::AppId;
use crate::jobs::Context;
use crate::manifest::ObjectId;
use crate::plan::{Plan, TakeOver};
use crate::queue::JobError;
use crate::store::apps::{AppRow, AppState};

/// Which objects that a plan would take have only the mark of another app of the repo: the inventory knows that app,
/// and it neither has the object nor renders it.
pub(in crate::jobs) async fn find(context: &Context, plan: &Plan) -> Result<BTreeMap<ObjectId, AppId>, JobError> {
    let marks = context.marks(&plan.app);
    let marked = plan.changes.iter().filter_map(|change| match &change.takes_over {
        Some(TakeOver::OtherApp { instance, app }) if marks.is_instance(instance) => {
            let app: AppId = app.parse().ok()?;
            (app.repo == plan.app.repo).then(|| (change.key.id(), app))
        }
        _ => None,
    });
    let mut found: BTreeMap<ObjectId, AppId> = marked.collect();
    if found.is_empty() {
        return Ok(found);
    }
    let ids: Vec<ObjectId> = found.keys().cloned().collect();
    for (id, _) in context.store.owners(&plan.cluster, &plan.app, &ids).await? {
        found.remove(&id);
    }
    for (id, _) in context.store.wanted_by_others(&plan.cluster, &plan.app, &ids).await? {
        found.remove(&id);
    }
    let mut has_let_go: BTreeMap<AppId, bool> = BTreeMap::new();
    for app in found.values() {
        if !has_let_go.contains_key(app) {
            let row = context.store.app(app).await?;
            has_let_go.insert(app.clone(), row.is_some_and(|row| knows_its_own(&row)));
        }
    }
    found.retain(|_, app| has_let_go.get(app).copied().unwrap_or_default());
    Ok(found)
}

/// Whether what is not in an app's inventory is not its: right after the loss of a store nothing is.
fn knows_its_own(row: &AppRow) -> bool {
    let is_there = matches!(row.state, AppState::Active | AppState::Removed);
    is_there && !row.paused && row.applied_revision.is_some()
}
