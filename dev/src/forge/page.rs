//! The page: pull requests, their comments and statuses as people would see them, and buttons to open and merge one.
//!
//! It is meant for loopback. Writing needs a header that no other site's page can send without being asked first.

mod change;
mod guard;
mod render;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use driftless_webhooks::Oid;
use serde::Deserialize;
use serde_json::{Value, json};

use self::guard::asked_by_the_page;
use super::git;
use super::handle::DevForge;
use super::record::{Pull, Repo};
use super::shown::{CommentView, StatusView};
use super::state::State as Known;
use super::user::PERSON;

const PAGE: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Nothing from elsewhere, and no script but the page's own: should a comment get past the sanitiser, nothing of it
/// runs. Only the alignment of a table's cells is said in place.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src \
                      'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The longest diff that is shown.
const DIFF: usize = 200_000;

pub(super) fn router(forge: DevForge) -> Router {
    Router::new()
        .route("/", get(async || ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE))))
        .route("/page.css", get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
        .route("/page.js", get(async || ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT)))
        .route("/avatar", get(async || ([(header::CONTENT_TYPE, "image/svg+xml")], AVATAR)))
        .route("/ui/repos", get(repos))
        .route("/ui/repos/{owner}/{name}/pulls/{number}", get(pull))
        .route("/ui/repos/{owner}/{name}/pulls/{number}/diff", get(diff))
        .route("/ui/repos/{owner}/{name}/files", get(change::files))
        .route("/ui/repos/{owner}/{name}/changes", post(change::propose))
        .route("/ui/repos/{owner}/{name}/pulls", post(open))
        .route("/ui/repos/{owner}/{name}/pulls/{number}/merge", post(merge))
        .route("/ui/repos/{owner}/{name}/pulls/{number}/comments", post(say))
        .with_state(forge)
}

const AVATAR: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8" rx="2" fill="#3b5b8c"/></svg>"##;

async fn repos(State(forge): State<DevForge>) -> Json<Value> {
    let state = forge.state();
    Json(state.repos().map(|repo| overview(&state, repo)).collect())
}

fn overview(state: &Known, repo: &Repo) -> Value {
    let project = repo.full_name();
    let branches: Vec<&String> = repo.branches().keys().collect();
    let main = repo.branches().get("main").map(Oid::as_str);
    let pulls: Vec<Value> = repo.pulls().rev().map(|pull| summary(state, &project, pull)).collect();
    json!({"name": project, "branches": branches, "main": main, "pulls": pulls})
}

fn summary(state: &Known, project: &str, pull: &Pull) -> Value {
    let mut statuses = state.statuses(project, &pull.head);
    let mut seen = std::collections::BTreeSet::new();
    statuses.retain(|status| seen.insert(status.context.clone()));
    statuses.iter_mut().for_each(common);
    json!({
        "number": pull.number, "title": pull.title, "author": pull.author, "state": pull.state(),
        "head": pull.head.short(), "base": pull.base.short(),
        "head_ref": pull.head_ref, "base_ref": pull.base_ref, "statuses": statuses,
    })
}

/// The page knows one word for each state, whatever the forge calls it.
fn common(status: &mut StatusView) {
    let word = match status.state.as_str() {
        "failed" => "failure",
        "running" => "pending",
        "canceled" | "skipped" => "error",
        _ => return,
    };
    word.clone_into(&mut status.state);
}

async fn pull(State(forge): State<DevForge>, Path((owner, name, number)): Path<(String, String, u64)>) -> Response {
    let project = format!("{owner}/{name}");
    let state = forge.state();
    let Some(pull) = state.pull(&project, number) else { return StatusCode::NOT_FOUND.into_response() };
    let mut out = summary(&state, &project, pull);
    let comment = |view: CommentView| {
        let reactions: Vec<&str> = view.reactions.iter().map(|word| emoji(word)).collect();
        json!({"id": view.id, "author": view.author, "html": render::html(&view.body), "reactions": reactions})
    };
    out["comments"] = state.comments(&project, number).into_iter().map(comment).collect();
    Json(out).into_response()
}

/// What the pull request changes. Asked for once for each head, because it costs a process.
async fn diff(State(forge): State<DevForge>, Path((owner, name, number)): Path<(String, String, u64)>) -> Response {
    let project = format!("{owner}/{name}");
    let Some(pull) = forge.state().pull(&project, number).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match git::diff(&forge.repo_dir(&project), &pull.base, &pull.head).await {
        Ok(mut diff) => {
            if let Some((cut, _)) = diff.char_indices().nth(DIFF) {
                diff.truncate(cut);
                diff.push_str("\n… and more");
            }
            Json(json!({ "diff": diff })).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[derive(Deserialize)]
struct New {
    title: String,
    head: String,
    base: String,
}

async fn open(
    State(forge): State<DevForge>,
    Path((owner, name)): Path<(String, String)>,
    headers: HeaderMap,
    Json(new): Json<New>,
) -> Response {
    if !asked_by_the_page(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match forge.open_pull(&format!("{owner}/{name}"), &new.head, &new.base, &new.title).await {
        Ok(number) => Json(json!({ "number": number })).into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

/// A reaction, whatever the forge calls it.
fn emoji(word: &str) -> &'static str {
    match word {
        "+1" | "thumbsup" => "👍",
        "-1" | "thumbsdown" => "👎",
        "confused" => "😕",
        _ => "👀",
    }
}

#[derive(Deserialize)]
struct Said {
    body: String,
}

/// A comment of the person who owns everything here.
async fn say(
    State(forge): State<DevForge>,
    Path((owner, name, number)): Path<(String, String, u64)>,
    headers: HeaderMap,
    Json(said): Json<Said>,
) -> Response {
    if !asked_by_the_page(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if said.body.trim().is_empty() {
        return (StatusCode::UNPROCESSABLE_ENTITY, "a comment needs a text").into_response();
    }
    match forge.comment_as(&format!("{owner}/{name}"), number, PERSON, &said.body) {
        Some(id) => Json(json!({ "id": id })).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn merge(
    State(forge): State<DevForge>,
    Path((owner, name, number)): Path<(String, String, u64)>,
    headers: HeaderMap,
) -> Response {
    if !asked_by_the_page(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match forge.merge_pull(&format!("{owner}/{name}"), number).await {
        Ok(commit) => Json(json!({ "commit": commit })).into_response(),
        Err(error) => (StatusCode::CONFLICT, error.to_string()).into_response(),
    }
}
