//! The REST API, as far as clients of ours call it.

mod hooks;
mod merge_requests;
mod notes;
mod place;
mod project;
mod statuses;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};
use serde_json::json;

use super::{access, reply};
use crate::forge::dialect::Dialect;
use crate::forge::handle::DevForge;
use crate::forge::misbehave;

pub(in crate::forge) fn router(forge: DevForge) -> Router {
    let project = Router::new()
        .route("/merge_requests", get(merge_requests::list))
        .route("/merge_requests/{number}", get(merge_requests::one))
        .route("/merge_requests/{number}/pipelines", get(merge_requests::pipelines))
        .route("/merge_requests/{number}/notes", get(notes::list).post(notes::create))
        .route("/merge_requests/{number}/notes/{note}", put(notes::edit).delete(notes::delete).get(notes::one))
        .route("/merge_requests/{number}/notes/{note}/award_emoji", post(notes::award))
        .route("/statuses/{sha}", post(statuses::create))
        .route("/repository/commits/{sha}/statuses", get(statuses::list))
        .route("/repository/branches", get(project::branches))
        .route("/members/all/{user}", get(project::member))
        .route("/hooks", get(hooks::list))
        .route("/hooks/{hook}/events", get(hooks::events))
        .route("/hooks/{hook}/events/{event}/resend", post(hooks::resend));
    let api = Router::new()
        .route("/user", get(project::user))
        .route("/personal_access_tokens/self", get(project::token))
        .route("/projects/{id}", get(project::one))
        .nest("/projects/{id}", project)
        .fallback(async || reply::with(StatusCode::NOT_FOUND, &json!({"error": "404 Not Found"})))
        .layer(from_fn_with_state(forge.clone(), access::layer))
        .layer(from_fn_with_state(forge.clone(), misbehave::layer))
        .with_state(forge);
    Router::new().nest(Dialect::GitLab.api(), api)
}
