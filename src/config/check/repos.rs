//! Checks the repositories and the clusters, and their references to each other.

use std::collections::BTreeSet;

use url::{Host, Url};

use super::checker::Checker;
use crate::app::Globs;
use crate::config::file::{self, Text};
use crate::config::types::{ClusterAccess, ClusterEntry, Repo};
use crate::config::{branch, form};
use crate::ids::{ClusterName, HookName, RepoName};

/// A mirror's directory bears the name of its repo.
const LONGEST_REPO_NAME: usize = 80;

impl Checker<'_> {
    pub(super) fn repo(&mut self, repo: file::Repo) -> Option<Repo> {
        let file::Repo { name, hook, project, url, definitions, allow, may_read } = repo;
        if name.value.is_empty()
            || name.value.contains(['/', '+', '#', ':'])
            || name.value.chars().any(char::is_whitespace)
        {
            self.problem(&name, "a repo's name is part of job keys: it must not contain a space, `/`, `+`, `#` or `:`");
        }
        if name.value.len() > LONGEST_REPO_NAME {
            self.problem(
                &name,
                format!("a repo's name has {} bytes; the limit is {LONGEST_REPO_NAME}", name.value.len()),
            );
        }
        let segments: Vec<&str> = project.value.split('/').collect();
        if segments.len() < 2
            || segments.iter().any(|segment| segment.trim().is_empty() || segment.contains(char::is_whitespace))
        {
            self.problem(
                &project,
                "project: use the forge's full name, such as OWNER/NAME: deliveries are matched by it",
            );
        }
        if let Some(why) = branch::fault(&definitions.branch.value) {
            self.problem(
                &definitions.branch,
                format!("definitions.branch: {:?} {why}. Use a branch's name", definitions.branch.value),
            );
        }
        if definitions.globs.is_empty() {
            self.problem(
                &definitions.branch,
                "definitions.globs is empty, so no app would be found. List at least one",
            );
        }
        let mut globs = Vec::new();
        for glob in &definitions.globs {
            globs.extend(self.noted(glob, "definitions.globs", Globs::check(&glob.value)).map(|_| glob.value.as_str()));
        }
        let globs = Globs::new(globs).ok();
        let url = self.clone_url(&url);
        let branch = definitions.branch.value;
        Some(Repo {
            name: RepoName::new(name.value),
            hook: HookName::new(hook.value),
            project: project.value,
            url: url?,
            definitions_ref: if branch.starts_with("refs/") { branch } else { format!("refs/heads/{branch}") },
            definitions: globs?,
            allow,
            may_read: may_read.into_iter().map(|other| RepoName::new(other.value)).collect(),
        })
    }

    /// Said at the start rather than by the first fetch: a credential goes along with it.
    fn clone_url(&mut self, text: &Text) -> Option<Url> {
        let url = self.url(text, "url")?;
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        if url.scheme() == "http" && !is_here {
            self.problem(text, "url: http:// is accepted only for this machine; use https://");
            return None;
        }
        Some(url)
    }

    pub(super) fn references(&mut self, hooks: &[file::Hook], repos: &[file::Repo]) {
        let mut projects = BTreeSet::new();
        for repo in repos {
            if !hooks.iter().any(|hook| hook.name.value == repo.hook.value) && !self.names.contains(&repo.hook.value) {
                self.problem(&repo.hook, format!("no hook is called {:?}; list it under hooks", repo.hook.value));
            }
            if !projects.insert((forge_of(hooks, &repo.hook.value), repo.project.value.to_lowercase())) {
                self.problem(
                    &repo.project,
                    format!("{:?} is listed twice for one forge; one repo can have many apps", repo.project.value),
                );
            }
            for other in &repo.may_read {
                if other.value == repo.name.value {
                    self.problem(other, format!("mayRead: repo {:?} may always read itself. Remove it", other.value));
                }
                if !repos.iter().any(|candidate| candidate.name.value == other.value)
                    && !self.names.contains(&other.value)
                {
                    self.problem(other, format!("no repo is called {:?}; list it under repos", other.value));
                }
            }
        }
    }

    pub(super) fn cluster(&mut self, cluster: file::Cluster) -> Option<ClusterEntry> {
        let file::Cluster { name, kubeconfig, context, in_cluster, concurrency } = cluster;
        let concurrency = self.within(concurrency.as_ref(), "concurrency", 16, form::AT_ONCE);
        let access = match (kubeconfig, in_cluster) {
            (Some(path), false) => ClusterAccess::Kubeconfig { path: self.path(path), context },
            (None, true) => ClusterAccess::InCluster,
            _ => {
                self.problem(&name, "set either `kubeconfig: PATH` or `inCluster: true`");
                return None;
            }
        };
        Some(ClusterEntry { name: ClusterName::new(name.value), access, concurrency: concurrency? })
    }
}

/// What names a hook's forge: two hooks of one forge report in the same place on a project.
fn forge_of(hooks: &[file::Hook], name: &str) -> String {
    let hook = hooks.iter().find(|hook| hook.name.value == name);
    hook.map_or_else(
        || format!("hook {name}"),
        |hook| {
            let usual = if hook.forge.value == "gitlab" { "https://gitlab.com" } else { "https://api.github.com" };
            let url = hook.url.as_ref().map_or(usual, |url| url.value.as_str());
            // One address in two spellings is one forge: the case of the host, the usual port, a dot or slash at the
            // end.
            let Ok(url) = Url::parse(url) else { return format!("{} {url}", hook.forge.value) };
            let host = url.host_str().unwrap_or_default().trim_end_matches('.');
            let (port, path) = (url.port_or_known_default().unwrap_or_default(), url.path().trim_end_matches('/'));
            // Both are taken for a GitLab.
            let path = if hook.forge.value == "gitlab" { path.trim_end_matches("/api/v4") } else { path };
            format!("{} {host}:{port}{}", hook.forge.value, path.to_lowercase())
        },
    )
}
