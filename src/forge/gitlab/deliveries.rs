//! What GitLab has sent to our webhook, and sending it again. GitLab keeps it for seven days. To a webhook that it has
//! disabled it sends nothing, and keeps nothing (GitLab: project webhooks).

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::Client;
use super::path::project_path;
use crate::forge::{ForgeError, SentDelivery};

/// So many pages of twenty are looked through, which is the most on one page.
const PAGES: usize = 5;

#[derive(Deserialize)]
struct Hook {
    id: u64,
    url: String,
}

/// Has the whole request; the secret in it is redacted.
#[derive(Deserialize)]
struct Event {
    id: u64,
    response_status: Option<Value>,
    #[serde(default)]
    request_headers: Map<String, Value>,
}

pub(super) async fn sent(client: &Client, project: &str, path: &str) -> Result<Vec<SentDelivery>, ForgeError> {
    let hooks: Vec<Hook> = client.get(&project_path(project, "/hooks?per_page=100")?).await?.json()?;
    let mut all = Vec::new();
    for hook in hooks.into_iter().filter(|hook| hook.url.trim_end_matches('/').ends_with(path)) {
        let mut next = Some(project_path(project, &format!("/hooks/{}/events?per_page=20", hook.id))?);
        for _ in 0..PAGES {
            let Some(target) = next.take() else { break };
            let answer = client.get(&target).await?;
            next = answer.next_page();
            all.extend(answer.json::<Vec<Event>>()?.into_iter().filter_map(|event| event.sent(hook.id)));
        }
    }
    Ok(all)
}

pub(super) async fn send_again(client: &Client, project: &str, delivery: &SentDelivery) -> Result<(), ForgeError> {
    let hook = delivery.hook.unwrap_or_default();
    let path = project_path(project, &format!("/hooks/{hook}/events/{}/resend", delivery.id))?;
    client.send(Method::POST, &path, None).await.map(drop)
}

impl Event {
    /// None without what we would know it by.
    fn sent(self, hook: u64) -> Option<SentDelivery> {
        let header = |wanted: &str| {
            let mut headers = self.request_headers.iter();
            headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted))?.1.as_str().map(str::to_owned)
        };
        let guid = header("webhook-id").or_else(|| header("idempotency-key"))?;
        // A number or a text; "internal error" where it could not be delivered.
        let status = self
            .response_status
            .as_ref()
            .map(|status| status.as_str().map_or_else(|| status.to_string(), str::to_owned));
        let code = status.and_then(|status| status.parse::<u16>().ok());
        // GitLab itself counts a redirect as success; we send none.
        let accepted = code.is_some_and(|code| (200..300).contains(&code));
        Some(SentDelivery { hook: Some(hook), id: self.id, guid, at: None, accepted })
    }
}
