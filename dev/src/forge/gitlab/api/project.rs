//! The project, its branches and members, and the token.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use driftless_webhooks::Oid;
use serde_json::Value;

use super::place::Place;
use crate::forge::gitlab::access::Login;
use crate::forge::gitlab::json as shape;
use crate::forge::gitlab::reply::{self, Pages};
use crate::forge::handle::DevForge;
use crate::forge::user::{self, OWNER, PERSON};

pub(super) async fn user(State(forge): State<DevForge>, Extension(Login(login)): Extension<Login>) -> Json<Value> {
    Json(shape::own_user(&forge.view(), &login, forge.0.clock.now()))
}

pub(super) async fn token(State(forge): State<DevForge>, Extension(Login(login)): Extension<Login>) -> Json<Value> {
    let state = forge.state();
    let scopes = state.settings().scopes.clone().unwrap_or_default();
    Json(shape::token(&login, &scopes, forge.0.clock.now()))
}

pub(super) async fn one(State(forge): State<DevForge>, place: Place) -> Response {
    let state = forge.state();
    let Some(repo) = state.repo(&place.project) else { return reply::no_project() };
    reply::with(axum::http::StatusCode::OK, &shape::project(&forge.view(), repo, state.settings().access_level))
}

pub(super) async fn branches(State(forge): State<DevForge>, place: Place, paging: Pages) -> Response {
    let (state, view) = (forge.state(), forge.view());
    let Some(repo) = state.repo(&place.project) else { return reply::no_project() };
    let all: Vec<(&String, &Oid)> = repo.branches().iter().collect();
    let items = paging.slice(&all).iter().map(|(name, head)| shape::branch(&view, repo, name, head)).collect();
    reply::page(&forge.url(), &paging, all.len(), items)
}

/// Who has no level is no member; nobody is one for being an administrator of the instance.
pub(super) async fn member(State(forge): State<DevForge>, place: Place) -> Response {
    let state = forge.state();
    let Some(repo) = state.repo(&place.project) else { return reply::no_project() };
    let settings = state.settings();
    let known = [(place.login.as_str(), settings.access_level), (PERSON, OWNER)].into_iter();
    let mut known = known.chain(settings.members.iter().map(|(login, level)| (login.as_str(), *level)));
    let wanted = place.number(0);
    match known.find(|(login, level)| Some(user::id(login)) == wanted && *level > 0) {
        Some((login, level)) => {
            let member = shape::member(&forge.view(), login, level, repo.created);
            reply::with(axum::http::StatusCode::OK, &member)
        }
        None => reply::not_found(),
    }
}
