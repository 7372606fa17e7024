//! Applies a plan up to the point where health is awaited. Prunes follow once everything is healthy.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;

use super::error::{Failure, SyncError};
use super::gate;
use super::health::status;
use super::held;
use super::input::{AppliedSync, PendingConfirmation, Purpose, SyncDeps, SyncInput};
use super::permit::{Permits, Writing};
use super::ready;
use super::restore::{About, Back, Restored};
use super::steps::{self, Late, Part, Step, Work};
use super::write::{self, Written, is_terminating};
use crate::ids::AppId;
use crate::lifecycle::beside;
use crate::manifest::ObjectId;
use crate::plan::contents::has_contents;
use crate::plan::siblings::decides_by_a_part;
use crate::plan::{Action, Change, Redactor};
use crate::store::inventory::{Claim, ObjectRow};
use crate::store::waits::{Touched, WaitObject};

const NOT_REMOVED: &str =
    "It was not replaced: the cluster does not accept the new object now, so the old one was not deleted";
/// Until what limits others counts everywhere: the server's admission reads it from a copy.
const LIMITS_COUNT_AFTER: Duration = Duration::from_secs(1);

/// Carries a plan out, each part with a permit of its own: a run that is superseded before the first changes nothing,
/// and one that is superseded later ends after the part that has begun: CRDs and namespaces, what pods need, the rest,
/// and last what intercepts requests. What was written until then is in the inventory.
///
/// The last permit is handed back, so that what was done is written down before anything newer stops the run.
pub async fn apply(
    deps: &SyncDeps,
    input: &SyncInput<'_>,
    permits: Permits<'_>,
) -> Result<(AppliedSync, Writing), SyncError> {
    let inventory = inventory(deps, input).await?;
    gate::refuse_rejected(&input.plan.changes)?;
    gate::refuse_foreign(input, &owners(deps, input).await?)?;
    if let Purpose::Heal { .. } = input.purpose {
        gate::refuse_lost_namespace(input, &inventory)?;
    }
    let word = gate::pending_confirmation(input, &inventory);
    let held = word.as_ref().map(PendingConfirmation::held).unwrap_or_default();
    let work = steps::work(input, &inventory, &held);
    ready::validate(&deps.cluster, work.iter().filter(|work| gate::is_other_apps(work.change)), None).await?;
    let writing = permits.begin()?;
    if let Some(word) = &word {
        deps.store.note_held_of(deps.cluster.name(), &input.app.id, &held::noted(&word.held_for)).await?;
    }
    claim(deps, input, &work, &held).await?;
    forget_kept(deps, input).await?;
    let mut sync = Sync { deps, input, done: AppliedSync::default(), limits: false };
    let writing = sync.parts(&work, permits, writing).await?;
    if work.iter().any(|work| work.step != Step::Write) {
        deps.store.record_revision(deps.cluster.name(), &input.app.id, input.revision).await?;
    }
    adopt_unrecorded(deps, input, &inventory, &held).await?;
    sync.done.prunes = prunes(input, &inventory, &work, &held);
    sync.done.pending_confirmation = word;
    Ok((sync.done, writing))
}

async fn inventory(deps: &SyncDeps, input: &SyncInput<'_>) -> Result<Vec<ObjectRow>, SyncError> {
    Ok(deps.store.inventory_of(deps.cluster.name(), &input.app.id).await?)
}

async fn owners(deps: &SyncDeps, input: &SyncInput<'_>) -> Result<BTreeMap<ObjectId, AppId>, SyncError> {
    let taken: Vec<ObjectId> =
        input.plan.changes.iter().filter(|change| change.takes_over.is_some()).map(|change| change.key.id()).collect();
    let owners = deps.store.owners(deps.cluster.name(), &input.app.id, &taken).await?;
    Ok(owners.into_iter().collect())
}

