//! Merge requests.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::place::Place;
use crate::forge::gitlab::json as shape;
use crate::forge::gitlab::reply::{self, Pages};
use crate::forge::handle::DevForge;
use crate::forge::record::Pull;

#[derive(Deserialize)]
pub(super) struct Filter {
    state: Option<String>,
    order_by: Option<String>,
    sort: Option<String>,
    updated_after: Option<String>,
}

const STATES: [&str; 5] = ["opened", "closed", "locked", "merged", "all"];
const ORDERS: [&str; 8] =
    ["created_at", "label_priority", "milestone_due", "popularity", "priority", "title", "updated_at", "merged_at"];

impl Filter {
    /// The name of the parameter whose value does not make sense.
    fn wrong(&self) -> Option<&'static str> {
        let outside = |value: &Option<String>, of: &[&str]| value.as_deref().is_some_and(|value| !of.contains(&value));
        let is_no_time = |text: &String| text.parse::<jiff::Timestamp>().is_err();
        match () {
            () if outside(&self.state, &STATES) => Some("state"),
            () if outside(&self.order_by, &ORDERS) => Some("order_by"),
            () if outside(&self.sort, &["asc", "desc"]) => Some("sort"),
            () if self.updated_after.as_ref().is_some_and(is_no_time) => Some("updated_after"),
            () => None,
        }
    }

    fn takes(&self, pull: &Pull) -> bool {
        let state = self.state.as_deref().filter(|state| *state != "all");
        let since = self.updated_after.as_ref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        state.is_none_or(|state| state == shape::state(pull)) && since.is_none_or(|since| pull.updated >= since)
    }
}

pub(super) async fn list(
    State(forge): State<DevForge>,
    place: Place,
    Query(filter): Query<Filter>,
    paging: Pages,
) -> Response {
    match filter.wrong() {
        Some("updated_after") => return reply::bad_parameter("updated_after is invalid"),
        Some(name) => return reply::bad_parameter(&format!("{name} does not have a valid value")),
        None => {}
    }
    let (state, view) = (forge.state(), forge.view());
    let Some(repo) = state.repo(&place.project) else { return reply::no_project() };
    let mut pulls: Vec<&Pull> = repo.pulls().filter(|pull| filter.takes(pull)).collect();
    if filter.order_by.as_deref() == Some("updated_at") {
        pulls.sort_by_key(|pull| (pull.updated, pull.id));
    }
    if filter.sort.as_deref() != Some("asc") {
        pulls.reverse();
    }
    let items = paging.slice(&pulls).iter().map(|pull| shape::merge_request(&view, repo, pull)).collect();
    reply::page(&forge.url(), &paging, pulls.len(), items)
}

pub(super) async fn one(State(forge): State<DevForge>, place: Place) -> Response {
    let Some(number) = place.number(0) else { return reply::bad_parameter("merge_request_iid is invalid") };
    let state = forge.state();
    match state.repo(&place.project).zip(state.pull(&place.project, number)) {
        Some((repo, pull)) => reply::with(StatusCode::OK, &shape::full_merge_request(&forge.view(), repo, pull)),
        None => reply::not_found(),
    }
}

/// Those of merge requests first, else the newest first.
pub(super) async fn pipelines(State(forge): State<DevForge>, place: Place, paging: Pages) -> Response {
    let (state, view) = (forge.state(), forge.view());
    let Some(number) = place.number(0) else { return reply::bad_parameter("merge_request_iid is invalid") };
    let Some((repo, pull)) = state.repo(&place.project).zip(state.pull(&place.project, number)) else {
        return reply::not_found();
    };
    let all = repo.pipelines.of(&pull.head, &pull.head_ref, &format!("refs/merge-requests/{number}/"));
    let items: Vec<Value> = paging.slice(&all).iter().map(|one| shape::pipeline(&view, repo, one)).collect();
    reply::page(&forge.url(), &paging, all.len(), items)
}
