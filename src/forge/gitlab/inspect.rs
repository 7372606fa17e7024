//! How a webhook is set and what a token may do, for who checks an installation. Nothing of it is needed to run.

use serde::Deserialize;

use super::client::Client;
use super::path::project_path;
use super::wire::User;
use crate::forge::{ForgeError, Grants, HookAnswer, HookContent, HookSettings};

/// The levels of GitLab's roles that can set a commit status, and that can see webhooks.
const DEVELOPER: u64 = 30;

/// The log of each hook is asked for; a project has few.
const HOOKS: usize = 10;

#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as many boxes as GitLab has")]
struct Hook {
    id: u64,
    url: String,
    #[serde(default)]
    push_events: bool,
    #[serde(default)]
    merge_requests_events: bool,
    #[serde(default)]
    note_events: bool,
    #[serde(default = "yes")]
    enable_ssl_verification: bool,
    /// Older GitLab does not disable hooks.
    #[serde(default)]
    alert_status: Option<String>,
}

/// The log of a hook has whole requests with their secrets; only the status is read.
#[derive(Deserialize)]
struct Delivery {
    response_status: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    archived: bool,
}

#[derive(Deserialize)]
struct Member {
    access_level: u64,
}

#[derive(Deserialize)]
pub(super) struct Token {
    pub scopes: Vec<String>,
    #[serde(default)]
    pub expires_at: Option<String>,
}

fn yes() -> bool {
    true
}

impl Hook {
    fn settings(self, last_answer: Option<HookAnswer>) -> HookSettings {
        let events = [
            (self.push_events, "push events"),
            (self.merge_requests_events, "merge request events"),
            (self.note_events, "comments"),
        ];
        HookSettings {
            url: self.url,
            active: self.alert_status.is_none_or(|status| status == "executable"),
            content: HookContent::Json,
            verifies_tls: self.enable_ssl_verification,
            events: events.into_iter().filter(|(sent, _)| *sent).map(|(_, name)| name.to_owned()).collect(),
            last_answer,
        }
    }
}

/// The webhooks of the project. Those of its groups are not listed there.
pub(super) async fn hooks(client: &Client, project: &str) -> Result<Vec<HookSettings>, ForgeError> {
    let hooks: Vec<Hook> = client.get(&project_path(project, "/hooks?per_page=100")?).await?.json()?;
    let mut settings = Vec::new();
    for (index, hook) in hooks.into_iter().enumerate() {
        let answer = if index < HOOKS { last_answer(client, project, hook.id).await? } else { None };
        settings.push(hook.settings(answer));
    }
    Ok(settings)
}

/// None if nothing was delivered in the last week, or if this GitLab does not show its log.
async fn last_answer(client: &Client, project: &str, hook: u64) -> Result<Option<HookAnswer>, ForgeError> {
    let path = project_path(project, &format!("/hooks/{hook}/events?per_page=1"))?;
    let log: Vec<Delivery> = match client.get(&path).await {
        Ok(answer) => answer.json()?,
        Err(ForgeError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    // A status as a number or a text; "internal error" where it could not be delivered.
    let newest = log.into_iter().next().and_then(|delivery| delivery.response_status);
    Ok(newest.map(|status| {
        let text = status.as_str().map_or_else(|| status.to_string(), str::to_owned);
        let code = text.parse().ok();
        HookAnswer { code, message: if code.is_some() { String::new() } else { text } }
    }))
}

pub(super) async fn grants(client: &Client, project: &str) -> Result<Grants, ForgeError> {
    let about: Project = client.get(&project_path(project, "")?).await?.json()?;
    let user: User = client.get("/user").await?.json()?;
    let member = client.get(&project_path(project, &format!("/members/all/{}", user.id))?).await;
    let level = match member {
        Ok(answer) => Some(answer.json::<Member>()?.access_level),
        // An administrator needs to be no member.
        Err(ForgeError::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    let token = match client.get("/personal_access_tokens/self").await {
        Ok(answer) => Some(answer.json::<Token>()?),
        Err(ForgeError::NotFound { .. } | ForgeError::Refused { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(judge(&user.username, level, token.as_ref(), about.archived))
}

/// What keeps a token from fetching, commenting and setting statuses. Pure.
pub(super) fn judge(user: &str, level: Option<u64>, token: Option<&Token>, archived: bool) -> Grants {
    let mut grants = Grants { may: "the token may fetch, comment and set statuses", ..Grants::default() };
    if archived {
        grants.wrong.push("the project is archived, so nothing can be written to it: unarchive it".to_owned());
    }
    match level {
        Some(level) if level < DEVELOPER => grants.wrong.push(format!(
            "the token's user {user} has the role {}, and needs Developer to comment and to set statuses",
            role(level)
        )),
        Some(_) => {}
        None => grants.notes.push(format!(
            "the token's user {user} is not a member. Unless it is an administrator, give it the role Developer"
        )),
    }
    match token {
        Some(token) if !token.scopes.iter().any(|scope| scope == "api") => grants.wrong.push(format!(
            "the token needs the scope api, to comment and to set statuses; it has {}",
            if token.scopes.is_empty() { "none".to_owned() } else { token.scopes.join(", ") }
        )),
        Some(token) => grants.notes.extend(token.expires_at.as_ref().map(|day| format!("the token expires on {day}"))),
        None => grants.notes.push("GitLab does not say what the token may do; it needs the scope api".to_owned()),
    }
    grants
}

fn role(level: u64) -> String {
    match level {
        5 => "Minimal access".into(),
        10 => "Guest".into(),
        15 => "Planner".into(),
        20 => "Reporter".into(),
        other => format!("of level {other}"),
    }
}
