//! Which hooks there are: what each one's forge signs with, and which repos it serves.

use std::collections::HashMap;

use driftless_webhooks::{Forge, Secret};

use crate::config::{Config, ForgeKind};
use crate::ids::{HookName, RepoName};

/// One configured source of deliveries.
#[derive(Debug)]
pub struct Hook {
    pub forge: Forge,
    /// Any of them may have signed, so that they can be changed one after the other.
    pub secrets: Vec<Secret>,
    repos: HashMap<String, RepoName>,
}

impl Hook {
    /// `repos`: the forge's name of each project (`owner/name`), and ours of the repo.
    pub fn new(forge: Forge, secrets: Vec<Secret>, repos: impl IntoIterator<Item = (String, RepoName)>) -> Self {
        let repos = repos.into_iter().map(|(project, repo)| (project.to_lowercase(), repo)).collect();
        Self { forge, secrets, repos }
    }

    /// The repo of a project, however the forge writes its name today.
    pub fn repo(&self, project: &str) -> Option<&RepoName> {
        self.repos.get(&project.to_lowercase())
    }
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
            let forge = match hook.forge {
                ForgeKind::GitHub => Forge::GitHub,
                ForgeKind::GitLab => Forge::GitLab,
            };
            let repos = config.repos.iter().filter(|repo| repo.hook == hook.name);
            let repos = repos.map(|repo| (repo.project.clone(), repo.name.clone()));
            (hook.name.clone(), Hook::new(forge, hook.secrets.clone(), repos))
        }))
    }

    pub fn get(&self, name: &str) -> Option<(&HookName, &Hook)> {
        self.0.get_key_value(&HookName::new(name))
    }
}
