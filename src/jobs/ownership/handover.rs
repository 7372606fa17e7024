//! Objects that move between apps: an object that one app no longer renders and another app of the repo does stays in
//! the cluster until that app takes it over.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::left::objects;
use super::unclaimed;
use crate::app::App;
use crate::ids::{AppId, ClusterName};
use crate::jobs::Context;
use crate::jobs::desired::identity;
use crate::jobs::remembered::unclaimed::LeftFor;
use crate::manifest::{Manifest, ObjectId};
use crate::plan::deletion::NotWanted;
use crate::plan::{Action, Change, OtherApps, Plan, TakeOver};
use crate::queue::JobError;
use crate::store::apps::{AppRow, AppState};
use crate::store::inventory::{ObjectRow, ObjectState};

/// What other apps own by now, or need, of what a plan would delete: it needs no confirmation either.
pub(super) async fn needed_by_others(context: &Context, row: &AppRow, plan: &Plan) -> Result<OtherApps, JobError> {
    let prunes = plan.changes.iter().filter(|change| change.action == Action::Prune);
    let ids: Vec<ObjectId> = prunes.map(|change| change.key.id()).collect();
    let needed = unclaimed::by_others(context, row, &plan.cluster, &ids).await?;
    // Those that are synced by now have claimed what they want, maybe since this plan looked at the inventory.
    let owned = context.store.owners(&plan.cluster, &plan.app, &ids).await?;
    let noted = |left: LeftFor| {
        let note = left.to_string();
        // The app's own head wants what the revision that is applied does not have.
        let is_own = left.app == row.app.id && !LeftFor::is_held(&note);
        (left.app, if is_own { format!("kept: {} still contains it", branch(&row.app)) } else { note })
    };
    Ok(OtherApps {
        own: owned.into_iter().map(|(object, _)| object).collect(),
        need: needed.into_iter().map(|(object, left)| (object, noted(left))).collect(),
        ..OtherApps::default()
    })
}

/// Whether there is nothing to do but to delete something that does not already need confirmation.
pub(in crate::jobs) async fn only_prunes_left(context: &Context, plan: &Plan) -> Result<bool, JobError> {
    let rows = context.store.inventory_of(&plan.cluster, &plan.app).await?;
    let held =
        |change: &Change| rows.iter().any(|row| row.state == ObjectState::Held && row.key.id() == change.key.id());
    Ok(plan.changes.iter().any(|change| change.action == Action::Prune && !held(change))
        && plan
            .changes
            .iter()
            .all(|change| matches!(change.action, Action::Prune | Action::None) && !change.is_rejected()))
}

/// Whether an app has left anything for others.
pub(in crate::jobs) async fn has_left_something(context: &Context, row: &AppRow) -> Result<bool, JobError> {
    let rows = context.store.inventory_of(&row.app.destination.cluster, &row.app.id).await?;
    Ok(rows.iter().any(|row| row.state == ObjectState::Moving))
}

/// Looks once more, as other apps may have come to want something while health was waited for. Says what may go:
/// nothing else is pruned.
pub(in crate::jobs) async fn recheck(
    context: &Context,
    row: &AppRow,
    cluster: &ClusterName,
) -> Result<NotWanted, JobError> {
    let rows = context.store.inventory_of(cluster, &row.app.id).await?;
    // Whoever was stopped before it deleted something looks again, too.
    let goes = |row: &&ObjectRow| matches!(row.state, ObjectState::Pruning | ObjectState::Deleting);
    let ids: Vec<ObjectId> = rows.iter().filter(goes).map(|row| row.key.id()).collect();
    let left = unclaimed::by_others(context, row, cluster, &ids).await?;
    for (object, left) in &left {
        tracing::info!(app = %row.app.id, %object, "{left}");
    }
    let left: Vec<ObjectId> = left.into_keys().collect();
    context.store.leave(cluster, &row.app.id, &left).await?;
    Ok(NotWanted::of(ids, &left))
}

/// The apps that have left something which nobody wants any more: a sync has to look at it again.
pub(in crate::jobs) async fn no_longer_wanted(
    context: &Context,
    cluster: &ClusterName,
) -> Result<Vec<AppId>, JobError> {
    let mut left: BTreeMap<AppId, Vec<ObjectId>> = BTreeMap::new();
    for row in context.store.left_on(cluster).await? {
        left.entry(row.app).or_default().push(row.key.id());
    }
    let mut apps = Vec::new();
    for (app, ids) in left {
        let Some(row) = context.store.app(&app).await? else { continue };
        if row.paused || !matches!(row.state, AppState::Active | AppState::Removed) {
            continue;
        }
        if unclaimed::by_others(context, &row, cluster, &ids).await?.len() < ids.len() {
            apps.push(app);
        }
    }
    Ok(apps)
}

