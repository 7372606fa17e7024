//! Writes down what an attempt has come to, and goes on to what follows: the wait for health, or the prunes.

use std::collections::BTreeSet;

use super::attempt::{Aim, Attempt};
use super::lost::LeftAlone;
use super::{finish, previous_clusters, told};
use crate::jobs::history::History;
use crate::jobs::outcome;
use crate::jobs::ownership::{handover, left};
use crate::plan::SettledPlan;
use crate::queue::JobError;
use crate::store::apps::{AppHealth, Applied};
use crate::store::runs::RunState;
use crate::store::transition::Transition;
use crate::store::waits::WaitPurpose;
use crate::sync::heal::Judgement;
use crate::sync::{AppliedSync, Writing};

/// What an attempt has done.
pub(super) struct Done<'a> {
    pub plan: &'a SettledPlan,
    pub sync: AppliedSync,
    pub identity: &'a str,
    pub judgement: Option<Judgement>,
    pub left_alone: LeftAlone,
}

impl Attempt<'_> {
    pub(super) async fn conclude(
        &self,
        Done { plan, sync: done, identity, judgement, left_alone }: Done<'_>,
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
        let step = history.step(&run, state, said.as_deref(), Some(&done.counts));
        if self.aim == Aim::Remove {
            let transition = Transition {
                run: Some(step),
                prunes_all_on: confirmed.is_none().then_some(&app.destination.cluster),
                // A definition that comes back finds nothing as it was applied.
                is_out_of_date: true,
                ..Transition::default()
            };
            context.store.record(&app.id, &transition).await?;
            drop(writing);
            return finish::prune(context, self.row, &run, self.running).await;
        }
        if self.row.applied_revision.as_ref() != Some(&self.revision) {
            // A forced push must not take away what healing goes back to.
            let name = format!("applied-{}", context.marks(&app.id).label());
            context.mirrors.keep(&app.source.repo, &name, Some(&self.revision)).await?;
        }
        let (heals, drift) = match &judgement {
            Some(judgement) => (&judgement.heals, judgement.surrender().join("; ")),
            None => (&left_alone.heals, left_alone.said.join("; ")),
        };
        let nothing = BTreeSet::new();
        let defined = self.row.defined();
        let transition = Transition {
            run: Some(step),
            applied: Some(Applied { defined, revision: &self.revision, identity, health: Some(health) }),
            heals: Some(heals),
            drift: Some(&drift),
            confirmable: is_over.then_some((&app.destination.cluster, &nothing)),
            ..Transition::default()
        };
        context.store.record(&app.id, &transition).await?;
        // All is written down: from here on something newer may stop the run.
        drop(writing);
        if is_over {
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

    /// Until when the wait lasts that this one goes on with: whatever is healed meanwhile, what was applied has no
    /// longer to become healthy.
    fn deadline(&self, identity: &str) -> Option<i64> {
        let is_same = self.row.applied_identity.as_deref() == Some(identity) && self.intent.manual.is_none();
        self.waiting.as_ref().filter(|wait| is_same && wait.purpose == WaitPurpose::Health).map(|wait| wait.deadline)
    }
}
