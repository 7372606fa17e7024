//! What GitHub has sent to our webhook, and sending it again. GitHub keeps it for three days, and sends nothing again
//! by itself (GitHub: redelivering webhooks).

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;

use super::auth::{self, App, Auth};
use super::client::Client;
use super::path::repo_path;
use crate::forge::rest::Call;
use crate::forge::{ForgeError, SentDelivery};

/// So many pages of a hundred are looked through.
const PAGES: usize = 3;

#[derive(Deserialize)]
struct Hook {
    id: u64,
    config: HookConfig,
}

#[derive(Deserialize)]
struct HookConfig {
    url: Option<String>,
}

#[derive(Deserialize)]
struct Delivery {
    id: u64,
    guid: String,
    delivered_at: Timestamp,
    status_code: u16,
    #[serde(default)]
    repository_id: Option<u64>,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
}

/// Of the App's webhook, if it has one that leads to us; else of those of the repository.
pub(super) async fn sent(client: &Client, project: &str, path: &str) -> Result<Vec<SentDelivery>, ForgeError> {
    if let Auth::App(app) = &client.auth {
        let call = auth::get("/app/hook/config");
        let config: HookConfig = client.api.send(&app.jwt(&client.api)?, call).await?.json()?;
        if leads_to(&config, path) {
            let about = repo_path(project, "")?;
            let repo: Repository = client.send(project, Method::GET, &about, None).await?.json()?;
            let found = walk(client, By::App(app), "/app/hook/deliveries?per_page=100".into()).await?;
            let of_repo = |one: &Delivery| one.repository_id == Some(repo.id);
            return Ok(found.into_iter().filter(of_repo).map(|one| one.sent(None)).collect());
        }
    }
    let hooks = repo_path(project, "/hooks?per_page=100")?;
    let hooks: Vec<Hook> = client.send(project, Method::GET, &hooks, None).await?.json()?;
    let mut all = Vec::new();
    for hook in hooks.into_iter().filter(|hook| leads_to(&hook.config, path)) {
        let first = repo_path(project, &format!("/hooks/{}/deliveries?per_page=100", hook.id))?;
        let found = walk(client, By::Project(project), first).await?;
        all.extend(found.into_iter().map(|one| one.sent(Some(hook.id))));
    }
    Ok(all)
}

pub(super) async fn send_again(client: &Client, project: &str, delivery: &SentDelivery) -> Result<(), ForgeError> {
    let id = delivery.id;
    match (delivery.hook, &client.auth) {
        (Some(hook), _) => {
            let path = repo_path(project, &format!("/hooks/{hook}/deliveries/{id}/attempts"))?;
            client.send(project, Method::POST, &path, None).await.map(drop)
        }
        (None, Auth::App(app)) => of_app(client, app, id).await,
        (None, Auth::Token(_)) => {
            let what = format!("delivery {id} of a webhook of this repository");
            Err(ForgeError::NotFound { forge: client.api.host().to_owned(), what })
        }
    }
}

async fn of_app(client: &Client, app: &App, id: u64) -> Result<(), ForgeError> {
    let path = format!("/app/hook/deliveries/{id}/attempts");
    let call = Call { method: Method::POST, target: &path, etag: None, body: None };
    client.api.send(&app.jwt(&client.api)?, call).await.map(drop)
}

/// As whom a list is asked for.
#[derive(Clone, Copy)]
enum By<'a> {
    Project(&'a str),
    App(&'a App),
}

async fn walk(client: &Client, by: By<'_>, first: String) -> Result<Vec<Delivery>, ForgeError> {
    let (mut next, mut all) = (Some(first), Vec::new());
    for _ in 0..PAGES {
        let Some(target) = next.take() else { break };
        let answer = match by {
            By::Project(project) => client.send(project, Method::GET, &target, None).await?,
            By::App(app) => client.api.send(&app.jwt(&client.api)?, auth::get(&target)).await?,
        };
        next = answer.next_page();
        all.extend(answer.json::<Vec<Delivery>>()?);
    }
    Ok(all)
}

fn leads_to(config: &HookConfig, path: &str) -> bool {
    config.url.as_deref().is_some_and(|url| url.trim_end_matches('/').ends_with(path))
}

impl Delivery {
    fn sent(self, hook: Option<u64>) -> SentDelivery {
        // Of what could not be delivered at all, the code is 0 or one of GitHub's own.
        let accepted = (200..300).contains(&self.status_code);
        SentDelivery { hook, id: self.id, guid: self.guid, at: Some(self.delivered_at), accepted }
    }
}