/// What was applied and belongs to another app of the repo by now is not fought for: it was let go by a newer revision.
pub(in crate::jobs) async fn without_others<'a>(
    context: &Context,
    app: &App,
    manifests: Cow<'a, [Manifest]>,
    inventory: &[ObjectRow],
) -> Result<Cow<'a, [Manifest]>, JobError> {
    let own: BTreeSet<ObjectId> = inventory.iter().map(|row| row.key.id()).collect();
    let is_own = |manifest: &&Manifest| identity::ids(app, manifest).iter().any(|id| own.contains(id));
    let asked: Vec<ObjectId> = manifests
        .iter()
        .filter(|manifest| !is_own(manifest))
        .flat_map(|manifest| identity::ids(app, manifest))
        .collect();
    let owners = context.store.owners(&app.destination.cluster, &app.id, &asked).await?;
    let handed_over: BTreeSet<ObjectId> =
        owners.into_iter().filter(|(_, owner)| owner.repo == app.id.repo).map(|(id, _)| id).collect();
    if handed_over.is_empty() {
        return Ok(manifests);
    }
    let mut left = manifests.into_owned();
    left.retain(|manifest| !identity::ids(app, manifest).iter().any(|id| handed_over.contains(id)));
    Ok(Cow::Owned(left))
}

fn branch(app: &App) -> &str {
    app.source.ref_name.trim_start_matches("refs/heads/")
}

/// What was taken over from other apps, and left for others or for the app's own head, in words.
pub(in crate::jobs) fn said(own: &App, plan: &Plan) -> Vec<String> {
    let mut took: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut left, mut held): (BTreeMap<&AppId, usize>, BTreeMap<&AppId, usize>) = Default::default();
    for Change { takes_over, left_for, notes, .. } in &plan.changes {
        if let Some(TakeOver::OtherApp { app, .. }) = takes_over {
            *took.entry(app).or_default() += 1;
        }
        if let Some(app) = left_for {
            let is_held = notes.iter().any(|note| LeftFor::is_held(note));
            *if is_held { &mut held } else { &mut left }.entry(app).or_default() += 1;
        }
    }
    let took = took.into_iter().map(|(app, number)| format!("took over {} from app {app}", objects(number)));
    let left = left.into_iter().map(|(app, number)| {
        if *app == own.id {
            format!(
                "kept {} that {} still contains, although the applied revision does not",
                objects(number),
                branch(own)
            )
        } else {
            format!("kept {} for app {app}", objects(number))
        }
    });
    let held = held
        .into_iter()
        .map(|(app, number)| format!("kept {}, because app {app} does not render and may need them", objects(number)));
    took.chain(left).chain(held).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::RepoName;
    use crate::manifest::ObjectKey;
    use crate::plan::Verdict;

    /// T3+: what the app's own branch has is not kept for another app.
    #[test]
    fn for_whom_objects_are_kept() {
        let text = "apiVersion: driftless.dev/v1\nkind: App\nmetadata: {name: web}\nspec:\n  source: {path: web}\n  \
                    destination: {cluster: prod, namespace: shop}\n";
        let app =
            crate::app::parse_file(&RepoName::new("shop"), "refs/heads/main", "apps/web.yaml", text).apps.remove(0);
        let prune = |name: &str, left_for: &str| {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
            let key = ObjectKey::of(&object).expect("a name");
            let mut change = Change::new(key, Action::Prune, Verdict::Accepted);
            change.leave(left_for.parse().expect("an app"));
            change
        };
        let plan = Plan {
            app: app.id.clone(),
            cluster: ClusterName::new("prod"),
            revision: "0123456789012345678901234567890123456789".parse().expect("an id"),
            changes: vec![prune("a", "shop/web"), prune("b", "shop/web"), prune("c", "shop/cart")],
        };
        assert_eq!(
            said(&app, &plan),
            [
                "kept 1 object for app shop/cart",
                "kept 2 objects that main still contains, although the applied revision does not"
            ]
        );
    }
}
