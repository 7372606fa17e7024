//! Plans what an attempt is to do, and does what the settled plan says.

use std::collections::BTreeSet;

use futures::FutureExt;

use super::attempt::{Aim, Attempt};
use super::conclude::Done;
use super::lost::LeftAlone;
use super::{kept, lost, previous_clusters, told, unreviewed, writing};
use crate::class::Class;
use crate::jobs::history::History;
use crate::jobs::outcome::{self, Approved};
use crate::jobs::ownership::settle::settle;
use crate::jobs::ownership::{handover, releasing};
use crate::jobs::preview::compare::limit;
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::{Action, SettledPlan};
use crate::queue::JobError;
use crate::render::Rendered;
use crate::report::preview::AppEnd;
use crate::store::apps::AppHealth;
use crate::store::inventory::ObjectState;
use crate::store::waits::WaitPurpose;
use crate::sync;
use crate::sync::heal::Judgement;
use crate::sync::{AllowDestructive, AppliedSync, PendingConfirmation, Permits, Purpose, SyncDeps, SyncInput, Writing};

impl Attempt<'_> {
    /// Plans, and carries the plan out. Its errors may quote values of Secrets, including those that the plan has read.
    pub(super) async fn carry_out(
        &self,
        rendered: Option<&Rendered>,
        identity: &str,
        planned: &mut Option<SettledPlan>,
        history: &mut History<'_>,
    ) -> Result<(), JobError> {
        let (context, app) = (self.context, &self.row.app);
        let proposed = history.timed("plan", self.plan(rendered)).await?;
        let plan = planned.insert(settle(context, self.row, proposed, self.aim == Aim::Apply).await?);
        if self.aim == Aim::Apply {
            let manifests = rendered.map_or(&[][..], |rendered| &rendered.manifests);
            if kept::waits(context, self.row, plan, manifests, history, self.waiting.is_some()).await? {
                return Ok(());
            }
        }
        if let Some(rendered) = rendered {
            unreviewed::mark(context, self.row, &self.revision, rendered, plan, &self.running.cancel).boxed().await?;
        }
        let left = self.leave_alone(rendered, plan).await?;
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
        let mut confirmed = self.confirmed().await?;
        let approved = Approved::find(context, self.row, &self.revision, plan).await?;
        confirmed.extend(approved.objects.iter().cloned());
        if self.was_paused().await? {
            return Ok(());
        }
        self.tell_confirmed(&confirmed).await?;
        history.intends(judgement.as_ref().and_then(told::to_heal));
        let (done, writing) = self.apply(plan, judgement.as_ref(), &confirmed, history).await?;
        self.tell_replaced(plan, &confirmed, &approved).await?;
        self.show(&confirmed, done.pending_confirmation.as_ref()).await?;
        approved.used(context).await?;
        self.conclude(Done { plan, sync: done, identity, judgement, left_alone: left }, writing, history).await?;
        match rendered {
            Some(rendered) => unreviewed::keep(context, app, rendered).await,
            None => Ok(()),
        }
    }

    /// Takes objects out of the plan that another controller keeps changing back.
    async fn leave_alone(&self, rendered: Option<&Rendered>, plan: &mut SettledPlan) -> Result<LeftAlone, JobError> {
        if self.aim != Aim::Apply || self.intent.manual.is_some() {
            return Ok(LeftAlone::default());
        }
        let (context, app) = (self.context, &self.row.app);
        let inventory = context.store.inventory_of(&app.destination.cluster, &app.id).await?;
        let mut left = lost::leave_alone(plan, &self.row.heals, context.config.heals, &inventory);
        if !left.said.is_empty() {
            // The server's words may quote what it was asked about, and what it has.
            let secrets = self.secrets(rendered, Some(plan)).await;
            left.said = left.said.iter().map(|said| secrets.show(said).into()).collect();
        }
        Ok(left)
    }

    /// Whether somebody has paused the app since this began: then nothing is written, unless a person requested exactly
    /// this sync.
    async fn was_paused(&self) -> Result<bool, JobError> {
        Ok(self.intent.manual.is_none() && self.context.app_row(&self.row.app.id).await?.paused)
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

    /// Records what a person has confirmed, for the pull requests that propose it.
    async fn tell_confirmed(&self, confirmed: &BTreeSet<ObjectId>) -> Result<(), JobError> {
        let mut objects: Vec<String> = confirmed.iter().map(ToString::to_string).collect();
        objects.extend(previous_clusters::confirmable(self.context, self.row).await?);
        if self.intent.allows_destructive() && !objects.is_empty() {
            let by = self.intent.confirmed_by().map(str::to_owned);
            outcome::ended(self.context, self.row, &self.revision, &AppEnd::Confirmed { objects, by }).await?;
        }
        Ok(())
    }

    async fn apply(
        &self,
        plan: &SettledPlan,
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

    /// From now on a confirmation holds for what needs it. What was confirmed stays confirmed until it is done,
    /// whatever comes between.
    async fn show(&self, confirmed: &BTreeSet<ObjectId>, waits: Option<&PendingConfirmation>) -> Result<(), JobError> {
        let (store, app) = (&self.context.store, &self.row.app.id);
        let waiting = waits.into_iter().flat_map(|waits| &waits.deletes).map(ObjectKey::id);
        let shown: BTreeSet<ObjectId> = waiting.chain(confirmed.iter().cloned()).collect();
        Ok(store.put_confirmable(app, &self.row.app.destination.cluster, &shown).await?)
    }

    /// Records that confirmed replacements are done.
    async fn tell_replaced(
        &self,
        plan: &SettledPlan,
        confirmed: &BTreeSet<ObjectId>,
        approved: &Approved,
    ) -> Result<(), JobError> {
        let replaced = plan
            .changes
            .iter()
            .filter(|change| change.action == Action::Replace && confirmed.contains(&change.key.id()));
        let objects: Vec<String> = replaced.map(|change| change.key.to_string()).collect();
        if objects.is_empty() {
            return Ok(());
        }
        let by = self.intent.confirmed_by().map(str::to_owned).or_else(|| approved.by());
        let end = AppEnd::Removed { objects, replaced: true, lost: None, confirmed: false, by, all: false };
        outcome::ended(self.context, self.row, &self.revision, &end).await
    }
}