async fn claim(
    deps: &SyncDeps,
    input: &SyncInput<'_>,
    work: &[Work<'_>],
    held: &BTreeSet<ObjectId>,
) -> Result<(), SyncError> {
    let claims: Vec<Claim> =
        work.iter().map(|work| Claim { key: work.change.key.clone(), write: work.step == Step::Write }).collect();
    deps.store.claim(deps.cluster.name(), &input.app.id, &claims, held, input.released).await?;
    // What other apps want is not among the deletes that the gate has looked at.
    let left: Vec<ObjectId> =
        input.plan.changes.iter().filter(|change| change.left_for.is_some()).map(|change| change.key.id()).collect();
    Ok(deps.store.leave(deps.cluster.name(), &input.app.id, &left).await?)
}

/// What holds others and is kept is the app's no longer, from now on: nobody has confirmed its deletion, so that no
/// later step may come to it.
async fn forget_kept(deps: &SyncDeps, input: &SyncInput<'_>) -> Result<(), SyncError> {
    let is_kept = |change: &&Change| {
        change.action == Action::None
            && change.desired.is_none()
            && change.left_for.is_none()
            && !change.put_off
            && has_contents(&change.key)
    };
    let kept: Vec<ObjectId> = input.plan.changes.iter().filter(is_kept).map(|change| change.key.id()).collect();
    Ok(deps.store.forget_objects(deps.cluster.name(), &input.app.id, &kept).await?)
}

/// Takes what only its marks tell of into the inventory: as one to prune if that has been confirmed, else as one that
/// waits for it.
async fn adopt_unrecorded(
    deps: &SyncDeps,
    input: &SyncInput<'_>,
    inventory: &[ObjectRow],
    held: &BTreeSet<ObjectId>,
) -> Result<(), SyncError> {
    let known: BTreeSet<ObjectId> = inventory.iter().map(|row| row.key.id()).collect();
    let prunes = input.plan.changes.iter().filter(|change| change.action == Action::Prune);
    for change in prunes.filter(|change| !known.contains(&change.key.id())) {
        let uid = change.before.as_ref().and_then(|before| before.pointer("/metadata/uid")?.as_str());
        if let Some(uid) = uid {
            let held = held.contains(&change.key.id());
            deps.store.adopt_for_pruning(deps.cluster.name(), &input.app.id, &change.key, uid, held).await?;
        }
    }
    Ok(())
}

/// Whether anything is left to look at for a prune.
fn prunes(input: &SyncInput<'_>, inventory: &[ObjectRow], work: &[Work<'_>], held: &BTreeSet<ObjectId>) -> bool {
    let wanted: BTreeSet<ObjectId> = work.iter().map(|work| work.change.key.id()).collect();
    let goes = |id: ObjectId| !held.contains(&id) && !wanted.contains(&id);
    let unwanted =
        input.plan.changes.iter().filter(|change| change.action == Action::Prune).map(|change| change.key.id());
    unwanted.chain(inventory.iter().map(|row| row.key.id())).any(goes)
}

/// The permission to write, between the parts.
struct Turn<'a> {
    permits: Permits<'a>,
    held: Option<Writing>,
    begun: bool,
}

struct Sync<'a> {
    deps: &'a SyncDeps,
    input: &'a SyncInput<'a>,
    done: AppliedSync,
    /// What limits others was written just now.
    limits: bool,
}

