//! Hooks as they are set, what was sent, and sending it again.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::place::Place;
use crate::forge::deliver::Sent;
use crate::forge::gitlab::json as shape;
use crate::forge::gitlab::reply::{self, Pages};
use crate::forge::handle::DevForge;
use crate::forge::record::Repo;
use crate::forge::settings::{MAINTAINER, Settings};

pub(super) async fn list(State(forge): State<DevForge>, place: Place, paging: Pages) -> Response {
    let state = forge.state();
    if state.settings().access_level < MAINTAINER {
        return reply::forbidden();
    }
    let Some(repo) = state.repo(&place.project) else { return reply::no_project() };
    let hooks: Vec<Value> = forge.0.config.webhook_url.iter().map(|url| hook(repo, url, state.settings())).collect();
    let items = paging.slice(&hooks).to_vec();
    reply::page(&forge.url(), &paging, hooks.len(), items)
}

/// The secret is never shown, only whether there is one.
fn hook(of: &Repo, url: &str, settings: &Settings) -> Value {
    let mut out = json!({
        "id": of.hook, "url": url, "name": null, "description": null, "created_at": shape::time(of.created),
        "enable_ssl_verification": settings.verifies_tls, "repository_update_events": false,
        "alert_status": if settings.active { "executable" } else { "disabled" }, "disabled_until": null,
        "url_variables": [], "push_events_branch_filter": null, "branch_filter_strategy": "wildcard",
        "custom_webhook_template": null, "custom_headers": [], "project_id": of.id,
        "token_present": true, "signing_token_present": false,
    });
    for event in EVENTS {
        out[*event] = json!(settings.events.iter().any(|on| on == event));
    }
    out
}

const EVENTS: &[&str] = &[
    "push_events",
    "tag_push_events",
    "merge_requests_events",
    "issues_events",
    "confidential_issues_events",
    "note_events",
    "confidential_note_events",
    "pipeline_events",
    "wiki_page_events",
    "deployment_events",
    "feature_flag_events",
    "job_events",
    "releases_events",
    "emoji_events",
    "resource_access_token_events",
];

/// The most entries on a page of a hook's log.
const LOG_PAGE: usize = 20;

/// With whole requests, newest first. Of the secret there is no trace.
pub(super) async fn events(State(forge): State<DevForge>, place: Place, paging: Pages) -> Response {
    if let Some(refusal) = refused(&forge, &place) {
        return refusal;
    }
    if paging.size() > LOG_PAGE {
        return reply::bad_parameter("per_page does not have a valid value");
    }
    let log = forge.0.postman.log(place.number(0).unwrap_or_default());
    let items = paging.slice(&log).iter().map(event).collect();
    reply::page(&forge.url(), &paging, log.len(), items)
}

fn event(sent: &Sent) -> Value {
    let shown = |name: &str| !matches!(name, "x-gitlab-token" | "webhook-signature");
    let headers: serde_json::Map<String, Value> = sent
        .letter
        .headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(if shown(name) { value } else { "[REDACTED]" })))
        .collect();
    json!({
        "id": sent.id, "url": sent.letter.url, "trigger": trigger(&sent.letter.event), "request_headers": headers,
        "request_data": serde_json::from_slice::<Value>(&sent.letter.body).unwrap_or_default(),
        "response_headers": {}, "response_body": "", "execution_duration": 0.01,
        "response_status": sent.status.map_or_else(|| "internal error".to_owned(), |status| status.to_string()),
    })
}

fn trigger(event: &str) -> String {
    event.to_lowercase().replace(' ', "_") + "s"
}

pub(super) async fn resend(State(forge): State<DevForge>, place: Place) -> Response {
    if let Some(refusal) = refused(&forge, &place) {
        return refusal;
    }
    if forge.0.postman.redeliver(place.number(1).unwrap_or_default()) {
        reply::with(StatusCode::CREATED, &json!({"response_status": 200}))
    } else {
        reply::not_found()
    }
}

fn refused(forge: &DevForge, place: &Place) -> Option<Response> {
    if forge.state().settings().access_level < MAINTAINER {
        return Some(reply::forbidden());
    }
    (forge.hook_of(&place.project) != place.number(0)).then(reply::not_found)
}
