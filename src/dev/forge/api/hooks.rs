//! Deliveries of a hook, and sending them again.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::dev::forge::reply::Paging;
use crate::dev::forge::{DevForge, json as shape, reply};

pub(super) async fn deliveries(
    State(forge): State<DevForge>,
    Path((owner, name, hook)): Path<(String, String, u64)>,
    paging: Paging,
) -> Response {
    if !has_hook(&forge, &format!("{owner}/{name}"), hook) {
        return reply::not_found();
    }
    let log = forge.0.postman.log(hook);
    let page: Value = paging.slice(&log).iter().map(shape::delivery).collect();
    paging.linked(&forge.url(), log.len(), Json(page).into_response())
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

fn has_hook(forge: &DevForge, project: &str, hook: u64) -> bool {
    forge.hook_of(project) == Some(hook)
}
