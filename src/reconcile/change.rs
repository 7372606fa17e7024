//! The plan of a preview: what the pull request changes, and apart from it, what already differs.

use std::collections::{HashMap, HashSet};

use tokio_util::sync::CancellationToken;

use super::apply::{MOVED_TRIES, PlanSide};
use super::blocked;
use super::facts::Facts;
use super::input::{ChangePlan, PlanInput, ReconcileError, until};
use super::keeps;
use super::kinds::Kinds;
use crate::cluster::Cluster;
use crate::manifest::ObjectId;
use crate::plan::deletion::WantedUids;
use crate::plan::marks::{Marked, Marks};
use crate::plan::{self, Action, Change, NotValidated, Prepared, PreparedObject, Rendered, Verdict};

/// Compares two sides of one app on one cluster: the head of the base branch, and the merge into it. A side on which
/// the app is not defined has no manifests. Both sides have the same inventory.
pub async fn plan_change(
    cluster: &Cluster,
    base: PlanInput<'_>,
    change: PlanInput<'_>,
    known: BaseSide,
    cancel: &CancellationToken,
) -> Result<ChangePlan, ReconcileError> {
    until(cancel, async {
        let kinds = Kinds::of(cluster, base.manifests.iter().chain(change.manifests)).await?;
        let (mut base, mut change) = (PlanSide::new(cluster, base, &kinds), PlanSide::new(cluster, change, &kinds));
        change.look_at_deciders().await?;
        base.redefined = redefined(&base, &change);
        base.is_news |= change.is_news;
        // It holds the answers about all objects of both sides: beside the stack of whoever asks.
        Box::pin(Lenses { base, change, known }.plan()).await
    })
    .await
}

/// Whether the base side tells what the app consists of before the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseSide {
    /// What the inventory has and the base side lacks goes with the base's own head, whatever the change does.
    Complete,
    /// It does not render, or has no such app on this cluster: all that goes, goes with the change.
    Unknown,
}

struct Lenses<'a> {
    base: PlanSide<'a>,
    change: PlanSide<'a>,
    known: BaseSide,
}

impl Lenses<'_> {
    async fn plan(self) -> Result<ChangePlan, ReconcileError> {
        let (base_hashes, change_hashes) = (hashes(&self.base), hashes(&self.change));
        let differs = |id: &ObjectId| base_hashes.get(id) != change_hashes.get(id);
        // What differs is asked about on both sides, even where the base is known to be applied.
        let mut base_crds = HashSet::new();
        let mut base_facts = self
            .base
            .facts(|wanted| differs(&wanted.key.id()) || !self.base.is_unchanged(wanted), &mut base_crds)
            .await?;
        // A CRD that is the same on both sides and not live yet is pending for both.
        let mut change_crds: HashSet<String> = self
            .change
            .wanted()
            .map(|wanted| &wanted.key.name)
            .filter(|name| base_crds.contains(*name))
            .cloned()
            .collect();
        // What the base has refused may be taken with what the change brings.
        let is_refused = |id: &ObjectId| {
            base_facts.get(id).is_some_and(|facts| matches!(facts.asked.verdict, Verdict::Rejected { .. }))
        };
        let about = |wanted: &PreparedObject| differs(&wanted.key.id()) || is_refused(&wanted.key.id());
        let mut change_facts = self.change.facts(about, &mut change_crds).await?;
        for _ in 1..MOVED_TRIES {
            let moved = moved(&base_facts, &change_facts);
            if moved.is_empty() {
                break;
            }
            base_facts.extend(self.base.facts(|wanted| moved.contains(&wanted.key.id()), &mut base_crds).await?);
            change_facts.extend(self.change.facts(|wanted| moved.contains(&wanted.key.id()), &mut change_crds).await?);
        }
        let wanted = self.change.wanted_uids(&change_facts);
        let unchanged = blocked::look(&self.change, &base_facts, &change_facts, &differs);
        let absent: HashSet<ObjectId> =
            change_facts.iter().filter(|(_, facts)| facts.live.is_none()).map(|(id, _)| id.clone()).collect();
        let mut changes = self.changed(&base_facts, change_facts, &differs);
        keeps::look(&self.base, &self.change, &mut changes, &absent).await?;
        changes.extend(self.removed(&base_facts, &wanted).await?);
        let mut changes = self.change.finish(changes);
        self.change.look_into(&mut changes.changes).await;
        let counted = blocked::together(&self.change, &mut changes.changes, unchanged, &absent).await?;
        // How what cannot be read differs is not known.
        let unread: HashSet<ObjectId> =
            base_facts.iter().filter(|(_, facts)| facts.is_unread()).map(|(id, _)| id.clone()).collect();
        let mut already = self.base.plan(base_facts).await?;
        // Where nobody knows what the base wants, nothing is known to be no longer in it, but what is held for that.
        let is_known = |change: &Change| {
            self.known == BaseSide::Complete || change.action != Action::Prune || self.base.is_held(&change.key.id())
        };
        already.changes.retain(|change| !is_nothing(change) && is_known(change) && !unread.contains(&change.key.id()));
        Ok(ChangePlan { changes, already, counted })
    }

    fn changed(
        &self,
        base_facts: &HashMap<ObjectId, Facts>,
        mut facts: HashMap<ObjectId, Facts>,
        differs: &impl Fn(&ObjectId) -> bool,
    ) -> Vec<Change> {
        let base: HashMap<ObjectId, &PreparedObject> =
            self.base.wanted().map(|wanted| (wanted.key.id(), wanted)).collect();
        let mut changes = Vec::new();
        for one in self.change.prepared.iter().filter(|one| differs(&plan::id(one))) {
            let id = plan::id(one);
            match one {
                Err(refused) => changes.push(refused.clone().change()),
                Ok(wanted) => {
                    let Some(Facts { live, mut asked, sent, .. }) = facts.remove(&id) else { continue };
                    if let (Some(before), Some(facts)) = (base.get(&id), base_facts.get(&id))
                        && self.base.is_applied(before)
                    {
                        asked.verdict = not_the_drifts_fault(asked.verdict, facts, before);
                    }
                    let base = base.get(&id).copied().zip(base_facts.get(&id).map(|facts| &facts.asked));
                    let wanted = sent.as_deref().unwrap_or(wanted);
                    let claim = self.change.claim(&id, live.as_ref());
                    changes.push(plan::decide_change(wanted, live.as_ref(), base, asked, claim));
                }
            }
        }
        changes
    }

    /// What the base side has and the change side lacks. What the base side lacks as well, its own head prunes.
    async fn removed(
        &self,
        base_facts: &HashMap<ObjectId, Facts>,
        wanted: &WantedUids,
    ) -> Result<Vec<Change>, ReconcileError> {
        let in_base: HashSet<_> = self.base.prepared.iter().map(plan::id).collect();
        let mut leftovers = self.change.leftovers();
        leftovers.retain(|id| in_base.contains(id) || (self.known == BaseSide::Unknown && !self.change.is_held(id)));
        let mut removed = self.change.removals(leftovers.clone(), wanted).await?;
        // A refusal of a delete that this change does not bring is not its fault.
        removed.retain(|change| in_base.contains(&change.key.id()) || !change.is_rejected());
        let rendered = Rendered::of(&self.change.prepared);
        let gone = self.base.wanted().filter(|wanted| !rendered.has(&wanted.key.id()));
        for wanted in gone.filter(|wanted| !leftovers.contains(&wanted.key.id())) {
            removed.extend(never_applied(wanted, base_facts, self.base.input.marks));
        }
        Ok(removed)
    }
}

