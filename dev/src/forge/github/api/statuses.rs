//! Commit statuses.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use driftless_webhooks::Oid;
use serde::Deserialize;
use serde_json::Value;

use crate::forge::caller::Caller;
use crate::forge::git;
use crate::forge::github::caller::login;
use crate::forge::github::json as shape;
use crate::forge::github::reply::{self, Pages};
use crate::forge::handle::DevForge;
use crate::forge::record::Status;
use crate::forge::state::State as Known;

/// GitHub's limits: characters of a description, statuses of one context on one commit.
const DESCRIPTION: usize = 140;
const PER_CONTEXT: usize = 1000;

#[derive(Deserialize)]
pub(super) struct NewStatus {
    state: String,
    #[serde(default = "default_context")]
    context: String,
    description: Option<String>,
    target_url: Option<String>,
}

fn default_context() -> String {
    "default".to_owned()
}

pub(super) async fn create(
    State(forge): State<DevForge>,
    Path((owner, name, sha)): Path<(String, String, String)>,
    caller: Caller,
    Json(new): Json<NewStatus>,
) -> Response {
    let project = format!("{owner}/{name}");
    let creator = match login(caller) {
        Ok(login) => login,
        Err(refusal) => return *refusal,
    };
    let Ok(sha) = sha.parse::<Oid>() else { return reply::invalid("sha is not an object id") };
    if forge.state().repo(&project).is_none() {
        return reply::not_found();
    }
    if !git::has_commit(&forge.repo_dir(&project), &sha).await.unwrap_or(false) {
        return reply::invalid(&format!("No commit found for SHA: {sha}"));
    }
    if let Some(refusal) = unfit(&forge.state(), &project, &sha, &new) {
        return refusal;
    }
    let status = Status {
        id: 0,
        sha,
        state: new.state,
        context: new.context,
        description: new.description,
        target_url: new.target_url,
        creator,
        created: forge.0.clock.now(),
    };
    let mut state = forge.state();
    let stored = state.add_status(&project, status);
    match state.repo(&project).zip(stored) {
        Some((repo, status)) => {
            (StatusCode::CREATED, Json(shape::status(&forge.view(), repo, &status))).into_response()
        }
        None => reply::not_found(),
    }
}

fn unfit(state: &Known, project: &str, sha: &Oid, new: &NewStatus) -> Option<Response> {
    if !matches!(new.state.as_str(), "error" | "failure" | "pending" | "success") {
        return Some(reply::invalid("State is not included in the list"));
    }
    if new.description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION) {
        return Some(reply::invalid("Description is too long (maximum is 140 characters)"));
    }
    let same =
        state.statuses_of(project, sha).filter(|status| status.context.eq_ignore_ascii_case(&new.context)).count();
    (same >= PER_CONTEXT).then(|| reply::invalid("This SHA and context has reached the maximum number of statuses."))
}

pub(super) async fn list(
    State(forge): State<DevForge>,
    Path((owner, name, sha)): Path<(String, String, String)>,
    paging: Pages,
    headers: HeaderMap,
) -> Response {
    let project = format!("{owner}/{name}");
    let state = forge.state();
    let Some((repo, sha)) = state.repo(&project).zip(sha.parse::<Oid>().ok()) else { return reply::not_found() };
    let all: Vec<&Status> = state.statuses_of(&project, &sha).collect();
    let page: Value = paging.slice(&all).iter().map(|status| shape::status(&forge.view(), repo, status)).collect();
    reply::linked(&paging, &forge.url(), all.len(), reply::tagged(&headers, &page))
}

pub(super) async fn combined(
    State(forge): State<DevForge>,
    Path((owner, name, sha)): Path<(String, String, String)>,
    paging: Pages,
    headers: HeaderMap,
) -> Response {
    let project = format!("{owner}/{name}");
    let state = forge.state();
    let Some((repo, sha)) = state.repo(&project).zip(sha.parse::<Oid>().ok()) else { return reply::not_found() };
    let mut latest: Vec<&Status> = Vec::new();
    for status in state.statuses_of(&project, &sha) {
        if !latest.iter().any(|known| known.context.eq_ignore_ascii_case(&status.context)) {
            latest.push(status);
        }
    }
    let body = shape::combined(&forge.view(), repo, sha.as_str(), &latest, paging.slice(&latest));
    reply::linked(&paging, &forge.url(), latest.len(), reply::tagged(&headers, &body))
}
