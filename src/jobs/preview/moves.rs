//! Objects that a pull request moves from one app to another of the same repo: no deletion in the old app, and accepted
//! in the new one.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::comparison::{AppComparison, AppVersion, MergeTrees};
use super::side;
use crate::config::Repo;
use crate::ids::{AppId, ClusterName, RepoName};
use crate::jobs::Context;
use crate::jobs::desired::identity;
use crate::jobs::ownership::unclaimed;
use crate::jobs::remembered::unclaimed::{LeftFor, UnclaimedObjects};
use crate::manifest::{Manifest, ObjectId, ObjectKey};
use crate::plan;
use crate::plan::{Action, Change, Plan, TakeOver, Verdict};
use crate::queue::JobError;
use crate::report::preview::WaitsFor;
use crate::store::apps::AppState;
use crate::store::inventory::KeptBy;

#[derive(Default)]
pub(in crate::jobs) struct Moves {
    /// What each app takes from others that let it go.
    taken: BTreeMap<AppId, BTreeMap<ObjectId, AppId>>,
    /// What it is before the pull request, as Git has it.
    bases: BTreeMap<(AppId, ObjectId), Manifest>,
    /// Whom it waits for, because that one is held by a person and keeps what it has.
    waits: BTreeMap<AppId, WaitsFor>,
    /// What the apps of the pull request render after it, as far as another one of them does not any more.
    wanted: BTreeMap<(ClusterName, ObjectId), BTreeSet<AppId>>,
    /// The same of the apps that it does not touch.
    others: BTreeMap<(RepoName, ClusterName), Arc<UnclaimedObjects>>,
    /// The apps of the pull request.
    pairs: BTreeSet<AppId>,
}

/// An app as it would be after the merge.
struct After<'a> {
    pair: &'a AppComparison,
    cluster: &'a ClusterName,
    ids: BTreeSet<ObjectId>,
}

impl Moves {
    pub async fn find(
        context: &Context,
        repo: &Repo,
        trees: &MergeTrees,
        pairs: &[AppComparison],
        cancel: &CancellationToken,
    ) -> Result<Self, JobError> {
        let mut moves = Self { pairs: pairs.iter().map(|pair| pair.id.clone()).collect(), ..Self::default() };
        let after: HashMap<&AppId, After<'_>> =
            pairs.iter().filter_map(|pair| Some((&pair.id, After::of(pair)?))).collect();
        for pair in pairs {
            moves.dropped(context, pair, &after).await?;
            let Some(after_it) = after.get(&pair.id) else { continue };
            // On another cluster it owns nothing yet, whatever it has of the same names where it was.
            let owned = owned(context, after_it.cluster, &pair.id).await?;
            let new: Vec<ObjectId> = after_it.ids.difference(&owned).cloned().collect();
            let mut asked = BTreeMap::new();
            for (id, owner) in context.store.owners(after_it.cluster, &pair.id, &new).await? {
                if owner.repo != pair.id.repo {
                    continue;
                }
                if !asked.contains_key(&owner) {
                    let kept = kept(context, repo, trees, pairs, (&owner, after_it.cluster), cancel).await?;
                    asked.insert(owner.clone(), kept);
                }
                if asked.get(&owner).is_some_and(|kept| kept.as_ref().is_some_and(|kept| !kept.contains(&id))) {
                    if let Some(base) = pairs.iter().find(|pair| pair.id == owner).and_then(|pair| base_of(pair, &id)) {
                        moves.bases.insert((pair.id.clone(), id.clone()), base);
                    }
                    moves.taken.entry(pair.id.clone()).or_default().insert(id, owner);
                }
            }
            let Some(taken) = moves.taken.get(&pair.id) else { continue };
            let kept = context.store.kept_by_others(after_it.cluster, &pair.id, &new).await?;
            if let Some(kept) = kept.into_iter().find(|kept| taken.contains_key(&kept.object)) {
                let pinned = kept.by == KeptBy::Pinned;
                moves.waits.insert(pair.id.clone(), WaitsFor { app: kept.owner, pinned });
            }
        }
        Ok(moves)
    }

