//! Notes: the comments of a merge request, with what GitLab writes on it itself.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::place::Place;
use crate::forge::fault::Stale;
use crate::forge::gitlab::json as shape;
use crate::forge::gitlab::reply::{self, Pages};
use crate::forge::handle::DevForge;
use crate::forge::record::{Comment, CommentKind};
use crate::forge::state::written;

/// Characters of a note.
const LIMIT: usize = 1_000_000;

#[derive(Deserialize)]
struct Text {
    body: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Order {
    sort: Option<String>,
}

/// Notes that must not be seen are left out of their page, which then is shorter than the others.
pub(super) async fn list(
    State(forge): State<DevForge>,
    place: Place,
    Query(order): Query<Order>,
    paging: Pages,
    stale: Option<Extension<Stale>>,
) -> Response {
    let Some(number) = place.number(0) else { return reply::bad_parameter("noteable_id is invalid") };
    let (state, view) = (forge.state(), forge.view());
    let Some(repo) = state.repo(&place.project).filter(|_| state.pull(&place.project, number).is_some()) else {
        return reply::not_found();
    };
    let mut notes: Vec<&Comment> = state.comments_of(&place.project, number).collect();
    let unknown = stale.map_or(0, |Extension(Stale(newest))| newest);
    notes.truncate(notes.len().saturating_sub(unknown));
    if order.sort.as_deref() != Some("asc") {
        notes.reverse();
    }
    let visible = paging.slice(&notes).iter().filter(|note| note.kind != CommentKind::Hidden);
    let items = visible.map(|note| shape::note(&view, repo, note)).collect();
    reply::page(&forge.url(), &paging, notes.len(), items)
}

pub(super) async fn one(State(forge): State<DevForge>, place: Place) -> Response {
    shown(&forge, &place, place.number(1).unwrap_or_default(), StatusCode::OK)
}

pub(super) async fn create(State(forge): State<DevForge>, place: Place, body: Bytes) -> Response {
    let body = match text(&body) {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let number = place.number(0).unwrap_or_default();
    let text = written(&place.login, &body, forge.0.clock.now());
    let made = forge.state().add_comment(&place.project, number, text);
    let Some(id) = made else { return reply::not_found() };
    forge.noted(&place.project, id);
    shown(&forge, &place, id, StatusCode::CREATED)
}

pub(super) async fn edit(State(forge): State<DevForge>, place: Place, body: Bytes) -> Response {
    let id = place.number(1).unwrap_or_default();
    let body = match text(&body) {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    if let Some(refusal) = foreign(&forge, &place, id) {
        return refusal;
    }
    forge.state().edit_comment(&place.project, id, &body, forge.0.clock.now());
    forge.noted(&place.project, id);
    shown(&forge, &place, id, StatusCode::OK)
}

pub(super) async fn delete(State(forge): State<DevForge>, place: Place) -> Response {
    let id = place.number(1).unwrap_or_default();
    if let Some(refusal) = foreign(&forge, &place, id) {
        return refusal;
    }
    forge.delete_comment(&place.project, id);
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
struct Award {
    name: Option<String>,
}

/// The same emoji of the same user again is not found, in GitLab's words.
pub(super) async fn award(State(forge): State<DevForge>, place: Place, body: Bytes) -> Response {
    let (number, id) = (place.number(0), place.number(1).unwrap_or_default());
    let award: Option<Award> = serde_json::from_slice(&body).ok();
    let Some(name) = award.and_then(|award| award.name) else { return reply::bad_parameter("name is missing") };
    let mut state = forge.state();
    if state.comment(&place.project, id).is_none_or(|note| Some(note.number) != number) {
        return reply::not_found();
    }
    match state.react(&place.project, id, &place.login, &name) {
        Some(true) => {
            let award = shape::award(&forge.view(), id, &place.login, &name, forge.0.clock.now());
            reply::with(StatusCode::CREATED, &award)
        }
        _ => reply::error(StatusCode::NOT_FOUND, "404 Award Emoji Name has already been taken Not Found"),
    }
}

fn shown(forge: &DevForge, place: &Place, id: u64, status: StatusCode) -> Response {
    let state = forge.state();
    let note = state.comment(&place.project, id).filter(|note| Some(note.number) == place.number(0));
    match state.repo(&place.project).zip(note) {
        Some((repo, note)) => reply::with(status, &shape::note(&forge.view(), repo, note)),
        None => reply::not_found(),
    }
}

fn text(body: &[u8]) -> Result<String, Box<Response>> {
    let text: Option<Text> = serde_json::from_slice(body).ok();
    let Some(body) = text.and_then(|text| text.body) else {
        return Err(Box::new(reply::bad_parameter("body is missing")));
    };
    let wrong = match body.chars().count() {
        _ if body.trim().is_empty() => "400 Bad request - Note {:note=>[\"can't be blank\"]}",
        count if count > LIMIT => "400 Bad request - Note {:note=>[\"is too long (1 MB). The maximum size is 1 MB.\"]}",
        _ => return Ok(body),
    };
    Err(Box::new(reply::error(StatusCode::BAD_REQUEST, wrong)))
}

/// Nobody edits what somebody else wrote. A maintainer might delete it, which is not wanted here.
fn foreign(forge: &DevForge, place: &Place, id: u64) -> Option<Response> {
    let state = forge.state();
    match state.comment(&place.project, id).filter(|note| Some(note.number) == place.number(0)) {
        None => Some(reply::not_found()),
        Some(note) if note.author == place.login && note.kind == CommentKind::Written => None,
        Some(_) => Some(reply::forbidden()),
    }
}
