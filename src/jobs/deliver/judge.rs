//! Judges the drift of an app: what is healed, and what is only reported.

use futures::FutureExt;

use super::attempt::Attempt;
use super::{owners, told};
use crate::jobs::history::History;
use crate::manifest::ObjectId;
use crate::plan::{Change, Plan};
use crate::queue::JobError;
use crate::store::apps::AppHealth;
use crate::store::inventory::ObjectState;
use crate::store::runs::RunState;
use crate::sync::heal::{DriftedFields, Judgement};
use crate::sync::{drift, heal};

impl Attempt<'_> {
    /// Whether drift is to be healed. None: there is none, or it was reported and that is all.
    pub(super) async fn judge(
        &self,
        plan: &Plan,
        report_only: bool,
        history: &mut History<'_>,
    ) -> Result<Option<Judgement>, JobError> {
        let (context, app) = (self.context, &self.row.app);
        let cluster = context.cluster_for(&app.id, &app.destination.cluster)?;
        let seen = context.drifted.get(&app.id).unwrap_or_default();
        drift::accept(&context.store, cluster, &seen, plan).boxed().await?;
        context.drifted.forget(&app.id);
        let mut judgement = heal::judge(plan, &seen, &self.row.heals, cluster.field_manager(), context.config.heals);
        if report_only {
            judgement.is_only_reported();
        }
        judgement.note_gone(report_only);
        let authority = context.grants(&app.id.repo)?.on(cluster.name());
        owners::name_lost(cluster, &authority, plan, &mut judgement).boxed().await;
        let needs_word = self.is_replaced_anew(plan).await?;
        if judgement.drifted.is_empty() && !needs_word && !plan.changes.iter().any(Change::is_rejected) {
            // What was reported may be over: then nothing is written, and its health is looked at once more.
            let was_reported = self.row.health == AppHealth::Degraded || !self.row.drift.is_empty();
            return Ok(was_reported.then_some(judgement));
        }
        if !report_only && (judgement.heals_anything() || needs_word) {
            return Ok(Some(judgement));
        }
        let text = if report_only { told::found(&judgement, plan) } else { told::not_healed(&judgement, plan) };
        // The plan of a failing app has not all of its Secrets.
        let text = String::from(self.secrets(None, Some(plan)).await.show(&text));
        // Once: as long as it stays the same, nobody wants to read it every ten minutes.
        if self.row.drift != text {
            context.store.set_drift(&app.id, &text).await?;
            let is_gone = judgement.drifted.iter().any(DriftedFields::is_gone);
            if is_gone && self.row.health != AppHealth::Progressing {
                context.store.set_app_health(&app.id, AppHealth::Degraded, &text).await?;
            }
            // Drift that was to be reported is reported: only a fight that was lost is a failure.
            let state = if report_only { RunState::Succeeded } else { RunState::Failed };
            history.end(state, Some(&text), None).await?;
        }
        context.store.set_heals(&app.id, &judgement.heals).await?;
        Ok(None)
    }

    /// Reports how the cluster differs from what was applied, of each object that the applied revision has as it was
    /// applied last: what a sync has written that failed half way is no drift.
    pub async fn report_drift(&self, history: &mut History<'_>) -> Result<(), JobError> {
        let (context, app) = (self.context, &self.row.app);
        context.permitted(app)?;
        let rendered = history.timed("render", self.render()).await?;
        let mut plan = history.timed("plan", self.plan(Some(&rendered))).await?;
        let rows = context.store.inventory_of(&plan.cluster, &plan.app).await?;
        let is_as_applied = |change: &Change| {
            let hash = change.desired.as_ref().map(|desired| &desired.hash);
            let row = rows.iter().find(|row| row.key.id() == change.key.id());
            hash.is_some() && row.is_some_and(|row| row.manifest_hash.as_ref() == hash)
        };
        plan.changes.retain(is_as_applied);
        if let Some(over) = self.judge(&plan, true, history).await?
            && over.drifted.is_empty()
        {
            context.store.set_drift(&app.id, "").await?;
        }
        Ok(())
    }

    /// Whether something has to be replaced to be as it was, which needs confirmation, and nobody was told yet.
    async fn is_replaced_anew(&self, plan: &Plan) -> Result<bool, JobError> {
        let replaced: Vec<ObjectId> =
            plan.changes.iter().filter(|change| told::is_replacement(change)).map(|change| change.key.id()).collect();
        if replaced.is_empty() {
            return Ok(false);
        }
        let rows = self.context.store.inventory_of(&plan.cluster, &plan.app).await?;
        Ok(!rows.iter().any(|row| row.state == ObjectState::Outdated && replaced.contains(&row.key.id())))
    }
}