    /// Looks who else renders what an app has and does not render any more.
    async fn dropped(
        &mut self,
        context: &Context,
        pair: &AppComparison,
        after: &HashMap<&AppId, After<'_>>,
    ) -> Result<(), JobError> {
        let Some(side) = pair.change.as_ref().or(pair.base.as_ref()) else { return Ok(()) };
        let cluster = &side.app.destination.cluster;
        let owned = owned(context, cluster, &pair.id).await?;
        let kept = after.get(&pair.id).map(|after| &after.ids);
        let dropped = || owned.iter().filter(|id| kept.is_none_or(|kept| !kept.contains(id)));
        if dropped().next().is_none() {
            return Ok(());
        }
        for id in dropped() {
            let takes = |other: &&After<'_>| {
                other.cluster == cluster && other.pair.id.repo == pair.id.repo && other.ids.contains(id)
            };
            for other in after.values().filter(takes) {
                self.wanted.entry((cluster.clone(), id.clone())).or_default().insert(other.pair.id.clone());
            }
        }
        let key = (pair.id.repo.clone(), cluster.clone());
        if let Entry::Vacant(unknown) = self.others.entry(key) {
            unknown.insert(unclaimed::of_repo(context, &pair.id.repo, cluster).await?);
        }
        Ok(())
    }

    /// Whether an app is among those of the pull request.
    pub fn touches(&self, app: &AppId) -> bool {
        self.pairs.contains(app)
    }

    /// The objects that an app begins to render and others let go, with these.
    pub fn to(&self, app: &AppId) -> Option<&BTreeMap<ObjectId, AppId>> {
        self.taken.get(app)
    }

    /// Whom an app waits for that takes what another one keeps.
    pub fn waits(&self, app: &AppId) -> Option<&WaitsFor> {
        self.waits.get(app)
    }

    fn left_for(&self, app: &AppId, cluster: &ClusterName, id: &ObjectId) -> Option<LeftFor> {
        let known = self.wanted.get(&(cluster.clone(), id.clone())).into_iter().flatten().find(|other| *other != app);
        let others =
            || self.others.get(&(app.repo.clone(), cluster.clone()))?.left_for(id, |other| !self.pairs.contains(other));
        known.map(|other| LeftFor { app: other.clone(), unknown: None }).or_else(others)
    }

    /// What becomes of an object of an app whose objects stay, if it moves.
    pub fn away(&self, app: &AppId, cluster: &ClusterName, key: &ObjectKey) -> Option<Change> {
        let left = self.left_for(app, cluster, &key.id()).filter(|left| left.unknown.is_none())?;
        let mut change = Change::new(key.clone(), Action::None, Verdict::Accepted);
        change.left_for = Some(left.app);
        Some(change)
    }

    /// Says in a plan what moves. What is taken over is compared with what it was: both come from the same repo.
    pub fn mark(&self, plan: &mut Plan) {
        for change in &mut plan.changes {
            let id = change.key.id();
            if change.action == Action::Prune {
                match self.left_for(&plan.app, &plan.cluster, &id) {
                    Some(LeftFor { app, unknown: None }) => change.leave(app),
                    Some(left) => {
                        let then = if plan::is_destructive(change) {
                            "its deletion needs confirmation"
                        } else {
                            "it is deleted, after confirmation where that is needed"
                        };
                        change.put_off = true;
                        change.notes.push(format!("It is {left}. Once that app renders without it, {then}"));
                    }
                    None => {}
                }
            } else if let Some(TakeOver::HandedOver { .. }) = change.takes_over
                && change.before.is_none()
            {
                let base = self.bases.get(&(plan.app.clone(), id));
                change.before = base.map(|base| plan::comparable(base, &change.key));
            }
        }
    }
}

impl<'a> After<'a> {
    fn of(pair: &'a AppComparison) -> Option<Self> {
        let Some(AppVersion { app, rendered: Ok(rendered) }) = &pair.change else { return None };
        let ids = rendered.manifests.iter().flat_map(|manifest| identity::ids(app, manifest)).collect();
        Some(Self { pair, cluster: &app.destination.cluster, ids })
    }
}

async fn owned(context: &Context, cluster: &ClusterName, app: &AppId) -> Result<BTreeSet<ObjectId>, JobError> {
    Ok(context.store.inventory_of(cluster, app).await?.iter().map(|row| row.key.id()).collect())
}

/// What an app keeps in a cluster after the merge. None: that is not known.
async fn kept(
    context: &Context,
    repo: &Repo,
    trees: &MergeTrees,
    pairs: &[AppComparison],
    (app, cluster): (&AppId, &ClusterName),
    cancel: &CancellationToken,
) -> Result<Option<BTreeSet<ObjectId>>, JobError> {
    let of = |side: &AppVersion| match &side.rendered {
        _ if side.app.destination.cluster != *cluster => Some(BTreeSet::new()),
        Ok(rendered) => {
            Some(rendered.manifests.iter().flat_map(|manifest| identity::ids(&side.app, manifest)).collect())
        }
        Err(_) => None,
    };
    if let Some(pair) = pairs.iter().find(|pair| pair.id == *app) {
        return Ok(pair.change.as_ref().map_or_else(|| Some(BTreeSet::new()), of));
    }
    match context.store.app(app).await? {
        None => Ok(Some(BTreeSet::new())),
        Some(row) if row.state == AppState::Removed => Ok(Some(BTreeSet::new())),
        Some(row) if row.state == AppState::Active => {
            let side = side::side(context, repo, trees, Some(row.app), &trees.change, cancel).await?;
            Ok(side.as_ref().and_then(of))
        }
        Some(_) => Ok(None),
    }
}

fn base_of(pair: &AppComparison, id: &ObjectId) -> Option<Manifest> {
    let Some(AppVersion { app, rendered: Ok(rendered) }) = &pair.base else { return None };
    rendered.manifests.iter().find(|manifest| identity::ids(app, manifest).contains(id)).cloned()
}