impl Sync<'_> {
    /// Part by part; the first is begun with the claims, by `writing`. What needs something of the same change comes
    /// after it, at the end of the part in which that is written.
    async fn parts(&mut self, work: &[Work<'_>], permits: Permits<'_>, writing: Writing) -> Result<Writing, SyncError> {
        let mut turn = Turn { permits, held: Some(writing), begun: false };
        let mut late = Late::of(work);
        for part in [Part::First, Part::Ground, Part::Rest, Part::Last] {
            let in_time: Vec<&Work<'_>> =
                work.iter().filter(|work| steps::part(&work.change.key) == part && !late.is_late(work)).collect();
            self.members(&in_time, &mut turn).await?;
            if part == Part::First && !in_time.is_empty() {
                turn.held = None;
                ready::wait(&self.deps.cluster, &in_time).await?;
                let siblings = steps::siblings(work);
                let too_early = work.iter().filter(|work| ready::was_too_early(work));
                late.add(work, &ready::validate(&self.deps.cluster, too_early, Some(&siblings)).await?);
            }
            let after: Vec<&Work<'_>> = work.iter().filter(|work| late.part(work) == Some(part)).collect();
            if !after.is_empty() {
                self.until_limits_count().await;
            }
            ready::validate(&self.deps.cluster, after.iter().copied(), None).await?;
            self.members(&after, &mut turn).await?;
        }
        match turn.held {
            Some(writing) => Ok(writing),
            None => permits.begin(),
        }
    }

    async fn members(&mut self, members: &[&Work<'_>], turn: &mut Turn<'_>) -> Result<(), SyncError> {
        if members.is_empty() {
            return Ok(());
        }
        let writing = match turn.held.take() {
            Some(writing) if !turn.begun => writing,
            // Between two parts whoever is no longer wanted is stopped.
            before => {
                drop(before);
                turn.permits.begin()?
            }
        };
        turn.begun = true;
        self.part(members, &writing).await?;
        turn.held = Some(writing);
        Ok(())
    }

    /// One part, all of it whatever fails in it.
    async fn part(&mut self, members: &[&Work<'_>], writing: &Writing) -> Result<(), SyncError> {
        let mut to_write = Vec::new();
        for work in members {
            match &work.step {
                Step::Write => to_write.push(*work),
                Step::Unchanged => {
                    self.done.counts.unchanged += 1;
                    let of_row = |field: fn(&ObjectRow) -> Option<String>| work.row.and_then(field);
                    let is_dying = work.change.before.as_ref().is_some_and(is_terminating);
                    // A Job that was done may be cleaned up by now, and is not made again.
                    let is_done = work.row.is_some_and(|row| row.job_done);
                    let touched = if is_dying && !is_done { Touched::Dying } else { Touched::Unchanged };
                    self.await_health(
                        work,
                        of_row(|row| row.uid.clone()),
                        of_row(|row| row.resource_version.clone()),
                        touched,
                    );
                }
                Step::Skip(reason) => self.done.skipped.push((work.change.key.clone(), reason.clone())),
            }
        }
        if to_write.iter().any(|work| work.change.action == Action::Replace) {
            self.until_limits_count().await;
        }
        let secrets = self.secrets(&to_write);
        let SyncInput { app, authority, revision, by_hand, .. } = *self.input;
        let about = About { app: &app.id, authority, revision, by_hand, secrets: &secrets };
        let writes = to_write.iter().map(|work| async { (*work, write::write(self.deps, about, work, writing).await) });
        let results: Vec<_> = futures::stream::iter(writes.collect::<Vec<_>>())
            .buffer_unordered(self.deps.cluster.concurrency().max(1))
            .collect()
            .await;
        let (mut applied, mut failures, mut broken) = (Vec::new(), Vec::new(), None);
        for (work, result) in results {
            match result {
                Ok(Written { object, warnings, remains, is_dying }) => {
                    self.count(work.change);
                    if !remains.is_empty() {
                        self.done.remains.insert(work.change.key.id(), remains);
                    }
                    let remarks = work.change.remarks.iter().cloned();
                    self.done
                        .warnings
                        .extend(remarks.chain(warnings).map(|warning| (work.change.key.clone(), warning)));
                    let touched = if is_dying { Touched::Dying } else { Touched::Written };
                    self.await_health(work, Some(object.uid.clone()), Some(object.resource_version.clone()), touched);
                    applied.push(object);
                }
                Err(write::WriteError::Apply(error)) => failures.push(Failure::new(&work.change.key, error)),
                Err(write::WriteError::NotRemoved(error)) => {
                    let then = Some(NOT_REMOVED.to_owned());
                    failures.push(Failure { then, ..Failure::new(&work.change.key, *error) });
                }
                Err(write::WriteError::NotReplaced { error, back }) => {
                    failures.push(Failure { then: Some(back.said()), ..Failure::new(&work.change.key, *error) });
                    if let Back::There(Some(restored)) = *back {
                        let Restored { object, revision } = *restored;
                        self.deps
                            .store
                            .record_applied(self.deps.cluster.name(), &self.input.app.id, &revision, &[object])
                            .await?;
                    }
                }
                Err(write::WriteError::Sync(error)) => broken = Some(error),
            }
        }
        self.deps
            .store
            .record_applied(self.deps.cluster.name(), &self.input.app.id, self.input.revision, &applied)
            .await?;
        self.done.counts.failed += u32::try_from(failures.len()).unwrap_or(u32::MAX);
        if !to_write.is_empty() {
            // Whatever ends the run now: what it did until here is known.
            self.deps.store.set_run_counts(self.input.run, &self.done.counts).await?;
        }
        self.limits |= to_write.iter().any(|work| decides_by_a_part(&work.change.key));
        match broken {
            _ if !failures.is_empty() => Err(SyncError::Apply(failures)),
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    async fn until_limits_count(&mut self) {
        if std::mem::take(&mut self.limits) {
            tokio::time::sleep(LIMITS_COUNT_AFTER).await;
        }
    }

    /// What must not be kept of an object that is replaced.
    fn secrets(&self, work: &[&Work<'_>]) -> Redactor {
        if work.iter().any(|work| work.change.action == Action::Replace) {
            beside(|| Redactor::new(&self.input.plan.changes, []))
        } else {
            Redactor::default()
        }
    }

    fn count(&mut self, change: &Change) {
        let counts = &mut self.done.counts;
        match change.action {
            Action::Create => counts.created += 1,
            Action::Replace => counts.replaced += 1,
            Action::Update => counts.updated += 1,
            Action::None | Action::Prune => counts.unchanged += 1,
        }
    }

    fn await_health(
        &mut self,
        work: &Work<'_>,
        uid: Option<String>,
        resource_version: Option<String>,
        touched: Touched,
    ) {
        // What the first part holds was waited for there. What is dying is no end, whatever its kind.
        let waits = status::waits(&work.desired.object) && steps::part(&work.change.key) != Part::First;
        if waits || touched == Touched::Dying {
            self.done.health.push(WaitObject { key: work.change.key.clone(), uid, resource_version, touched });
        }
    }
}
