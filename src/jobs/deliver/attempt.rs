//! One attempt to bring one app to one revision: render, plan, apply, and store the result.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use futures::FutureExt;

use super::goal::Intent;
use super::lost::LeftAlone;
use super::{finish, kept, lost, previous_clusters, told, unreviewed, writing};
use crate::app::SyncPolicy;
use crate::class::Class;
use crate::ids::Oid;
use crate::jobs::desired::identity::identity;
use crate::jobs::desired::{nondeterministic, render};
use crate::jobs::history::History;
use crate::jobs::ownership::{claims, handover, left, releasing, stale, unrecorded};
use crate::jobs::preview::compare::limit;
use crate::jobs::{Context, outcome};
use crate::lifecycle::beside;
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::{Action, Plan};
use crate::queue::{JobError, RunningJob};
use crate::reconcile::{PlanInput, plan_apply, plan_unrecorded};
use crate::render::{Purpose as RenderPurpose, Rendered};
use crate::report::preview::AppEnd;
use crate::store::apps::TRACE;
use crate::store::apps::{AppHealth, AppRow};
use crate::store::inventory::ObjectState;
use crate::store::runs::RunState;
use crate::store::waits::{Wait, WaitPurpose};
use crate::sync;
use crate::sync::heal::Judgement;
use crate::sync::{
    AllowDestructive, AppliedSync, Known, PendingConfirmation, Permits, Purpose, Secrets, SeenSecrets, SyncDeps,
    SyncInput, Trust, Writing, quotes_a_server,
};

fn seen<'a>(rendered: Option<&'a Rendered>, plan: Option<&'a Plan>) -> SeenSecrets<'a> {
    SeenSecrets {
        changes: plan.map_or(&[], |plan| &plan.changes),
        manifests: [rendered.map_or(&[], |rendered| &rendered.manifests), &[]],
        objects: &[],
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jobs) enum Aim {
    Apply,
    Heal {
        report_only: bool,
    },
    /// Prune objects that were kept for another app and that no app renders any longer.
    Finish,
    Remove,
}

/// One attempt to bring one app to one revision.
pub(in crate::jobs) struct Attempt<'a> {
    pub context: &'a Context,
    pub row: &'a AppRow,
    pub intent: &'a Intent,
    pub revision: Oid,
    pub aim: Aim,
    /// The applied or deleted objects that are awaited, with the run that waits.
    pub waiting: Option<Wait>,
    pub running: &'a RunningJob,
}

