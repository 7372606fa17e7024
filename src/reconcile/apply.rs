//! The plan of a sync: what it would do now.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::ask;
use super::coming::coming;
use super::facts::{Facts, unless_rejected};
use super::input::{Owned, PlanInput, ReconcileError, until};
use super::kinds::Kinds;
use super::quota;
use crate::cluster::Cluster;
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::deletion::WantedUids;
use crate::plan::{
    self, Action, Change, Claim, DryRun, NotValidated, Plan, Prepared, PreparedObject, Rendered, Siblings, Stage,
    Verdict,
};

/// What a sync of the app at this revision would change: every object of it, with those that stay as they are, and what
/// it would prune.
pub async fn plan_apply(
    cluster: &Cluster,
    input: PlanInput<'_>,
    cancel: &CancellationToken,
) -> Result<Plan, ReconcileError> {
    until(cancel, async {
        let kinds = Kinds::of(cluster, input.manifests.iter()).await?;
        let mut side = PlanSide { is_sync: true, ..PlanSide::new(cluster, input, &kinds) };
        side.look_at_deciders().await?;
        let facts = side.facts(|wanted| !side.is_unchanged(wanted), &mut HashSet::new()).await?;
        let mut plan = side.plan(facts).await?;
        side.look_into(&mut plan.changes).await;
        side.together(&mut plan.changes).await?;
        Ok(plan)
    })
    .await
}

/// An object that changes while it is asked about is asked about again; one that never rests is taken as it is.
pub(super) const MOVED_TRIES: usize = 4;

/// The manifests of one revision, ready to be asked about.
pub(super) struct PlanSide<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) input: PlanInput<'a>,
    pub(super) prepared: Vec<Prepared>,
    /// What this app and the others of the same change bring.
    coming: Siblings,
    pub(super) owned: HashMap<&'a ObjectId, &'a Owned>,
    by_uid: HashMap<&'a str, &'a Owned>,
    /// The CRDs that the other side of a change has otherwise.
    pub(super) redefined: HashSet<String>,
    /// It is not what was applied last.
    pub(super) is_news: bool,
    /// It is to be applied or healed, not only shown.
    is_sync: bool,
}

fn uid(object: &Value) -> Option<&str> {
    object.pointer("/metadata/uid")?.as_str().filter(|uid| !uid.is_empty())
}

impl<'a> PlanSide<'a> {
    pub(super) fn new(cluster: &'a Cluster, input: PlanInput<'a>, kinds: &Kinds) -> Self {
        let PlanInput { app, marks, allow, manifests, siblings, .. } = input;
        let served = |key: &ObjectKey| kinds.served(key);
        let is_one = |one: &ObjectKey, other: &ObjectKey| kinds.is_one(one, other);
        let owned: HashMap<&ObjectId, &Owned> = input.inventory.iter().map(|owned| (&owned.id, owned)).collect();
        let (scope, is_owned) = (|key: &ObjectKey| kinds.scope(key), |id: &ObjectId| owned.contains_key(id));
        let with = plan::Preparing {
            app,
            marks,
            allow,
            served: &served,
            scope: &scope,
            owned: &is_owned,
            is_one: &is_one,
            siblings,
        };
        let prepared = plan::prepare(manifests, &with);
        let mut coming = coming(&prepared, siblings, &owned);
        coming.define(manifests);
        let by_uid = input.inventory.iter().filter_map(|owned| Some((owned.uid.as_deref()?, owned))).collect();
        let mut side = Self {
            cluster,
            input,
            prepared,
            coming,
            owned,
            by_uid,
            redefined: HashSet::new(),
            is_news: false,
            is_sync: false,
        };
        side.is_news = !side.leftovers().is_empty() || side.wanted().any(|wanted| !side.is_applied(wanted));
        side
    }

    pub(super) fn wanted(&self) -> impl Iterator<Item = &PreparedObject> {
        self.prepared.iter().filter_map(|one| one.as_ref().ok())
    }

    pub(super) fn is_unchanged(&self, wanted: &PreparedObject) -> bool {
        (self.input.unchanged)(&wanted.key.id(), &wanted.desired.hash)
    }

    /// Whether this very manifest was applied last.
    pub(super) fn is_applied(&self, wanted: &PreparedObject) -> bool {
        let owned = self.owned.get(&wanted.key.id());
        owned.is_some_and(|owned| owned.manifest_hash.as_ref() == Some(&wanted.desired.hash))
    }

    /// The uid of the object to which this very manifest was applied last.
    fn applied_to(&self, wanted: &PreparedObject) -> Option<&str> {
        let owned = self.owned.get(&wanted.key.id()).filter(|_| self.is_applied(wanted));
        owned.and_then(|owned| owned.uid.as_deref())
    }

