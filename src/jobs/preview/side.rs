//! One app as one side of a pull request has it, rendered.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::comparison::{AppVersion, MergeTrees};
use crate::app::App;
use crate::class::Class;
use crate::config::Repo;
use crate::ids::Oid;
use crate::jobs::Context;
use crate::jobs::desired::render::{failed, render};
use crate::queue::JobError;
use crate::render::{Purpose, RenderError, Rendered};
use crate::tree::Tree;

/// One side of an app of the pull request. Whatever keeps it from being rendered is said of this app, and the others
/// are shown all the same.
pub(super) async fn shown_side(
    context: &Context,
    repo: &Repo,
    trees: &MergeTrees,
    app: Option<App>,
    tree: &Arc<dyn Tree>,
    cancel: &CancellationToken,
) -> Result<Option<AppVersion>, JobError> {
    match side(context, repo, trees, app.clone(), tree, cancel).await {
        Err(error) if error.class.is_retry() => Ok(app.map(|app| AppVersion { app, rendered: Err(missing(&error)) })),
        side => side,
    }
}

/// One side of an app that the pull request may not touch. What its definition asks for in vain is its own fault; what
/// may pass is not decided upon.
pub(in crate::jobs) async fn side(
    context: &Context,
    repo: &Repo,
    trees: &MergeTrees,
    app: Option<App>,
    tree: &Arc<dyn Tree>,
    cancel: &CancellationToken,
) -> Result<Option<AppVersion>, JobError> {
    let Some(app) = app else { return Ok(None) };
    // Before anything is fetched for it.
    if let Err(denied) = context.permitted(&app) {
        return Ok(Some(AppVersion { app, rendered: Err(failed(denied.to_string())) }));
    }
    let rendered = match rendered(context, repo, trees, &app, tree, cancel).await {
        Err(error) if error.class == Class::Fail => Err(missing(&error)),
        rendered => rendered?,
    };
    Ok(Some(AppVersion { app, rendered }))
}

pub(super) fn is_of_the_branch(repo: &Repo, trees: &MergeTrees, app: &App) -> bool {
    app.source.repo == repo.name && app.source.ref_name == trees.base_ref
}

async fn rendered(
    context: &Context,
    repo: &Repo,
    trees: &MergeTrees,
    app: &App,
    tree: &Arc<dyn Tree>,
    cancel: &CancellationToken,
) -> Result<Result<Arc<Rendered>, RenderError>, JobError> {
    if is_of_the_branch(repo, trees, app) {
        return render(context, app, Arc::clone(tree), Purpose::Preview, cancel).await;
    }
    let Some(commit) = elsewhere(context, app).await? else {
        trees.reads.add(app, None, None);
        return Ok(Err(missing_ref(app)));
    };
    let tree = context.mirrors.tree(&app.source.repo, &commit).await?;
    let rendered = render(context, app, tree, Purpose::Preview, cancel).await;
    let trace = rendered.as_ref().ok().and_then(|rendered| match rendered {
        Ok(rendered) => Some(&rendered.trace),
        Err(error) => error.trace(),
    });
    trees.reads.add(app, Some(&commit), trace);
    rendered
}

fn missing(error: &JobError) -> RenderError {
    RenderError::Missing { message: error.message(), class: error.class }
}

/// The head of an app's ref in another repo, or of another ref, than the pull request changes. None where there is
/// none.
async fn elsewhere(context: &Context, app: &App) -> Result<Option<Oid>, JobError> {
    let repo = context.repo(&app.source.repo)?;
    let cancel = context.tasks.hard().clone();
    let fetched = context
        .mirrors
        .fetch(&context.remote(repo).await?, std::slice::from_ref(&app.source.ref_name), &cancel)
        .await?;
    Ok(fetched.get(&app.source.ref_name).cloned().flatten())
}

fn missing_ref(app: &App) -> RenderError {
    failed(format!("{} is not in repo {}", app.source.ref_name, app.source.repo))
}
