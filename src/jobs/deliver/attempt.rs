//! One attempt to bring one app to one revision: render, plan, apply, and store the result.

use std::borrow::Cow;
use std::time::Duration;

use futures::FutureExt;

use super::goal::Intent;
use super::{finish, unreviewed};
use crate::app::SyncPolicy;
use crate::class::Class;
use crate::ids::Oid;
use crate::jobs::desired::identity::identity;
use crate::jobs::desired::{nondeterministic, render};
use crate::jobs::history::History;
use crate::jobs::ownership::{claims, handover, unrecorded};
use crate::jobs::{Context, outcome};
use crate::lifecycle::beside;
use crate::manifest::ObjectId;
use crate::plan::Plan;
use crate::queue::{JobError, RunningJob};
use crate::reconcile::{PlanInput, plan_apply, plan_unrecorded};
use crate::render::{Purpose as RenderPurpose, Rendered};
use crate::report::preview::AppEnd;
use crate::store::apps::TRACE;
use crate::store::apps::{AppHealth, AppRow};
use crate::store::waits::Wait;
use crate::sync::{Known, Secrets, SeenSecrets, Trust, quotes_a_server};

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
                Err(self.without_secrets(error, rendered.as_deref(), plan.as_deref()).await)
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
}
