//! A change that is made on the page: one file of the default branch, edited, as a pull request. So the loop can be
//! gone through without a clone.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::guard::asked_by_the_page;
use crate::forge::error::DevForgeError;
use crate::forge::git;
use crate::forge::handle::DevForge;

/// Whom a change is made to.
const BASE: &str = "main";

/// All files of the default branch, with their texts. The page asks again only when the branch has moved.
pub(super) async fn files(State(forge): State<DevForge>, Path((owner, name)): Path<(String, String)>) -> Response {
    match git::texts(&forge.repo_dir(&format!("{owner}/{name}")), BASE).await {
        Ok(files) => {
            let files: Vec<Value> = files.into_iter().map(|(path, text)| json!({"path": path, "text": text})).collect();
            Json(files).into_response()
        }
        Err(error) => (StatusCode::NOT_FOUND, error.to_string()).into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct Change {
    path: String,
    text: String,
    title: String,
}

pub(super) async fn propose(
    State(forge): State<DevForge>,
    Path((owner, name)): Path<(String, String)>,
    headers: HeaderMap,
    Json(change): Json<Change>,
) -> Response {
    if !asked_by_the_page(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match proposed(&forge, &format!("{owner}/{name}"), &change).await {
        Ok(Some(number)) => Json(json!({ "number": number })).into_response(),
        Ok(None) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{BASE} has no such file")).into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

/// The number of the pull request; none if there is no such file.
async fn proposed(forge: &DevForge, project: &str, change: &Change) -> Result<Option<u64>, DevForgeError> {
    let dir = forge.repo_dir(project);
    if !git::texts(&dir, BASE).await?.iter().any(|(path, _)| *path == change.path) {
        return Ok(None);
    }
    let branches = git::branches(&dir).await?;
    let branch = (1..=branches.len() + 1)
        .map(|number| format!("change-{number}"))
        .find(|name| !branches.contains_key(name))
        .unwrap_or_default();
    forge.commit(project, &branch, &change.title, &[(&change.path, Some(&change.text))]).await?;
    forge.open_pull(project, &branch, BASE, &change.title).await.map(Some)
}
