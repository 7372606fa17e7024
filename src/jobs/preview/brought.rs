//! What the apps of a pull request add to each cluster: one app may need an object of another. Apps that are not synced
//! automatically add nothing.

use std::collections::{BTreeMap, HashMap};

use super::comparison::{AppComparison, AppVersion};
use super::moves::Moves;
use crate::app::{App, SyncPolicy};
use crate::ids::{AppId, ClusterName};
use crate::jobs::Context;
use crate::manifest::{Manifest, ObjectId, ObjectKey};
use crate::plan::siblings::decides_otherwise;
use crate::plan::{Plan, Siblings, Verdict};
use crate::queue::JobError;
use crate::report::preview::{HeldBack, WaitsFor};
use crate::store::apps::AppRow;

#[derive(Default)]
pub(in crate::jobs) struct Brought {
    /// By the apps that merging syncs.
    by_merge: BTreeMap<ClusterName, Siblings>,
    /// By all of them: who syncs an app by hand can sync another one before.
    by_hand: BTreeMap<ClusterName, Siblings>,
    /// The apps that wait for somebody, and why.
    held_back: BTreeMap<AppId, HeldBack>,
    /// What only these bring.
    waiting: HashMap<(ClusterName, ObjectId), AppId>,
}

impl Brought {
    pub async fn by(context: &Context, pairs: &[AppComparison], moves: &Moves) -> Result<Self, JobError> {
        let mut brought = Self::default();
        for pair in pairs {
            let Some(AppVersion { app, .. }) = &pair.change else { continue };
            let row = context.store.app(&pair.id).await?;
            brought.add(pair, held_back(row.as_ref(), app, moves.waits(&pair.id)));
        }
        Ok(brought)
    }

    fn add(&mut self, pair: &AppComparison, held_back: Option<HeldBack>) {
        let Some(AppVersion { app, rendered: Ok(rendered) }) = &pair.change else { return };
        let before: HashMap<&ObjectKey, &Manifest> = match &pair.base {
            Some(AppVersion { rendered: Ok(base), .. }) if pair.leaves().is_none() => {
                base.manifests.iter().map(|one| (&one.key, one)).collect()
            }
            _ => HashMap::new(),
        };
        let changes =
            |manifest: &Manifest| before.get(&manifest.key).is_none_or(|before| decides_otherwise(before, manifest));
        let (cluster, namespace) = (&app.destination.cluster, &app.destination.namespace);
        self.by_hand.entry(cluster.clone()).or_default().add(&rendered.manifests, namespace, changes);
        let Some(held_back) = held_back else {
            return self.by_merge.entry(cluster.clone()).or_default().add(&rendered.manifests, namespace, changes);
        };
        for manifest in &rendered.manifests {
            let mut id = manifest.key.id();
            id.namespace.get_or_insert_with(|| namespace.clone());
            self.waiting.insert((cluster.clone(), id), app.id.clone());
        }
        self.held_back.insert(app.id.clone(), held_back);
    }

    /// What comes to the cluster of an app before it, or with it.
    pub fn to(&self, app: &App) -> Option<&Siblings> {
        let all = if self.held_back.contains_key(&app.id) { &self.by_hand } else { &self.by_merge };
        all.get(&app.destination.cluster)
    }

    /// Says of what is refused that the missing object is in the pull request, and why that is not enough.
    pub fn explain(&self, plan: &mut Plan) {
        let Some(all) = self.by_hand.get(&plan.cluster).filter(|_| !self.held_back.contains_key(&plan.app)) else {
            return;
        };
        for change in &mut plan.changes {
            let (Verdict::Rejected { message, .. }, Some(desired)) = (&mut change.verdict, &change.desired) else {
                continue;
            };
            let Some(needed) =
                all.needed_by(&change.key, &desired.object, message).or_else(|| all.namespace_of(&change.key, message))
            else {
                continue;
            };
            let Some(app) = self.waiting.get(&(plan.cluster.clone(), needed.clone())) else { continue };
            let Some(why) = self.held_back.get(app).copied().map(in_words) else { continue };
            let text = format!(
                "{message} {needed} is part of app {app}, which is not synced automatically after the merge ({why}). \
                 Merge and sync that app first."
            );
            *message = text;
        }
    }
}

fn in_words(held_back: HeldBack) -> &'static str {
    match held_back {
        HeldBack::Never => "`sync: never`",
        HeldBack::Manual => "`sync: manual`",
        HeldBack::Paused => "it is paused",
        HeldBack::Pinned => "it is pinned",
        HeldBack::Owner => "it waits for an app that is paused or pinned",
    }
}

/// Why merging applies nothing of an app by itself, by its definition after the merge, and whom it waits for.
pub(in crate::jobs) fn held_back(row: Option<&AppRow>, app: &App, waits: Option<&WaitsFor>) -> Option<HeldBack> {
    match (row, app.sync) {
        (_, SyncPolicy::Never) => Some(HeldBack::Never),
        (Some(row), _) if row.paused => Some(HeldBack::Paused),
        (Some(row), _) if row.pinned_revision.is_some() => Some(HeldBack::Pinned),
        (_, SyncPolicy::Manual | SyncPolicy::Auto) if waits.is_some() => Some(HeldBack::Owner),
        (_, SyncPolicy::Manual) => Some(HeldBack::Manual),
        (_, SyncPolicy::Auto) => None,
    }
}
