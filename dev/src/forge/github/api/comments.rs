//! Comments of pull requests.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;

use super::project::{Project, project};
use crate::forge::caller::Caller;
use crate::forge::fault::Stale;
use crate::forge::github::caller::login;
use crate::forge::github::json as shape;
use crate::forge::github::reply::{self, Pages};
use crate::forge::handle::DevForge;
use crate::forge::state::written;

/// GitHub's limit on a comment.
const LIMIT: usize = 65_536;

#[derive(Deserialize)]
pub(super) struct Text {
    body: String,
}

pub(super) async fn list(
    State(forge): State<DevForge>,
    Path((owner, name, number)): Path<(String, String, u64)>,
    paging: Pages,
    headers: HeaderMap,
    stale: Option<Extension<Stale>>,
) -> Response {
    let project = format!("{owner}/{name}");
    let state = forge.state();
    let Some(repo) = state.repo(&project).filter(|_| state.pull(&project, number).is_some()) else {
        return reply::not_found();
    };
    let mut comments: Vec<_> = state.comments_of(&project, number).collect();
    let hidden = stale.map_or(0, |Extension(Stale(newest))| newest);
    comments.truncate(comments.len().saturating_sub(hidden));
    let view = forge.view();
    let page = paging.slice(&comments).iter().map(|comment| shape::comment(&view, repo, comment)).collect();
    reply::linked(&paging, &forge.url(), comments.len(), reply::tagged(&headers, &page))
}

pub(super) async fn one(
    State(forge): State<DevForge>,
    Path((owner, name, id)): Path<(String, String, u64)>,
) -> Response {
    let project = format!("{owner}/{name}");
    let state = forge.state();
    match state.repo(&project).zip(state.comment(&project, id)) {
        Some((repo, comment)) => Json(shape::comment(&forge.view(), repo, comment)).into_response(),
        None => reply::not_found(),
    }
}

#[derive(Deserialize)]
pub(super) struct NewReaction {
    content: String,
}

/// What GitHub takes; the same of the same user again is answered with 200.
const REACTIONS: [&str; 8] = ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];

pub(super) async fn react(
    State(forge): State<DevForge>,
    Path((owner, name, id)): Path<(String, String, u64)>,
    caller: Caller,
    Json(NewReaction { content }): Json<NewReaction>,
) -> Response {
    let login = match login(caller) {
        Ok(login) => login,
        Err(refusal) => return *refusal,
    };
    if !REACTIONS.contains(&content.as_str()) {
        return reply::invalid("content is not a reaction");
    }
    let now = forge.0.clock.now();
    let Some(is_new) = forge.state().react(&format!("{owner}/{name}"), id, &login, &content) else {
        return reply::not_found();
    };
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    (status, Json(shape::reaction(&forge.view(), id, &login, &content, now))).into_response()
}

pub(super) async fn permission(
    State(forge): State<DevForge>,
    Path((owner, name, login)): Path<(String, String, String)>,
) -> Response {
    let state = forge.state();
    if state.repo(&format!("{owner}/{name}")).is_none() {
        return reply::not_found();
    }
    Json(shape::permission(&forge.view(), &login, state.level(&login))).into_response()
}

pub(super) async fn create(
    State(forge): State<DevForge>,
    Path((owner, name, number)): Path<(String, String, u64)>,
    caller: Caller,
    Json(text): Json<Text>,
) -> Response {
    let project = format!("{owner}/{name}");
    let login = match login(caller) {
        Ok(login) => login,
        Err(refusal) => return *refusal,
    };
    if let Some(refusal) = unfit(&text.body) {
        return refusal;
    }
    let mut state = forge.state();
    let Some(id) = state.add_comment(&project, number, written(&login, &text.body, forge.0.clock.now())) else {
        return reply::not_found();
    };
    let answer = match state.repo(&project).zip(state.comment(&project, id)) {
        Some((repo, comment)) => {
            (StatusCode::CREATED, Json(shape::comment(&forge.view(), repo, comment))).into_response()
        }
        None => reply::not_found(),
    };
    drop(state);
    forge.noted(&project, id);
    answer
}

pub(super) async fn edit(
    State(forge): State<DevForge>,
    Path((owner, name, id)): Path<(String, String, u64)>,
    caller: Caller,
    Json(text): Json<Text>,
) -> Response {
    let project = format!("{owner}/{name}");
    if let Some(refusal) = unfit(&text.body).or_else(|| foreign(&forge, &project, id, caller)) {
        return refusal;
    }
    let mut state = forge.state();
    state.edit_comment(&project, id, &text.body, forge.0.clock.now());
    match state.repo(&project).zip(state.comment(&project, id)) {
        Some((repo, comment)) => Json(shape::comment(&forge.view(), repo, comment)).into_response(),
        None => reply::not_found(),
    }
}

pub(super) async fn delete(
    State(forge): State<DevForge>,
    Path((owner, name, id)): Path<(String, String, u64)>,
    caller: Caller,
) -> Response {
    let path: Project = (owner, name);
    if let Some(refusal) = foreign(&forge, &project(&path), id, caller) {
        return refusal;
    }
    if forge.delete_comment(&project(&path), id) { StatusCode::NO_CONTENT.into_response() } else { reply::not_found() }
}

fn unfit(body: &str) -> Option<Response> {
    if body.trim().is_empty() {
        return Some(reply::invalid("Body cannot be blank"));
    }
    (body.encode_utf16().count() > LIMIT).then(|| reply::invalid("Body is too long (maximum is 65536 characters)"))
}

/// Nobody edits what somebody else wrote.
fn foreign(forge: &DevForge, project: &str, id: u64, caller: Caller) -> Option<Response> {
    let login = match login(caller) {
        Ok(login) => login,
        Err(refusal) => return Some(*refusal),
    };
    match forge.state().comment(project, id) {
        None => Some(reply::not_found()),
        Some(comment) if comment.author == login => None,
        Some(_) => Some(reply::error(StatusCode::FORBIDDEN, "Must have admin rights to Repository.")),
    }
}
