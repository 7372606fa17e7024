//! How a hook is set and what a credential was granted, for who checks an installation. Nothing of it is needed to run.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;

use super::auth::{self, Auth};
use super::client::Client;
use super::path::repo_path;
use super::rights;
use crate::forge::rest::Call;
use crate::forge::{ForgeError, Grants, HookAnswer, HookContent, HookSettings};

/// As GitHub writes a hook of a repository; the config of an App's hook has the same fields.
#[derive(Deserialize)]
struct Hook {
    active: bool,
    events: Vec<String>,
    config: HookConfig,
    last_response: Option<LastResponse>,
}

#[derive(Deserialize)]
struct HookConfig {
    url: Option<String>,
    content_type: Option<String>,
    /// "0" and "1", or the numbers.
    insecure_ssl: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct LastResponse {
    code: Option<u16>,
    status: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct OwnApp {
    #[serde(default)]
    events: Vec<String>,
}

#[derive(Deserialize)]
struct Repository {
    private: bool,
    permissions: Option<RepositoryPermissions>,
}

#[derive(Deserialize)]
struct RepositoryPermissions {
    push: bool,
}

#[derive(Deserialize)]
struct Installation {
    permissions: BTreeMap<String, serde_json::Value>,
    suspended_at: Option<String>,
}

impl HookConfig {
    fn settings(self, active: bool, events: Vec<String>, last_answer: Option<HookAnswer>) -> Option<HookSettings> {
        let insecure = self.insecure_ssl.is_some_and(|value| value == "1" || value == 1);
        // Without a word about it, GitHub sends forms.
        let content = if self.content_type.as_deref() == Some("json") { HookContent::Json } else { HookContent::Form };
        Some(HookSettings { url: self.url?, active, content, verifies_tls: !insecure, events, last_answer })
    }
}

impl LastResponse {
    fn answer(self) -> Option<HookAnswer> {
        // Before the first delivery it says "unused".
        let used = self.code.is_some() || self.status.as_deref().is_some_and(|status| status != "unused");
        used.then(|| HookAnswer {
            code: self.code.filter(|code| *code != 0),
            message: self.message.or(self.status).unwrap_or_default(),
        })
    }
}

/// The hook of the App, if it has one; else those of the repository.
pub(super) async fn hooks(client: &Client, project: &str) -> Result<Vec<HookSettings>, ForgeError> {
    if let Auth::App(app) = &client.auth {
        let config: HookConfig =
            client.api.send(&app.jwt(&client.api)?, auth::get("/app/hook/config")).await?.json()?;
        if config.url.as_ref().is_some_and(|url| !url.is_empty()) {
            let own: OwnApp = client.api.send(&app.jwt(&client.api)?, auth::get("/app")).await?.json()?;
            return Ok(config.settings(true, own.events, None).into_iter().collect());
        }
    }
    let path = repo_path(project, "/hooks?per_page=100")?;
    let hooks: Vec<Hook> = client.send(project, Method::GET, &path, None).await?.json()?;
    let settings =
        |hook: Hook| hook.config.settings(hook.active, hook.events, hook.last_response.and_then(LastResponse::answer));
    Ok(hooks.into_iter().filter_map(settings).collect())
}

pub(super) async fn grants(client: &Client, project: &str) -> Result<Grants, ForgeError> {
    match &client.auth {
        Auth::App(app) => {
            let path = repo_path(project, "/installation")?;
            let installation: Installation = client.api.send(&app.jwt(&client.api)?, auth::get(&path)).await?.json()?;
            let levels = installation
                .permissions
                .into_iter()
                .filter_map(|(name, level)| Some((name, level.as_str()?.to_owned())));
            Ok(rights::of_app(&levels.collect(), installation.suspended_at.is_some()))
        }
        Auth::Token(_) => {
            let path = repo_path(project, "")?;
            let call = Call { method: Method::GET, target: &path, etag: None, body: None };
            let answer = client.auth.send(&client.api, project, call).await?;
            let repository: Repository = answer.json()?;
            let scopes = answer.list("x-oauth-scopes");
            let may_push = repository.permissions.map(|permissions| permissions.push);
            Ok(rights::of_token(scopes.as_deref(), may_push, repository.private))
        }
    }
}
