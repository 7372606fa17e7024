//! Commit statuses where they gate. GitLab keeps a status in a pipeline, and "Pipelines must succeed" asks one pipeline
//! of a merge request: its merge request pipeline if it has one, however old, else the newest of its branch.

use http::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::flavour::GITLAB;
use super::path::{project_path, query};
use super::{listing, wire};
use crate::forge::{ForgeError, NewStatus, StatusState};
use crate::ids::Oid;

/// The longest ref and address of a status, in characters.
const LONGEST: usize = 255;

/// The pipeline that a status belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A merge request pipeline. Its commit is not the head of the merge request if GitLab tests the merged result.
    Pipeline { id: u64, sha: Oid },
    /// The newest pipeline of the ref for this commit. GitLab makes one if there is none.
    Ref { name: String, sha: Oid },
    /// Wherever GitLab finds the commit first.
    Commit { sha: Oid },
}

impl Place {
    fn sha(&self) -> &Oid {
        match self {
            Self::Pipeline { sha, .. } | Self::Ref { sha, .. } | Self::Commit { sha } => sha,
        }
    }
}

/// Where a commit's status gates its merge requests: usually one.
async fn places(client: &Client, project: &str, pulls: &[u64], sha: &Oid) -> Result<Vec<Place>, ForgeError> {
    let mut places = Vec::new();
    for number in pulls {
        let path = project_path(project, &format!("/merge_requests/{number}"))?;
        let merge: wire::MergeRequest = client.get(&path).await?.json()?;
        let place = place(&merge, sha);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    if places.is_empty() {
        places.push(Place::Commit { sha: sha.clone() });
    }
    Ok(places)
}

fn place(merge: &wire::MergeRequest, sha: &Oid) -> Place {
    let is_head = merge.sha.as_ref() == Some(sha);
    let pipeline = merge.head_pipeline.as_ref().filter(|pipeline| {
        let is_here = pipeline.project_id.is_none() || pipeline.project_id == merge.target_project_id;
        is_head && is_here && gates(pipeline, merge.iid, sha)
    });
    if let Some(pipeline) = pipeline {
        return Place::Pipeline { id: pipeline.id, sha: pipeline.sha.clone() };
    }
    // The branch of a fork is not in this project.
    let name = if merge.is_from_fork() {
        GITLAB.head_ref(merge.iid)
    } else {
        merge.source_branch.chars().take(LONGEST).collect()
    };
    Place::Ref { name, sha: sha.clone() }
}

/// Whether it is a merge request pipeline for this head. Any other one, such as the one that GitLab made for our own
/// status, is found by the branch.
fn gates(pipeline: &wire::Pipeline, number: u64, sha: &Oid) -> bool {
    let name = pipeline.name.as_deref().unwrap_or_default();
    let is_external = pipeline.source.as_deref() == Some("external");
    // Of the merged result, GitLab does not say which head it was made from.
    let is_of_head = name == GITLAB.tested_ref(number) || pipeline.sha == *sha;
    let is_merge_request_s =
        name.starts_with("refs/merge-requests/") || pipeline.source.as_deref() == Some("merge_request_event");
    is_merge_request_s && is_of_head && !is_external
}

pub(super) async fn set(client: &Client, project: &str, pulls: &[u64], status: &NewStatus) -> Result<(), ForgeError> {
    for place in places(client, project, pulls, &status.sha).await? {
        let path = project_path(project, &format!("/statuses/{}", place.sha()))?;
        match client.send(Method::POST, &path, Some(&body(&place, status))).await {
            Ok(_) => {}
            Err(error) if is_set_already(&error, word(status.state)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn body(place: &Place, status: &NewStatus) -> Value {
    let description: String = status.description.chars().take(GITLAB.description_limit).collect();
    let mut body = json!({ "state": word(status.state), "name": status.context, "description": description });
    // A longer address would be refused with the whole status.
    if let Some(url) = status.target_url.as_ref().filter(|url| url.chars().count() <= LONGEST) {
        body["target_url"] = json!(url);
    }
    match place {
        Place::Pipeline { id, .. } => body["pipeline_id"] = json!(id),
        Place::Ref { name, .. } => body["ref"] = json!(name),
        Place::Commit { .. } => {}
    }
    body
}

/// Never `running`, from which no status gets back to `pending`.
fn word(state: StatusState) -> &'static str {
    match state {
        StatusState::Pending => "pending",
        StatusState::Success => "success",
        StatusState::Error | StatusState::Failure => "failed",
    }
}

/// GitLab refuses to repeat a state, even with another text: it shows the text of before until the state changes.
fn is_set_already(error: &ForgeError, state: &str) -> bool {
    let ForgeError::Rejected { message, .. } = error else { return false };
    let Some((_, from)) =
        message.split_once("Cannot transition status via ").and_then(|(_, rest)| rest.split_once("from :"))
    else {
        return false;
    };
    from.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next() == Some(state)
}

pub(super) async fn latest(
    client: &Client,
    project: &str,
    pulls: &[u64],
    sha: &Oid,
    context: &str,
) -> Result<Option<NewStatus>, ForgeError> {
    let mut worst: Option<NewStatus> = None;
    for place in places(client, project, pulls, sha).await? {
        let Some(found) = at(client, project, &place, context).await? else { return Ok(None) };
        let Some(state) = found.state() else { return Ok(None) };
        if worst.as_ref().is_none_or(|worst| worst.state < state) {
            worst = Some(NewStatus {
                sha: sha.clone(),
                context: found.name,
                state,
                description: found.description.unwrap_or_default(),
                target_url: found.target_url,
            });
        }
    }
    Ok(worst)
}

async fn at(client: &Client, project: &str, place: &Place, context: &str) -> Result<Option<wire::Status>, ForgeError> {
    let within = match place {
        Place::Pipeline { id, .. } => format!("&pipeline_id={id}"),
        Place::Ref { name, .. } => format!("&ref={}", query(name)),
        Place::Commit { .. } => String::new(),
    };
    let sha = place.sha();
    let rest = format!("/repository/commits/{sha}/statuses?name={}{within}&per_page=100", query(context));
    let found: Vec<wire::Status> = listing::all(client, project_path(project, &rest)?).await?;
    // The same name may be in several pipelines of the ref; the newest one counts.
    Ok(found.into_iter().filter(|status| status.name == context).max_by_key(|status| status.id))
}
