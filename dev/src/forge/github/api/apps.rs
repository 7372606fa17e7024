//! Who the caller is, and tokens for installations.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use super::project::{Project, project};
use crate::forge::caller::Caller;
use crate::forge::github::json as shape;
use crate::forge::github::reply;
use crate::forge::handle::DevForge;

/// The id of the one installation.
const INSTALLATION: u64 = 77;

pub(super) async fn user(State(forge): State<DevForge>, caller: Caller) -> Response {
    match caller {
        Caller::Login(login) if !login.ends_with("[bot]") => {
            Json(shape::own_user(&forge.view(), &login, forge.0.clock.now())).into_response()
        }
        _ => reply::error(StatusCode::FORBIDDEN, "Resource not accessible by integration"),
    }
}

/// What a token of the old kind may do is told in a header.
pub(super) async fn repository(State(forge): State<DevForge>, Path(path): Path<Project>) -> Response {
    let state = forge.state();
    let Some(repo) = state.repo(&project(&path)) else { return reply::not_found() };
    let settings = state.settings();
    let mut response = Json(shape::full_repo(&forge.view(), repo, settings.may_push)).into_response();
    if let Some(scopes) = settings.scopes.as_ref().and_then(|scopes| scopes.join(", ").parse().ok()) {
        response.headers_mut().insert("x-oauth-scopes", scopes);
    }
    response
}

pub(super) async fn app(State(forge): State<DevForge>, caller: Caller) -> Response {
    match (&forge.0.config.app, caller) {
        (Some(app), Caller::App) => {
            Json(shape::app(&forge.view(), app.id, &app.slug, forge.0.clock.now())).into_response()
        }
        _ => reply::error(StatusCode::UNAUTHORIZED, "A JSON web token could not be decoded"),
    }
}

pub(super) async fn installation(State(forge): State<DevForge>, Path(path): Path<Project>, caller: Caller) -> Response {
    let state = forge.state();
    match (&forge.0.config.app, caller, state.repo(&project(&path))) {
        (Some(app), Caller::App, Some(repo)) => {
            Json(shape::installation(&forge.view(), INSTALLATION, app.id, &app.slug, repo, state.settings()))
                .into_response()
        }
        (_, Caller::App, None) => reply::not_found(),
        _ => reply::error(StatusCode::UNAUTHORIZED, "A JSON web token could not be decoded"),
    }
}

pub(super) async fn token(State(forge): State<DevForge>, Path(installation): Path<u64>, caller: Caller) -> Response {
    if caller != Caller::App || installation != INSTALLATION {
        return reply::not_found();
    }
    let expires = forge.0.clock.now() + SignedDuration::from_hours(1);
    // As long as GitHub's newer tokens, so that nobody counts on 40 characters.
    let token = format!("ghs_{}", (0..12).map(|_| Uuid::new_v4().simple().to_string()).collect::<String>());
    forge.state().add_installation_token(token.clone(), expires);
    let body = json!({
        "token": token, "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "repository_selection": "selected",
        "permissions": {"statuses": "write", "contents": "read", "metadata": "read"},
    });
    (StatusCode::CREATED, Json(body)).into_response()
}
