//! Commit statuses, which are jobs of pipelines.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use driftless_webhooks::Oid;
use serde::Deserialize;
use serde_json::json;

use super::place::Place;
use crate::forge::git;
use crate::forge::gitlab::json as shape;
use crate::forge::gitlab::pipelines::{Ask, Refusal};
use crate::forge::gitlab::reply::{self, Pages};
use crate::forge::handle::DevForge;

const STATES: [&str; 6] = ["pending", "running", "success", "failed", "canceled", "skipped"];
/// Characters of a description, a ref and an address.
const LIMIT: usize = 255;
/// The level of who may set a status.
const DEVELOPER: u64 = 30;

#[derive(Deserialize)]
struct New {
    state: Option<String>,
    #[serde(rename = "ref")]
    branch: Option<String>,
    name: Option<String>,
    context: Option<String>,
    description: Option<String>,
    target_url: Option<String>,
    pipeline_id: Option<u64>,
}

pub(super) async fn create(State(forge): State<DevForge>, place: Place, body: Bytes) -> Response {
    let Ok(new) = serde_json::from_slice::<New>(&body) else { return reply::bad_parameter("state is missing") };
    if let Some(refusal) = unfit(&new) {
        return refusal;
    }
    let sha = place.rest.first().and_then(|sha| sha.parse::<Oid>().ok());
    let dir = forge.repo_dir(&place.project);
    let known = match &sha {
        Some(sha) => git::has_commit(&dir, sha).await.unwrap_or(false),
        None => false,
    };
    let Some(sha) = sha.filter(|_| known) else {
        return reply::error(StatusCode::NOT_FOUND, "404 Commit Not Found");
    };
    if forge.state().settings().access_level < DEVELOPER {
        return reply::forbidden();
    }
    let branch = git::branches_with(&dir, &sha).await.unwrap_or_default().into_iter().next();
    set(&forge, &place, ask(&forge, &place, new, sha, branch))
}

fn ask(forge: &DevForge, place: &Place, new: New, sha: Oid, branch: Option<String>) -> Ask {
    Ask {
        sha,
        state: new.state.unwrap_or_default(),
        name: new.branch,
        branch,
        pipeline: new.pipeline_id,
        job: new.name.or(new.context).unwrap_or_else(|| "default".to_owned()),
        description: new.description,
        target_url: new.target_url,
        author: place.login.clone(),
        now: forge.0.clock.now(),
    }
}

fn set(forge: &DevForge, place: &Place, ask: Ask) -> Response {
    let (mut state, view) = (forge.state(), forge.view());
    let ids = [state.id(), state.id()];
    let Some(repo) = state.repo_mut(&place.project) else { return reply::no_project() };
    match repo.pipelines.set(ask, ids) {
        Ok((pipeline, job)) => reply::with(StatusCode::CREATED, &shape::status(&view, pipeline, job)),
        Err(Refusal::NotFound(text)) => reply::error(StatusCode::NOT_FOUND, text),
        Err(Refusal::Invalid(text)) => reply::error(StatusCode::BAD_REQUEST, &text),
    }
}

fn unfit(new: &New) -> Option<Response> {
    match new.state.as_deref() {
        None => return Some(reply::bad_parameter("state is missing")),
        Some(state) if !STATES.contains(&state) => {
            return Some(reply::bad_parameter("state does not have a valid value"));
        }
        Some(_) => {}
    }
    let fields = [("description", &new.description), ("target_url", &new.target_url), ("ref", &new.branch)];
    for (name, value) in fields {
        if value.as_ref().is_some_and(|text| text.chars().count() > LIMIT) {
            let text = format!("is too long (maximum is {LIMIT} characters)");
            return Some(reply::with(StatusCode::BAD_REQUEST, &json!({"message": {name: [text]}})));
        }
    }
    let is_web = |url: &String| url.starts_with("http://") || url.starts_with("https://");
    let wrong = new.target_url.as_ref().is_some_and(|url| !is_web(url));
    let text = "is blocked: Only allowed schemes are http, https";
    wrong.then(|| reply::with(StatusCode::BAD_REQUEST, &json!({"message": {"target_url": [text]}})))
}

#[derive(Deserialize)]
pub(super) struct Filter {
    #[serde(rename = "ref")]
    branch: Option<String>,
    name: Option<String>,
    pipeline_id: Option<u64>,
    all: Option<bool>,
    sort: Option<String>,
}

/// Of each name in each pipeline the newest only, unless all are asked for.
pub(super) async fn list(
    State(forge): State<DevForge>,
    place: Place,
    Query(filter): Query<Filter>,
    paging: Pages,
) -> Response {
    let (state, view) = (forge.state(), forge.view());
    let Some(repo) = state.repo(&place.project) else { return reply::no_project() };
    let Some(sha) = place.rest.first().and_then(|sha| sha.parse::<Oid>().ok()) else {
        return reply::error(StatusCode::NOT_FOUND, "404 Commit Not Found");
    };
    let mut jobs: Vec<_> = repo.pipelines.jobs(&sha).collect();
    jobs.retain(|(pipeline, job)| {
        filter.branch.as_ref().is_none_or(|name| *name == pipeline.name)
            && filter.name.as_ref().is_none_or(|name| *name == job.name)
            && filter.pipeline_id.is_none_or(|id| id == pipeline.id)
    });
    jobs.sort_by_key(|(_, job)| job.id);
    if filter.all != Some(true) {
        let latest: BTreeSet<u64> = jobs.iter().flat_map(|(pipeline, _)| pipeline.latest().map(|job| job.id)).collect();
        jobs.retain(|(_, job)| latest.contains(&job.id));
    }
    if filter.sort.as_deref() == Some("desc") {
        jobs.reverse();
    }
    let items = paging.slice(&jobs).iter().map(|(pipeline, job)| shape::status(&view, pipeline, job)).collect();
    reply::page(&forge.url(), &paging, jobs.len(), items)
}
