//! Pull requests.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::project::{Project, project};
use crate::forge::error::DevForgeError;
use crate::forge::git::GitError;
use crate::forge::github::json as shape;
use crate::forge::github::reply::{self, Pages};
use crate::forge::handle::DevForge;
use crate::forge::record::Pull;

#[derive(Deserialize)]
pub(super) struct Filter {
    state: Option<String>,
    sort: Option<String>,
    direction: Option<String>,
}

pub(super) async fn list(
    State(forge): State<DevForge>,
    Path(path): Path<Project>,
    Query(filter): Query<Filter>,
    paging: Pages,
    headers: HeaderMap,
) -> Response {
    let state = forge.state();
    let Some(repo) = state.repo(&project(&path)) else { return reply::not_found() };
    let wanted = |pull: &&Pull| match filter.state.as_deref().unwrap_or("open") {
        "open" => pull.open,
        "closed" => !pull.open,
        _ => true,
    };
    let mut pulls: Vec<&Pull> = repo.pulls().filter(wanted).collect();
    if filter.sort.as_deref() == Some("updated") {
        pulls.sort_by_key(|pull| pull.updated);
    }
    if filter.direction.as_deref() != Some("asc") {
        pulls.reverse();
    }
    let view = forge.view();
    let page = paging.slice(&pulls).iter().map(|pull| shape::pull(&view, repo, pull)).collect();
    reply::linked(&paging, &forge.url(), pulls.len(), reply::tagged(&headers, &page))
}

pub(super) async fn one(
    State(forge): State<DevForge>,
    Path((owner, name, number)): Path<(String, String, u64)>,
    headers: HeaderMap,
) -> Response {
    let project = format!("{owner}/{name}");
    let state = forge.state();
    match state.repo(&project).zip(state.pull(&project, number)) {
        Some((repo, pull)) => {
            let comments = state.comments_of(&project, number).count();
            reply::tagged(&headers, &shape::full_pull(&forge.view(), repo, pull, comments))
        }
        None => reply::not_found(),
    }
}

#[derive(Deserialize)]
pub(super) struct NewPull {
    title: String,
    head: String,
    base: String,
}

pub(super) async fn open(
    State(forge): State<DevForge>,
    Path(path): Path<Project>,
    Json(new): Json<NewPull>,
) -> Response {
    let project = project(&path);
    match forge.open_pull(&project, &new.head, &new.base, &new.title).await {
        Ok(number) => {
            let state = forge.state();
            match state.repo(&project).zip(state.pull(&project, number)) {
                Some((repo, pull)) => {
                    (StatusCode::CREATED, Json(shape::full_pull(&forge.view(), repo, pull, 0))).into_response()
                }
                None => reply::not_found(),
            }
        }
        Err(error) => reply::invalid(&error.to_string()),
    }
}

pub(super) async fn merge(
    State(forge): State<DevForge>,
    Path((owner, name, number)): Path<(String, String, u64)>,
) -> Response {
    match forge.merge_pull(&format!("{owner}/{name}"), number).await {
        Ok(commit) => {
            Json(json!({"sha": commit.to_string(), "merged": true, "message": "Pull Request successfully merged"}))
                .into_response()
        }
        Err(DevForgeError::Git(GitError::Conflict { .. })) => {
            reply::error(StatusCode::METHOD_NOT_ALLOWED, "Pull Request is not mergeable")
        }
        Err(DevForgeError::Unknown(_)) => reply::not_found(),
        Err(error) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
