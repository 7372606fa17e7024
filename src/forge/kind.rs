//! The kinds of forges. Only this file distinguishes them, outside of their folders.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driftless_webhooks::Forge as Webhooks;

use super::Forge;
use super::flavour::Flavour;
use super::github::{GITHUB, GitHub, GitHubConfig, GitHubCredentials};
use super::gitlab::{GITLAB, GitLab, GitLabConfig};
use super::rest::SetupError;
use crate::clock::Clock;
use crate::config::{Config, Credentials, ForgeKind, Hook};
use crate::ids::RepoName;

/// For one request, its redirects and its body together.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The client for a hook's forge. None without credentials: nothing can be read from it or reported to it.
pub fn build(hook: &Hook, ca: Option<PathBuf>, clock: Arc<dyn Clock>) -> Result<Option<Arc<dyn Forge>>, SetupError> {
    let Some(credentials) = hook.credentials.clone() else { return Ok(None) };
    let api_url = hook.api.as_str().trim_end_matches('/').to_owned();
    let forge: Arc<dyn Forge> = match hook.forge {
        ForgeKind::GitHub => {
            let credentials = match credentials {
                Credentials::Token(token) => GitHubCredentials::Token(token),
                Credentials::App { id, private_key } => GitHubCredentials::App { id, private_key_pem: private_key },
            };
            Arc::new(GitHub::new(GitHubConfig { api_url, credentials, ca, timeout: TIMEOUT }, clock)?)
        }
        ForgeKind::GitLab => {
            let Credentials::Token(token) = credentials else { return Err(SetupError::NoApp) };
            Arc::new(GitLab::new(&GitLabConfig { api_url, token, ca, timeout: TIMEOUT }, clock)?)
        }
    };
    Ok(Some(forge))
}

/// What differs between the forges of repos. One that is no longer in the configuration has the words of GitHub.
pub fn flavour(config: &Config, repo: &RepoName) -> &'static Flavour {
    let hook = config.repo(repo).and_then(|repo| config.hook(&repo.hook));
    match hook.map(|hook| hook.forge) {
        Some(ForgeKind::GitHub) | None => &GITHUB,
        Some(ForgeKind::GitLab) => &GITLAB,
    }
}

/// How the forge's webhooks are verified and read.
pub fn webhooks(kind: ForgeKind) -> Webhooks {
    match kind {
        ForgeKind::GitHub => Webhooks::GitHub,
        ForgeKind::GitLab => Webhooks::GitLab,
    }
}