    /// What is known of an object. One that the inventory has under another group, with the same uid, is the same
    /// object.
    pub(super) fn claim(&self, id: &ObjectId, live: Option<&Value>) -> Claim<'a> {
        let PlanInput { marks, adopt, reveals, handed_over, .. } = self.input;
        let same = || uid(live?).and_then(|uid| self.by_uid.get(uid));
        let owned = self.owned.get(id).or_else(same);
        let (uid, applied_hash) =
            (owned.and_then(|owned| owned.uid.as_deref()), owned.and_then(|owned| owned.manifest_hash.as_deref()));
        Claim { marks, uid, applied_hash, adopt, reveals, handed_over_by: handed_over.and_then(|by| by.get(id)) }
    }

    /// A Job that completed as this manifest says, and was cleaned up since.
    pub(super) fn is_over(&self, wanted: &PreparedObject, facts: &Facts) -> bool {
        let gone = facts.live.is_none() && !facts.as_applied;
        let done = |owned: &&Owned| owned.done && owned.manifest_hash.as_ref() == Some(&wanted.desired.hash);
        gone && self.owned.get(&wanted.key.id()).copied().is_some_and(|owned| done(&owned))
    }

    /// Asks about the objects that `about` picks: CRDs and namespaces first, because an object whose CRD changes can
    /// not be asked about yet. `pending` are the CRDs that are known to change; those that are found to are added.
    pub(super) async fn facts(
        &self,
        about: impl Fn(&PreparedObject) -> bool,
        pending: &mut HashSet<String>,
    ) -> Result<HashMap<ObjectId, Facts>, ReconcileError> {
        // What another app makes of a CRD is not there yet either.
        pending.extend(self.input.siblings.iter().flat_map(|siblings| siblings.changing_crds()).map(str::to_owned));
        let is_first =
            |wanted: &PreparedObject| plan::order::stage(&wanted.key.group, &wanted.key.kind) == Stage::First;
        let picked =
            |first: bool| self.wanted().filter(move |wanted| is_first(wanted) == first).filter(|wanted| about(wanted));
        let mut facts = self.ask_all(picked(true), &HashSet::new()).await?;
        pending.extend(self.changed_crds(&facts));
        facts.extend(self.ask_all(picked(false), pending).await?);
        Ok(facts)
    }

    async fn ask_all<'w>(
        &'w self,
        wanted: impl Iterator<Item = &'w PreparedObject>,
        pending: &HashSet<String>,
    ) -> Result<HashMap<ObjectId, Facts>, ReconcileError> {
        let at_once = self.cluster.concurrency();
        let each: Vec<_> = wanted.map(|wanted| self.ask(wanted, pending)).collect();
        let asked = futures::stream::iter(each).buffer_unordered(at_once);
        asked.try_filter_map(|one| std::future::ready(Ok(one))).try_collect().await
    }

    /// None: it is as it was applied, and the server refuses that by now or cannot ask an admission webhook about it.
    /// It stays as it is, so that it does not hold up a change or a heal of others.
    async fn ask(
        &self,
        wanted: &PreparedObject,
        pending: &HashSet<String>,
    ) -> Result<Option<(ObjectId, Facts)>, ReconcileError> {
        let mut tries = 1;
        loop {
            let facts = match self.ask_once(wanted, pending).await {
                Err(error) if error.is_unanswered_webhook() && self.is_left_unasked(wanted).await? => return Ok(None),
                Err(error) => self.unread(wanted, pending, &error).ok_or(error)?,
                Ok(facts) if self.is_left(wanted, &facts) => return Ok(None),
                Ok(facts) => facts,
            };
            if facts.agree() || tries == MOVED_TRIES {
                return Ok(Some((wanted.key.id(), facts)));
            }
            tries += 1;
        }
    }

    /// Whether an object that the server refuses has all that its manifest asks for, which was applied.
    fn is_left(&self, wanted: &PreparedObject, facts: &Facts) -> bool {
        self.is_sync
            && matches!(facts.asked.verdict, Verdict::Rejected { .. })
            && self.has_all(wanted, facts.live.as_ref())
    }

    /// The same where an admission webhook gives no answer. A change does not wait for that to end, as it may be what
    /// ends it.
    async fn is_left_unasked(&self, wanted: &PreparedObject) -> Result<bool, ReconcileError> {
        if self.is_news {
            return Ok(self.is_applied(wanted));
        }
        Ok(self.is_sync && self.has_all(wanted, ask::live(self.cluster, &wanted.key).await?.as_ref()))
    }

    fn has_all(&self, wanted: &PreparedObject, live: Option<&Value>) -> bool {
        let Some(live) = live else { return false };
        uid(live).is_some_and(|uid| self.applied_to(wanted) == Some(uid)) && plan::has_all(&wanted.desired.object, live)
    }

    /// An object that the conversion webhook of its kind keeps from being read is there. Where the change is about that
    /// kind it is no outage to be waited for: the change may be what ends it.
    fn unread(&self, wanted: &PreparedObject, pending: &HashSet<String>, error: &ReconcileError) -> Option<Facts> {
        let crd = self.coming.crds().get(&wanted.key.group, &wanted.key.kind)?.name.clone();
        let is_about_it = pending.contains(&crd) || self.redefined.contains(&crd);
        (is_about_it && error.is_conversion()).then(|| {
            let verdict = Verdict::NotValidated { reason: NotValidated::CrdInPlan { crd } };
            Facts { live: None, as_applied: true, asked: DryRun::without_result(verdict), sent: None }
        })
    }

    async fn ask_once(&self, wanted: &PreparedObject, pending: &HashSet<String>) -> Result<Facts, ReconcileError> {
        let crd = self.coming.crds().get(&wanted.key.group, &wanted.key.kind).filter(|crd| pending.contains(&crd.name));
        if let Some(crd) = crd {
            let reason = NotValidated::CrdInPlan { crd: crd.name.clone() };
            let asked = DryRun::without_result(Verdict::NotValidated { reason });
            return Ok(Facts {
                live: ask::live(self.cluster, &wanted.key).await?,
                as_applied: false,
                asked,
                sent: None,
            });
        }
        let id = wanted.key.id();
        let owned = self.owned.get(&id);
        let left = owned.and_then(|owned| owned.resource_version.as_deref());
        if self.input.app.ignore_differences.iter().any(|rule| rule.matches(&id)) {
            return self.ask_without_ignored(wanted).await;
        }
        if owned.is_none() || left.is_some() {
            // Likely a new object, or one as we left it: then one request is enough.
            let asked = ask::dry_run(self.cluster, wanted, &self.coming, self.applied_to(wanted)).await?;
            return match Facts::by_answer(asked, left, wanted) {
                Ok(facts) => Ok(facts),
                Err(asked) => {
                    let live = unless_rejected(&asked, ask::live(self.cluster, &wanted.key).await)?;
                    Ok(Facts { live, as_applied: false, asked: *asked, sent: None })
                }
            };
        }
        let asked = ask::dry_run(self.cluster, wanted, &self.coming, self.applied_to(wanted));
        let (live, asked) = tokio::join!(ask::live(self.cluster, &wanted.key), asked);
        let asked = asked?;
        Ok(Facts { live: unless_rejected(&asked, live)?, as_applied: false, asked, sent: None })
    }

    /// What is left to others is known by what is live alone.
    async fn ask_without_ignored(&self, wanted: &PreparedObject) -> Result<Facts, ReconcileError> {
        let live = ask::live(self.cluster, &wanted.key).await;
        let rules = &self.input.app.ignore_differences;
        let sent = match &live {
            Ok(Some(live)) => plan::without_ignored(wanted, live, rules, self.cluster.field_manager()).map(|sent| {
                // Whether what is not the app's differs from what was guessed is not for it to know.
                let is_ours = plan::marks::bears_same_mark(live, &wanted.desired.object);
                if is_ours { sent } else { PreparedObject { notes: wanted.notes.clone(), ..sent } }
            }),
            _ => None,
        };
        let applied = self.applied_to(wanted);
        let asked = ask::dry_run(self.cluster, sent.as_ref().unwrap_or(wanted), &self.coming, applied).await?;
        Ok(Facts { live: unless_rejected(&asked, live)?, as_applied: false, asked, sent: sent.map(Box::new) })
    }

    /// The names of the CRDs that are not live as this side has them.
    fn changed_crds(&self, facts: &HashMap<ObjectId, Facts>) -> HashSet<String> {
        let is_changed = |wanted: &&PreparedObject| {
            let id = wanted.key.id();
            facts.get(&id).is_some_and(|facts| {
                if facts.as_applied {
                    return true;
                }
                let claim = self.claim(&id, facts.live.as_ref());
                let change = plan::decide(wanted, facts.live.as_ref(), facts.asked.clone(), claim);
                change.action != Action::None
            })
        };
        let crds = self.wanted().filter(|wanted| wanted.key.kind == "CustomResourceDefinition");
        crds.filter(is_changed).map(|wanted| wanted.key.name.clone()).collect()
    }

    /// The plan of this side against what is live. Objects without facts are as they were.
    pub(super) async fn plan(&self, mut facts: HashMap<ObjectId, Facts>) -> Result<Plan, ReconcileError> {
        let mut changes = Vec::with_capacity(self.prepared.len());
        let wanted = self.wanted_uids(&facts);
        for one in &self.prepared {
            changes.push(match one {
                Err(refused) => refused.clone().change(),
                Ok(wanted) => match facts.remove(&wanted.key.id()) {
                    Some(facts) if self.is_over(wanted, &facts) => wanted.change(Action::None, Verdict::Accepted),
                    Some(Facts { as_applied: true, asked, .. }) => plan::decide_as_applied(wanted, asked),
                    Some(Facts { live, asked, sent, .. }) => {
                        let wanted = sent.as_deref().unwrap_or(wanted);
                        plan::decide(wanted, live.as_ref(), asked, self.claim(&wanted.key.id(), live.as_ref()))
                    }
                    None => wanted.change(Action::None, Verdict::Accepted),
                },
            });
        }
        changes.extend(self.removals(self.leftovers(), &wanted).await?);
        Ok(self.finish(changes))
    }

    /// The uids of what this side has, as far as it is there.
    pub(super) fn wanted_uids(&self, facts: &HashMap<ObjectId, Facts>) -> WantedUids {
        let uids = self.wanted().filter_map(|wanted| {
            let id = wanted.key.id();
            let live = facts.get(&id).and_then(|facts| uid(facts.live.as_ref()?));
            let known = || self.owned.get(&id).and_then(|owned| owned.uid.as_deref());
            Some((live.or_else(known)?.to_owned(), id))
        });
        WantedUids::of(uids).ended(self.prepared.is_empty())
    }

    /// Finds out what of the change decides already as it will, and what gets stricter.
    pub(super) async fn look_at_deciders(&mut self) -> Result<(), ReconcileError> {
        let deciders: Vec<_> = self.coming.deciders().map(|(id, object)| (id.clone(), object.clone())).collect();
        for (id, object) in deciders {
            let (live, after) = ask::decider(self.cluster, &id, object).await?;
            self.coming.found(&id, live.as_ref(), &after);
        }
        Ok(())
    }

    /// Refuses what each object for itself is taken with, and all of them together are not. What was taken under other
    /// limits than those of the change is not validated.
    pub(super) async fn together(&self, changes: &mut [Change]) -> Result<(), ReconcileError> {
        for change in changes.iter_mut().filter(|change| change.verdict == Verdict::Accepted) {
            if let Some(by) = self.coming.limiter_of(&change.key, change.action) {
                change.verdict = Verdict::NotValidated { reason: NotValidated::LimitedInPlan { by } };
            }
        }
        plan::refuse_rivals(changes, self.coming.claims());
        quota::refuse_beyond(self.cluster, changes).await?;
        plan::name_who_is_in_the_way(changes, &self.leftovers());
        Ok(())
    }

    /// What the inventory has and this side lacks.
    pub(super) fn leftovers(&self) -> Vec<ObjectId> {
        let rendered = Rendered::of(&self.prepared);
        self.input.inventory.iter().map(|owned| owned.id.clone()).filter(|id| !rendered.has(id)).collect()
    }

    /// Whether an earlier change has removed it, and its delete needs confirmation.
    pub(super) fn is_held(&self, id: &ObjectId) -> bool {
        self.input.inventory.iter().any(|owned| owned.id == *id && owned.held)
    }

    pub(super) async fn removals(
        &self,
        ids: Vec<ObjectId>,
        wanted: &WantedUids,
    ) -> Result<Vec<Change>, ReconcileError> {
        let each: Vec<_> = ids.iter().map(|id| ask::removal(self.cluster, &self.input, id, wanted)).collect();
        let found: Vec<_> =
            futures::stream::iter(each).buffer_unordered(self.cluster.concurrency()).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    pub(super) fn finish(&self, changes: Vec<Change>) -> Plan {
        Plan {
            app: self.input.app.id.clone(),
            cluster: self.input.app.destination.cluster.clone(),
            revision: self.input.revision.clone(),
            changes: plan::assemble(changes, &self.rendered()),
        }
    }

    /// The manifests with their namespaces: what the app consists of afterwards.
    fn rendered(&self) -> Vec<crate::manifest::Manifest> {
        let manifest = |wanted: &PreparedObject| crate::manifest::Manifest {
            key: wanted.key.clone(),
            object: wanted.manifest.clone(),
            origin: wanted.origin.clone(),
        };
        self.wanted().map(manifest).collect()
    }
}