/// Drift never fails a gate: where the server refuses what is applied in the same fields, it refuses what somebody made
/// of these since. What nobody has changed, and what a policy or a webhook denies, is refused when it is merged as
/// well.
fn not_the_drifts_fault(verdict: Verdict, base: &Facts, applied: &PreparedObject) -> Verdict {
    match (verdict, &base.asked.verdict, &base.live) {
        (Verdict::Rejected { message, causes }, Verdict::Rejected { causes: before, .. }, Some(live))
            if causes.iter().all(|cause| before.contains(cause))
                && plan::explains(live, &applied.desired.object, &causes) =>
        {
            Verdict::NotValidated { reason: NotValidated::Drifted { message } }
        }
        (verdict, ..) => verdict,
    }
}

/// The objects that changed between being asked about for one side and for the other: their two answers can not be
/// compared.
fn moved(base: &HashMap<ObjectId, Facts>, change: &HashMap<ObjectId, Facts>) -> HashSet<ObjectId> {
    let differ =
        |(id, facts): &(&ObjectId, &Facts)| base.get(*id).is_some_and(|base| base.version() != facts.version());
    change.iter().filter(differ).map(|(id, _)| id.clone()).collect()
}

/// The base side has the object, the inventory does not: it would have come, and now does not. Nothing is deleted.
fn never_applied(wanted: &PreparedObject, base_facts: &HashMap<ObjectId, Facts>, marks: &Marks) -> Option<Change> {
    let facts = base_facts.get(&wanted.key.id())?;
    let owner = |live| match marks.read(live, &wanted.key.id()) {
        Marked::Other { app, .. } => format!("It belongs to app {app} and is kept."),
        Marked::Ours | Marked::No => "Kept: it exists, but it is not in the app's inventory.".to_owned(),
    };
    let note = facts.live.as_ref().map_or_else(|| "It was never applied and is no longer in Git.".to_owned(), owner);
    let change = Change::new(wanted.key.clone(), Action::None, Verdict::Accepted);
    Some(Change { notes: vec![note], before: Some(wanted.manifest.clone()), ..change })
}

/// The CRDs that differ between the sides.
fn redefined(base: &PlanSide<'_>, change: &PlanSide<'_>) -> HashSet<String> {
    let (base, change) = (hashes(base), hashes(change));
    let ids = base.keys().chain(change.keys()).filter(|id| id.kind == "CustomResourceDefinition");
    ids.filter(|id| base.get(*id) != change.get(*id)).map(|id| id.name.clone()).collect()
}

fn hashes<'a>(side: &'a PlanSide<'_>) -> HashMap<ObjectId, (bool, &'a str)> {
    side.prepared.iter().map(|one| (plan::id(one), hash(one))).collect()
}

fn hash(prepared: &Prepared) -> (bool, &str) {
    match prepared {
        Ok(wanted) => (true, &wanted.desired.hash),
        Err(refused) => (false, &refused.hash),
    }
}

fn is_nothing(change: &Change) -> bool {
    change.action == Action::None && change.verdict == Verdict::Accepted
}
