//! The configured hooks: their secrets, and the repos that they serve.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use driftless_webhooks::{Forge, Secret};
use secrecy::ExposeSecret;

use crate::config::Config;
use crate::forge;
use crate::ids::{HookName, RepoName};
use crate::secret::LiveSecret;

/// One configured source of deliveries.
#[derive(Debug)]
pub struct Hook {
    pub forge: Forge,
    /// Any of them may have signed, so that they can be changed one after the other.
    secrets: Vec<LiveSecret>,
    /// What they were when they were last looked at.
    known: Mutex<Known>,
    repos: HashMap<String, RepoName>,
}

#[derive(Debug, Default)]
struct Known {
    versions: Vec<u64>,
    secrets: Arc<[Secret]>,
}

impl Hook {
    /// `repos`: the forge's name of each project (`owner/name`), and ours of the repo.
    pub fn new(forge: Forge, secrets: Vec<LiveSecret>, repos: impl IntoIterator<Item = (String, RepoName)>) -> Self {
        let repos = repos.into_iter().map(|(project, repo)| (project.to_lowercase(), repo)).collect();
        Self { forge, secrets, known: Mutex::default(), repos }
    }

    /// What a delivery may be signed with now. A secret that was taken back counts no longer, and one that verifies
    /// nothing never did.
    pub fn secrets(&self) -> Arc<[Secret]> {
        let now: Vec<_> = self.secrets.iter().map(LiveSecret::versioned).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.secrets.is_empty() || !known.versions.iter().eq(now.iter().map(|(_, version)| version)) {
            known.versions = now.iter().map(|(_, version)| *version).collect();
            known.secrets = now.iter().filter_map(|(text, _)| usable(text.expose_secret())).collect();
        }
        Arc::clone(&known.secrets)
    }

    /// The repo of a project, however the forge writes its name today.
    pub fn repo(&self, project: &str) -> Option<&RepoName> {
        self.repos.get(&project.to_lowercase())
    }
}

fn usable(text: &str) -> Option<Secret> {
    let secret = Secret::new(text.as_bytes()).ok()?;
    secret.check().inspect_err(|error| tracing::warn!(%error, "a secret of a hook is no longer valid")).ok()?;
    Some(secret)
}

/// All hooks, by the last segment of their path.
#[derive(Debug, Default)]
pub struct Hooks(HashMap<HookName, Hook>);

impl Hooks {
    pub fn new(hooks: impl IntoIterator<Item = (HookName, Hook)>) -> Self {
        Self(hooks.into_iter().collect())
    }

    pub fn from_config(config: &Config) -> Self {
        Self::new(config.hooks.iter().map(|hook| {
            let forge = forge::webhooks(hook.forge);
            let repos = config.repos.iter().filter(|repo| repo.hook == hook.name);
            let repos = repos.map(|repo| (repo.project.clone(), repo.name.clone()));
            (hook.name.clone(), Hook::new(forge, hook.secrets.clone(), repos))
        }))
    }

    pub fn get(&self, name: &str) -> Option<(&HookName, &Hook)> {
        self.0.get_key_value(&HookName::new(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_was_replaced_in_its_file_counts_from_then_on() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("secret");
        std::fs::write(&file, "before")?;
        let secrets = vec![LiveSecret::fixed("stays"), LiveSecret::in_file(&file).expect("read")];
        let hook = Hook::new(Forge::GitHub, secrets, []);
        let signs = |secret: &str| {
            let secret = Secret::new(secret).expect("not empty").github_signature(b"body");
            hook.secrets().iter().any(|known| known.github_signature(b"body") == secret)
        };
        assert!(signs("before") && signs("stays") && !signs("after"));
        std::fs::write(&file, "after")?;
        assert!(signs("after") && signs("stays") && !signs("before"));
        std::fs::write(&file, "whsec_!")?;
        assert!(signs("stays") && !signs("after") && !signs("whsec_!"), "it is no signing key");
        Ok(())
    }
}
