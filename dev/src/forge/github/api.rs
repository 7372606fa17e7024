//! The REST API, as far as clients of ours and the page call it.

mod apps;
mod comments;
mod hooks;
mod project;
mod pulls;
mod statuses;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, patch, post, put};

use super::{access, reply};
use crate::forge::dialect::Dialect;
use crate::forge::handle::DevForge;
use crate::forge::misbehave;

pub(in crate::forge) fn router(forge: DevForge) -> Router {
    let repo = Router::new()
        .route("/pulls", get(pulls::list).post(pulls::open))
        .route("/pulls/{number}", get(pulls::one))
        .route("/pulls/{number}/merge", put(pulls::merge))
        .route("/issues/{number}/comments", get(comments::list).post(comments::create))
        .route("/issues/comments/{id}", patch(comments::edit).delete(comments::delete).get(comments::one))
        .route("/issues/comments/{id}/reactions", post(comments::react))
        .route("/collaborators/{login}/permission", get(comments::permission))
        .route("/statuses/{sha}", post(statuses::create))
        .route("/commits/{sha}/status", get(statuses::combined))
        .route("/commits/{sha}/statuses", get(statuses::list))
        .route("/installation", get(apps::installation))
        .route("/hooks", get(hooks::list))
        .route("/hooks/{hook}/deliveries", get(hooks::deliveries))
        .route("/hooks/{hook}/deliveries/{delivery}/attempts", post(hooks::redeliver));
    let api = Router::new()
        .route("/user", get(apps::user))
        .route("/app", get(apps::app))
        .route("/app/hook/config", get(hooks::of_app))
        .route("/app/hook/deliveries", get(hooks::deliveries_of_app))
        .route("/app/hook/deliveries/{delivery}/attempts", post(hooks::redeliver_of_app))
        .route("/repos/{owner}/{repo}", get(apps::repository))
        .route("/app/installations/{installation}/access_tokens", post(apps::token))
        .nest("/repos/{owner}/{repo}", repo)
        .fallback(async || reply::not_found())
        .layer(from_fn_with_state(forge.clone(), access::layer))
        .layer(from_fn_with_state(forge.clone(), misbehave::layer))
        .with_state(forge);
    Router::new().nest(Dialect::GitHub.api(), api)
}
