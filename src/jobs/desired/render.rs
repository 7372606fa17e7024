//! Renders an app at a tree, in the renderer's share of the app's repo.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::class::{Class, Classified};
use crate::ids::RepoName;
use crate::jobs::Context;
use crate::queue::JobError;
use crate::render::{Asker, Failure, Purpose, RenderError, RenderRequest, Rendered};
use crate::tree::Tree;

/// An error of the user's is a result; one of ours ends the job, to be tried again.
pub(in crate::jobs) async fn render(
    context: &Context,
    app: &App,
    tree: Arc<dyn Tree>,
    purpose: Purpose,
    cancel: &CancellationToken,
) -> Result<Result<Arc<Rendered>, RenderError>, JobError> {
    render_for(context, &app.id.repo, app, tree, purpose, cancel).await
}

/// The same in the share of another repo, which asks for it.
pub(in crate::jobs) async fn render_for(
    context: &Context,
    asks: &RepoName,
    app: &App,
    tree: Arc<dyn Tree>,
    purpose: Purpose,
    cancel: &CancellationToken,
) -> Result<Result<Arc<Rendered>, RenderError>, JobError> {
    // A definition that names a cluster which is none, or may not go there, is at fault itself, and no other app of the
    // pull request is.
    if let Err(denied) = context.permitted(app) {
        return Ok(Err(failed(denied.to_string())));
    }
    let request = request(context, app).await?;
    let asker = Asker { tenant: asks.as_str(), purpose };
    match context.renderer.render_cached(asker, app.source.repo.as_str(), request, tree, cancel.clone()).await {
        Err(error) if error.class() != Class::Fail => Err(error.into()),
        result => Ok(result),
    }
}

pub(in crate::jobs) async fn request(context: &Context, app: &App) -> Result<RenderRequest, JobError> {
    let cluster = context.cluster_for(&app.id, &app.destination.cluster)?;
    Ok(RenderRequest {
        path: app.source.path.clone(),
        options: app.render.clone(),
        release: app.id.name.clone(),
        namespace: app.destination.namespace.clone(),
        cluster: Some(context.facts(cluster).await?),
    })
}

pub(in crate::jobs) fn failed(message: String) -> RenderError {
    RenderError::Failed { failure: Box::new(Failure::new(message)), trace: Box::default() }
}
