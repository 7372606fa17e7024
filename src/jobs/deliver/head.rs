//! Renders the head of an app's ref for an app that is not synced to it, so that its state tells whether it is behind.

use crate::class::Class;
use crate::jobs::desired::{identity, render};
use crate::jobs::ownership::claims;
use crate::jobs::{Context, outcome};
use crate::queue::{JobError, RunningJob};
use crate::render::{Purpose, RenderError};
use crate::store::apps::AppRow;
use crate::store::apps::TRACE;

/// Renders the head and remembers what came out of it. What cannot be told now is told by the next push: nothing waits
/// for it.
pub(in crate::jobs) async fn look(context: &Context, row: &AppRow, running: &RunningJob) -> Result<(), JobError> {
    match rendered(context, row, running).await {
        Err(error) if error.class == Class::Cancelled => Err(error),
        Err(error) => {
            tracing::debug!(app = %row.app.id, error = error.message(), "could not check whether an app is behind its \
                                                                         ref");
            Ok(())
        }
        Ok(()) => outcome::stands(context, row).await,
    }
}

async fn rendered(context: &Context, row: &AppRow, running: &RunningJob) -> Result<(), JobError> {
    let source = &row.app.source;
    let Some(head) = context.mirrors.resolve(&source.repo, &source.ref_name).await? else { return Ok(()) };
    if let Some(pinned) = &context.app_row(&row.app.id).await?.pinned_revision {
        // It may have been merged since, or the branch rewritten.
        let is_on_ref = context.mirrors.is_ancestor(&source.repo, pinned, &head).await?;
        context.store.set_pinned_off_branch(&row.app.id, !is_on_ref).await?;
    }
    let tree = context.mirrors.tree(&source.repo, &head).await?;
    let (identity, trace) = match render::render(context, &row.app, tree, Purpose::Sync, &running.cancel).await? {
        Ok(rendered) => {
            claims::keep_wants(context, &row.app, &rendered.manifests).await?;
            (identity::identity(&row.app, &rendered), TRACE.write(&rendered.trace)?)
        }
        // What does not render is not what is applied.
        Err(RenderError::Failed { trace, .. }) => (String::new(), TRACE.write(&trace)?),
        Err(error) => return Err(error.into()),
    };
    Ok(context.store.set_rendered(&row.app.id, &head, &identity, &trace).await?)
}