impl Attempt<'_> {
    pub async fn make(&self, history: &mut History<'_>) -> Result<(), JobError> {
        let (context, app) = (self.context, &self.row.app);
        // What was granted when the definition was read may be revoked by now.
        match self.aim {
            Aim::Remove => drop(context.cluster_for(&app.id, &app.destination.cluster)?),
            Aim::Apply | Aim::Heal { .. } | Aim::Finish => context.permitted(app)?,
        }
        let rendered = match self.aim {
            Aim::Remove => None,
            _ => Some(history.timed("render", self.render()).await?),
        };
        let identity = rendered.as_ref().map_or_else(String::new, |rendered| identity(app, rendered));
        if self.is_unknown(&identity) {
            tracing::info!(app = %app.id, "nothing is healed until the next sync, because the definition that was \
                                           applied is unknown");
            return Ok(());
        }
        if self.is_as_applied(&identity) {
            context.store.set_applied(self.row.defined(), &self.revision, &identity).await?;
            if let Some(rendered) = &rendered {
                unreviewed::keep(context, app, rendered).await?;
            }
            if self.row.health == AppHealth::Progressing {
                return self.go_on_waiting().await;
            }
            let end = match outcome::as_it_is(self.row) {
                AppEnd::Healthy { .. } => finish::end_of(context, self.row, Duration::ZERO, 0).await?,
                end => end,
            };
            return outcome::ended(context, self.row, &self.revision, &end).await;
        }
        let mut plan = None;
        let done = self.carry_out(rendered.as_deref(), &identity, &mut plan, history).await;
        if matches!(self.aim, Aim::Apply | Aim::Remove) {
            claims::keep_wants(context, app, rendered.as_deref().map_or(&[], |rendered| &rendered.manifests)).await?;
        }
        match done {
            Err(error) if error.class != Class::Cancelled => {
                Err(self.without_secrets(error, rendered.as_deref(), plan.as_ref()).await)
            }
            done => done,
        }
    }

    /// A server quotes in its refusals what it was asked about, and what it has: what the app's Secrets hold, in Git
    /// and in the cluster, is taken out of them, as it is for a preview. What the plan has not seen is read.
    async fn without_secrets(&self, error: JobError, rendered: Option<&Rendered>, plan: Option<&Plan>) -> JobError {
        if !quotes_a_server(error.source()) {
            let redactor = seen(rendered, plan).redactor();
            return beside(|| error.reworded(|text| redactor.text(text).into()));
        }
        let secrets = self.secrets(rendered, plan).await;
        error.reworded(|text| secrets.show(text).into())
    }

    pub(super) async fn secrets(&self, rendered: Option<&Rendered>, plan: Option<&Plan>) -> Secrets {
        let (context, cluster) = (self.context, &self.row.app.destination.cluster);
        let place = (cluster, context.clusters.get(cluster));
        Secrets::read(&context.store, place, &self.row.app.id, seen(rendered, plan)).await
    }

    /// Plans, and does what is planned. Its errors may quote values of Secrets: those that the plan has seen, too.
    async fn carry_out(
        &self,
        rendered: Option<&Rendered>,
        identity: &str,
        planned: &mut Option<Plan>,
        history: &mut History<'_>,
    ) -> Result<(), JobError> {
        let (context, app) = (self.context, &self.row.app);
        let plan = planned.insert(history.timed("plan", self.plan(rendered)).await?);
        handover::keep_needed_by_others(context, self.row, plan).await?;
        unrecorded::hand_on(context, context.cluster_for(&app.id, &app.destination.cluster)?, plan).await?;
        if self.aim == Aim::Apply {
            stale::hand_over(context, plan).await?;
            let manifests = rendered.map_or(&[][..], |rendered| &rendered.manifests);
            if kept::waits(context, self.row, plan, manifests, history, self.waiting.is_some()).await? {
                return Ok(());
            }
        }
        if let Some(rendered) = rendered {
            unreviewed::mark(context, self.row, &self.revision, rendered, plan, &self.running.cancel).boxed().await?;
        }
        let left = match self.aim {
            Aim::Apply if self.intent.manual.is_none() => {
                let inventory = context.store.inventory_of(&app.destination.cluster, &app.id).await?;
                let mut left = lost::leave_alone(plan, &self.row.heals, context.config.heals, &inventory);
                if !left.said.is_empty() {
                    // The server's words may quote what it was asked about, and what it has.
                    let secrets = self.secrets(rendered, Some(plan)).await;
                    left.said = left.said.iter().map(|said| secrets.show(said).into()).collect();
                }
                left
            }
            _ => LeftAlone::default(),
        };
        let judgement = match self.aim {
            Aim::Heal { report_only } => match self.judge(plan, report_only, history).await? {
                Some(judgement) => Some(judgement),
                // What was left for another app and is not wanted by it any more is no drift, nor is what only its
                // marks tell of.
                None if handover::only_prunes_left(context, plan).await? => None,
                None => return Ok(()),
            },
            Aim::Finish if !handover::only_prunes_left(context, plan).await? => return Ok(()),
            Aim::Apply | Aim::Finish | Aim::Remove => None,
        };
        if self.aim == Aim::Apply {
            outcome::at_sync(context, self.row, &self.revision, plan, rendered, &self.running.cancel).await?;
        }
        let confirmed = self.confirmed().await?;
        if self.was_paused().await? {
            return Ok(());
        }
        let mut objects: Vec<String> = confirmed.iter().map(ToString::to_string).collect();
        objects.extend(previous_clusters::confirmable(context, self.row).await?);
        if self.intent.allows_destructive() && !objects.is_empty() {
            let by = self.intent.confirmed_by().map(str::to_owned);
            outcome::ended(context, self.row, &self.revision, &AppEnd::Confirmed { objects, by }).await?;
        }
        history.intends(judgement.as_ref().and_then(told::to_heal));
        let (done, writing) = self.apply(plan, judgement.as_ref(), &confirmed, history).await?;
        self.tell_replaced(plan, &confirmed).await?;
        self.show(&confirmed, done.pending_confirmation.as_ref()).await?;
        self.applied(plan, done, identity, judgement, left, writing, history).await?;
        match rendered {
            Some(rendered) => unreviewed::keep(context, app, rendered).await,
            None => Ok(()),
        }
    }

    /// Whether somebody has paused the app since this began: then nothing is written, unless a person requested exactly
    /// this sync.
    async fn was_paused(&self) -> Result<bool, JobError> {
        Ok(self.intent.manual.is_none() && self.context.app_row(&self.row.app.id).await?.paused)
    }

    /// Nothing has changed since the last sync, and nobody requested another one.
    fn is_as_applied(&self, identity: &str) -> bool {
        let row = self.row;
        let same = row.synced_ok && row.applied_identity.as_deref() == Some(identity);
        self.aim == Aim::Apply
            && self.intent.manual.is_none()
            && same
            && (row.health != AppHealth::Progressing || self.waiting.is_some())
    }

    /// Whether a look cannot know what was applied: another release has applied it and did not write down by which
    /// definition. An app that is synced by itself is applied as it is defined; any other would be by a definition that
    /// nobody has asked to apply.
    fn is_unknown(&self, identity: &str) -> bool {
        let looks = matches!(self.aim, Aim::Heal { .. } | Aim::Finish);
        let by_hand = self.row.app.sync != SyncPolicy::Auto || self.row.pinned_revision.is_some() || self.row.paused;
        looks && by_hand && self.row.applied_app.is_none() && self.row.applied_identity.as_deref() != Some(identity)
    }

    /// The run that waits for exactly these objects is from now on about this revision too.
    async fn go_on_waiting(&self) -> Result<(), JobError> {
        if let Some(wait) = &self.waiting {
            self.context.store.set_run_revision(&wait.run, &self.revision, None).await?;
        }
        Ok(())
    }

    pub(super) async fn render(&self) -> Result<std::sync::Arc<Rendered>, JobError> {
        let (context, app) = (self.context, &self.row.app);
        let tree = context.mirrors.tree(&app.source.repo, &self.revision).await?;
        let purpose = if self.intent.manual.is_some() { RenderPurpose::ByHand } else { RenderPurpose::Sync };
        let rendered = render::render(context, app, tree, purpose, &self.running.cancel).await??;
        let trace = TRACE.write(&rendered.trace)?;
        // A look goes back to what was applied, and a pin holds there: whether that is what Git says by now is told by
        // the last render of it.
        if !matches!(self.aim, Aim::Heal { .. } | Aim::Finish) && !self.is_pinned() {
            context.store.set_rendered(&app.id, &self.revision, &identity(app, &rendered), &trace).await?;
        }
        Ok(rendered)
    }

    pub fn is_pinned(&self) -> bool {
        self.row.pinned_revision.is_some() || self.intent.revision().is_some()
    }

    /// The changes to make, including the deletions of unrecorded objects.
    pub(super) async fn plan(&self, rendered: Option<&Rendered>) -> Result<Plan, JobError> {
        let (context, app) = (self.context, &self.row.app);
        let cluster = context.cluster_for(&app.id, &app.destination.cluster)?;
        let marks = context.marks(&app.id);
        let inventory = context.store.inventory_of(cluster.name(), &app.id).await?;
        // Who asks by hand, and who saw drift, has everything looked at; so has an app of which something could not be
        // healed.
        let is_well = self.row.synced_ok && self.row.drift.is_empty() && self.row.health != AppHealth::Degraded;
        let trusts = self.aim == Aim::Apply && self.intent.manual.is_none() && is_well;
        let known = Known::of(&inventory, if trusts { Trust::Applied } else { Trust::Nothing });
        let unchanged = |id: &ObjectId, hash: &str| known.is_unchanged(id, hash);
        let manifests = match rendered {
            Some(rendered) => {
                let settled = nondeterministic::settled(context, app, rendered).await?;
                if matches!(self.aim, Aim::Heal { .. } | Aim::Finish) {
                    handover::without_others(context, app, settled, &inventory).await?
                } else {
                    settled
                }
            }
            None => Cow::Borrowed(&[][..]),
        };
        let input = PlanInput {
            app,
            marks: &marks,
            allow: &context.repo(&app.id.repo)?.allow,
            revision: &self.revision,
            manifests: &manifests,
            inventory: &known.owned,
            unchanged: &unchanged,
            // Whether another app lets go is looked at with the claims.
            handed_over: None,
            adopt: app.adopt.0 || self.intent.adopts(),
            reveals: false,
            siblings: None,
        };
        let mut plan = plan_apply(cluster, input, &self.running.cancel).boxed().await?;
        let unrecorded = unrecorded::of_sync(context, cluster, self.row, self.intent.manual.is_some()).await?;
        if !unrecorded.is_empty() {
            let input = PlanInput { inventory: &unrecorded::as_owned(&unrecorded), ..input };
            let prunes = plan_unrecorded(cluster, input, &self.running.cancel).boxed().await?;
            plan.changes.extend(unrecorded::accepted(&app.id, prunes));
        }
        Ok(plan)
    }

    /// Which deletes a person has agreed to: those that were shown, if confirmed now; otherwise those of them that a
    /// confirmed run was about to do when it was stopped or failed.
    async fn confirmed(&self) -> Result<BTreeSet<ObjectId>, JobError> {
        let (store, app) = (&self.context.store, &self.row.app.id);
        let cluster = &self.row.app.destination.cluster;
        let mut shown = store.confirmable(app, cluster).await?;
        if !self.intent.allows_destructive() && !shown.is_empty() {
            let inventory = store.inventory_of(cluster, app).await?;
            shown.retain(|id| inventory.iter().any(|row| row.state == ObjectState::Pruning && row.key.id() == *id));
        }
        Ok(shown)
    }

    async fn apply(
        &self,
        plan: &Plan,
        judgement: Option<&Judgement>,
        confirmed: &BTreeSet<ObjectId>,
        history: &mut History<'_>,
    ) -> Result<(AppliedSync, Writing), JobError> {
        let (context, app) = (self.context, &self.row.app);
        let run = history.begin().await?;
        let deps = SyncDeps {
            store: context.store.clone(),
            cluster: context.cluster_for(&app.id, &app.destination.cluster)?.clone(),
        };
        let authority = context.grants(&app.id.repo)?.on(&app.destination.cluster);
        let released = releasing::owners(context, plan, &self.running.cancel).await?;
        let allow_destructive =
            if confirmed.is_empty() { AllowDestructive::No } else { AllowDestructive::Shown(confirmed.clone()) };
        let nothing = BTreeSet::new();
        let purpose = match judgement {
            Some(judgement) => Purpose::Heal { given_up: &judgement.given_up },
            // What failed before is tried again, and that is no reason to make a namespace again that somebody has
            // deleted.
            None if self.intent.is_resync() => Purpose::Heal { given_up: &nothing },
            None => Purpose::Sync,
        };
        let input = SyncInput {
            app,
            authority: &authority,
            run: &run,
            revision: &self.revision,
            plan,
            released: &released,
            allow_destructive: &allow_destructive,
            prune_limit: limit(context),
            adopt: app.adopt.0 || self.intent.adopts(),
            purpose,
            by_hand: self.intent.manual.is_some(),
        };
        // Only an earlier job of this app's own key can have begun one.
        if self.waiting.is_some() {
            context.waits.cancel(&app.id).await?;
        }
        let ask = writing::ask(self.running);
        let done = history.timed("apply", sync::apply(&deps, &input, Permits::new(&ask)).boxed()).await;
        let done = done.map_err(JobError::from);
        if !matches!(&done, Err(error) if error.class == Class::Cancelled) {
            self.tell_what_is_replaced().await?;
        }
        done
    }

    /// A sync that is still waiting for health is replaced by this one: the merge that caused it reports that.
    async fn tell_what_is_replaced(&self) -> Result<(), JobError> {
        if self.aim == Aim::Apply && self.intent.revision().is_some() {
            outcome::rolled_back(self.context, self.row, &self.revision, self.intent.pinned_by()).await?;
        }
        if self.aim != Aim::Apply || self.row.health != AppHealth::Progressing {
            return Ok(());
        }
        let healthy = self.waiting.as_ref().is_some_and(|wait| wait.purpose == WaitPurpose::Deletion);
        outcome::replaced(self.context, self.row, &self.revision, healthy).await
    }

    /// Until when the wait lasts that this one goes on with: whatever is healed meanwhile, what was applied has no
    /// longer to become healthy.
    fn deadline(&self, identity: &str) -> Option<i64> {
        let is_same = self.row.applied_identity.as_deref() == Some(identity) && self.intent.manual.is_none();
        self.waiting.as_ref().filter(|wait| is_same && wait.purpose == WaitPurpose::Health).map(|wait| wait.deadline)
    }

    /// From now on a confirmation holds for what needs it. What was confirmed stays confirmed until it is done,
    /// whatever comes between.
    async fn show(&self, confirmed: &BTreeSet<ObjectId>, waits: Option<&PendingConfirmation>) -> Result<(), JobError> {
        let (store, app) = (&self.context.store, &self.row.app.id);
        let waiting = waits.into_iter().flat_map(|waits| &waits.deletes).map(ObjectKey::id);
        let shown: BTreeSet<ObjectId> = waiting.chain(confirmed.iter().cloned()).collect();
        Ok(store.put_confirmable(app, &self.row.app.destination.cluster, &shown).await?)
    }

    /// Records that confirmed replacements are done.
    async fn tell_replaced(&self, plan: &Plan, confirmed: &BTreeSet<ObjectId>) -> Result<(), JobError> {
        let replaced = plan
            .changes
            .iter()
            .filter(|change| change.action == Action::Replace && confirmed.contains(&change.key.id()));
        let objects: Vec<String> = replaced.map(|change| change.key.to_string()).collect();
        if objects.is_empty() {
            return Ok(());
        }
        let by = self.intent.confirmed_by().map(str::to_owned);
        let end = AppEnd::Removed { objects, replaced: true, lost: None, confirmed: false, by, all: false };
        outcome::ended(self.context, self.row, &self.revision, &end).await
    }

    #[expect(clippy::too_many_arguments, reason = "what one attempt came to, written down at once")]
    async fn applied(
        &self,
        plan: &Plan,
        done: AppliedSync,
        identity: &str,
        judgement: Option<Judgement>,
        left_alone: LeftAlone,
        writing: Writing,
        history: &mut History<'_>,
    ) -> Result<(), JobError> {
        let (context, app) = (self.context, &self.row.app);
        let run = history.begin().await?;
        let confirmed = done.pending_confirmation.as_ref();
        let left = previous_clusters::mark(
            context,
            app,
            self.intent.allows_destructive(),
            &self.revision,
            &self.running.cancel,
        )
        .await?;
        let leaves_nothing = left.is_empty() && !left::is_agreed(context, &app.id).await?;
        let healed = match &judgement {
            Some(judgement) => told::healed(judgement, &done.remains),
            None => told::stays(&done.remains),
        };
        let said =
            healed.into_iter().chain(handover::said(app, plan)).chain(confirmed.map(ToString::to_string)).chain(left);
        let said: Vec<String> = said.collect();
        let said = (!said.is_empty()).then(|| said.join("; "));
        // With nothing to wait for and nothing to prune, this was all.
        let is_over =
            self.aim != Aim::Remove && done.health.is_empty() && !done.prunes && confirmed.is_none() && leaves_nothing;
        let (state, health) = if is_over {
            (RunState::Succeeded, AppHealth::Healthy)
        } else {
            (RunState::Waiting, AppHealth::Progressing)
        };
        history.end(state, said.as_deref(), Some(&done.counts)).await?;
        if self.aim == Aim::Remove {
            if confirmed.is_none() {
                context.store.prune_all(&app.destination.cluster, &app.id).await?;
            }
            // A definition that comes back finds nothing as it was applied.
            context.store.set_sync_failed(&app.id).await?;
            drop(writing);
            return finish::prune(context, self.row, &run, self.running).await;
        }
        if self.row.applied_revision.as_ref() != Some(&self.revision) {
            // A forced push must not take away what healing goes back to.
            let name = format!("applied-{}", context.marks(&app.id).label());
            context.mirrors.keep(&app.source.repo, &name, Some(&self.revision)).await?;
        }
        context.store.set_applied_as(self.row.defined(), &self.revision, identity, health).await?;
        if let Some(judgement) = judgement {
            context.store.set_heals(&app.id, &judgement.heals).await?;
            context.store.set_drift(&app.id, &judgement.surrender().join("; ")).await?;
        } else {
            context.store.set_heals(&app.id, &left_alone.heals).await?;
            context.store.set_drift(&app.id, &left_alone.said.join("; ")).await?;
        }
        // All is written down: from here on something newer may stop the run.
        drop(writing);
        if is_over {
            context.store.put_confirmable(&app.id, &app.destination.cluster, &BTreeSet::new()).await?;
            let end = finish::end_of(context, self.row, history.took(), done.counts.replaced).await?;
            return outcome::ended(context, self.row, &self.revision, &end).await;
        }
        if done.health.is_empty() {
            return finish::prune(context, self.row, &run, self.running).await;
        }
        finish::wait_for_health(context, self.row, &run, done.health, self.deadline(identity)).await?;
        if self.row.failure.is_empty() {
            return Ok(());
        }
        // A pull request that has told of the failure tells that it is over.
        outcome::stands(context, self.row).await
    }
}
