//! Hooks as they are set, their deliveries, and sending these again.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::project::{Project, project};
use crate::forge::caller::Caller;
use crate::forge::github::hook_access::may_see_hooks;
use crate::forge::github::json as shape;
use crate::forge::github::reply::{self, Pages};
use crate::forge::handle::DevForge;

/// The hooks of a repository: its own one, if deliveries are sent at all. Who may not see them is told that there is
/// nothing.
pub(super) async fn list(
    State(forge): State<DevForge>,
    Path(path): Path<Project>,
    caller: Caller,
    paging: Pages,
) -> Response {
    let project = project(&path);
    let state = forge.state();
    let Some(repo) = state.repo(&project).filter(|_| may_see_hooks(state.settings(), &caller)) else {
        return reply::not_found();
    };
    let url = forge.0.config.webhook_url.clone().filter(|_| !state.settings().is_app_s);
    let last = forge.0.postman.log(repo.hook).into_iter().next();
    let hooks: Vec<Value> =
        url.iter().map(|url| shape::hook(&forge.view(), repo, url, state.settings(), last.as_ref())).collect();
    let page: Value = paging.slice(&hooks).iter().cloned().collect();
    reply::linked(&paging, &forge.url(), hooks.len(), Json(page).into_response())
}

/// The hook that an App has for all of its installations.
pub(super) async fn of_app(State(forge): State<DevForge>, caller: Caller) -> Response {
    if caller != Caller::App {
        return reply::error(StatusCode::UNAUTHORIZED, "A JSON web token could not be decoded");
    }
    let state = forge.state();
    let url = forge.0.config.webhook_url.clone().filter(|_| state.settings().is_app_s);
    Json(shape::hook_config(url.as_deref(), state.settings())).into_response()
}

pub(super) async fn deliveries(
    State(forge): State<DevForge>,
    Path((owner, name, hook)): Path<(String, String, u64)>,
    paging: Pages,
) -> Response {
    if !has_hook(&forge, &format!("{owner}/{name}"), hook) {
        return reply::not_found();
    }
    let log = forge.0.postman.log(hook);
    let page: Value = paging.slice(&log).iter().map(|sent| shape::delivery(sent, None)).collect();
    reply::linked(&paging, &forge.url(), log.len(), Json(page).into_response())
}

pub(super) async fn redeliver(
    State(forge): State<DevForge>,
    Path((owner, name, hook, delivery)): Path<(String, String, u64, u64)>,
) -> Response {
    if has_hook(&forge, &format!("{owner}/{name}"), hook) && forge.0.postman.redeliver(delivery) {
        (StatusCode::ACCEPTED, Json(json!({}))).into_response()
    } else {
        reply::not_found()
    }
}

/// Those of the App's hook: of all repositories.
pub(super) async fn deliveries_of_app(State(forge): State<DevForge>, caller: Caller, paging: Pages) -> Response {
    if caller != Caller::App || !forge.state().settings().is_app_s {
        return reply::error(StatusCode::UNAUTHORIZED, "A JSON web token could not be decoded");
    }
    let mut log = Vec::new();
    let repos: Vec<(u64, u64)> = forge.state().repos().map(|repo| (repo.id, repo.hook)).collect();
    for (repo, hook) in repos {
        log.extend(forge.0.postman.log(hook).iter().map(|sent| shape::delivery(sent, Some(repo))));
    }
    log.sort_by_key(|one| std::cmp::Reverse(one["id"].as_u64()));
    let page: Value = paging.slice(&log).iter().cloned().collect();
    reply::linked(&paging, &forge.url(), log.len(), Json(page).into_response())
}

pub(super) async fn redeliver_of_app(
    State(forge): State<DevForge>,
    Path(delivery): Path<u64>,
    caller: Caller,
) -> Response {
    if caller == Caller::App && forge.0.postman.redeliver(delivery) {
        (StatusCode::ACCEPTED, Json(json!({}))).into_response()
    } else {
        reply::not_found()
    }
}

fn has_hook(forge: &DevForge, project: &str, hook: u64) -> bool {
    forge.hook_of(project) == Some(hook)
}
