//! The only place that checks what a repo may do: at each read whose result is shown and at each write, not only when a
//! definition is read. A removed entry of `allow` takes effect at the next step.

use super::{Allow, App, Refusal};
use crate::ids::{ClusterName, RepoName};
use crate::manifest::ObjectId;

/// What is about to be done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Of which something is shown, or goes into a manifest.
    Read,
    Write,
    Delete,
}

/// Asked before each step that touches an object of a cluster.
pub trait Authority: Sync {
    fn ask(&self, verb: Verb, object: &ObjectId) -> Result<(), Refusal>;
}

/// What a repo may do, by the configuration as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Grants<'a> {
    pub repo: &'a RepoName,
    pub allow: &'a Allow,
    /// Other repos that its apps may read.
    pub may_read: &'a [RepoName],
}

/// The same for the objects of one cluster.
#[derive(Debug, Clone, Copy)]
pub struct OnCluster<'a> {
    grants: Grants<'a>,
    cluster: &'a ClusterName,
}

impl<'a> Grants<'a> {
    /// Whether apps of this repo may be made from another one.
    pub fn source(&self, source: &RepoName) -> Result<(), Refusal> {
        if source == self.repo || self.may_read.contains(source) {
            return Ok(());
        }
        let what = format!("reading repo {source}");
        Err(Refusal { repo: self.repo.to_string(), what, rule: "mayRead".to_owned(), name: source.to_string() })
    }

    pub fn cluster(&self, cluster: &ClusterName) -> Result<(), Refusal> {
        self.allow.cluster(self.repo, cluster)
    }

    /// What holds for all that is done for an app: where it comes from and where it goes.
    pub fn app(&self, app: &App) -> Result<(), Refusal> {
        self.source(&app.source.repo)?;
        self.cluster(&app.destination.cluster)?;
        self.allow.destination(self.repo, &app.destination.namespace)
    }

    pub fn object(&self, verb: Verb, cluster: &ClusterName, object: &ObjectId) -> Result<(), Refusal> {
        self.cluster(cluster)?;
        self.allow.object(self.repo, object).map_err(|refusal| match verb {
            Verb::Write => refusal,
            Verb::Read => Refusal { what: format!("reading {}", refusal.what), ..refusal },
            Verb::Delete => Refusal { what: format!("deleting {}", refusal.what), ..refusal },
        })
    }

    pub fn on(self, cluster: &'a ClusterName) -> OnCluster<'a> {
        OnCluster { grants: self, cluster }
    }
}

impl Authority for OnCluster<'_> {
    fn ask(&self, verb: Verb, object: &ObjectId) -> Result<(), Refusal> {
        self.grants.object(verb, self.cluster, object)
    }
}

#[cfg(test)]
#[path = "grants_tests.rs"]
mod tests;
