//! Reads the APIs that a cluster serves, in two requests, and caches them.

use std::sync::Arc;
use std::time::Duration;

use kube::core::discovery::v2::ACCEPT_AGGREGATED_DISCOVERY_V2;
use serde::Deserialize;

use super::answer;
use super::connect::Cluster;
use super::discovery::{Cached, Discovery};
use super::error::ClusterError;
use super::exchange::Ask;
use crate::manifest::ObjectKey;

#[derive(Deserialize)]
struct ServerVersion {
    #[serde(rename = "gitVersion")]
    git_version: String,
}

/// What one version of a group serves, in the form of before aggregated discovery: only there it is said how a kind is
/// stored.
#[derive(Deserialize)]
struct Kinds {
    #[serde(default)]
    resources: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    name: String,
    #[serde(default, rename = "storageVersionHash")]
    storage_version_hash: String,
}

impl Cluster {
    /// What the cluster serves; asked for once and kept.
    pub async fn discovery(&self) -> Result<Arc<Discovery>, ClusterError> {
        if let Some(cached) = &*self.inner.discovery.read().await {
            return Ok(Arc::clone(&cached.discovery));
        }
        self.discover(None).await
    }

    /// What the server says of how it stores a kind: kinds of two groups of which it says the same are one kind. None
    /// where it does not say.
    pub async fn stored_as(&self, key: &ObjectKey) -> Result<Option<String>, ClusterError> {
        let resource = self.resource(key).await?;
        let answer = self.ask(&Ask::get(resource.root())).await?;
        if answer.status.is_client_error() {
            return Ok(None);
        }
        let list: Kinds = answer::json(self.name(), &answer, None)?;
        let found = list.resources.into_iter().find(|kind| kind.name == resource.plural);
        Ok(found.map(|kind| kind.storage_version_hash).filter(|hash| !hash.is_empty()))
    }

    /// The other groups under which the cluster has the very objects of a kind.
    pub async fn other_groups(&self, kind: &ObjectKey) -> Result<Vec<String>, ClusterError> {
        let own = match self.resource(kind).await {
            Err(ClusterError::UnknownKind { .. }) => return Ok(Vec::new()),
            own => own?,
        };
        let discovery = self.discovery().await?;
        let (mut stored, mut found) = (None, Vec::new());
        for other in discovery.called_the_same(&own) {
            if stored.is_none() {
                stored = self.stored_as(kind).await?;
            }
            let (group, version) = (other.group.clone(), other.version.clone());
            let other = ObjectKey { group: group.clone(), version, ..kind.clone() };
            // A group whose server does not answer is nobody's way to an object, and holds up no other one.
            let is_one = matches!(self.stored_as(&other).await, Ok(Some(other)) if stored.as_ref() == Some(&other));
            if is_one {
                found.push(group);
            }
        }
        Ok(found)
    }

    /// Asks again what the cluster serves: after a CRD was established, or when a kind is not known.
    pub async fn refresh_discovery(&self) -> Result<Arc<Discovery>, ClusterError> {
        let seen = self.inner.discovery.read().await.as_ref().map(|cached| cached.at);
        self.discover(seen).await
    }

    pub(super) async fn discovery_not_older_than(&self, age: Duration) -> Result<Arc<Discovery>, ClusterError> {
        match &*self.inner.discovery.read().await {
            Some(cached) if cached.at.elapsed() < age => return Ok(Arc::clone(&cached.discovery)),
            _ => {}
        }
        self.refresh_discovery().await
    }

    /// Reads discovery, unless another task has replaced what the caller had `seen` while this one waited.
    async fn discover(&self, seen: Option<tokio::time::Instant>) -> Result<Arc<Discovery>, ClusterError> {
        let Ok(_one) = tokio::time::timeout(self.inner.wait, self.inner.discovering.lock()).await else {
            return Err(self.busy("another request still reads the list of its APIs"));
        };
        if let Some(cached) = &*self.inner.discovery.read().await
            && Some(cached.at) != seen
        {
            return Ok(Arc::clone(&cached.discovery));
        }
        let discovery = Arc::new(self.read_discovery().await?);
        let cached = Cached { discovery: Arc::clone(&discovery), at: tokio::time::Instant::now() };
        *self.inner.discovery.write().await = Some(cached);
        Ok(discovery)
    }

    async fn read_discovery(&self) -> Result<Discovery, ClusterError> {
        let ask = |target: &str| Ask { accept: ACCEPT_AGGREGATED_DISCOVERY_V2, ..Ask::get(target.to_owned()) };
        let (core, groups, version) = (ask("/api"), ask("/apis"), Ask::get("/version".to_owned()));
        let (core, groups, version) = tokio::try_join!(self.ask(&core), self.ask(&groups), self.ask(&version))?;
        let lists = [answer::json(self.name(), &core, None)?, answer::json(self.name(), &groups, None)?];
        let version: ServerVersion = answer::json(self.name(), &version, None)?;
        let discovery = Discovery::from_groups(lists, version.git_version);
        // Every API server has this kind. One that answers in an older form seems to have none at all, and that would
        // be said of each object.
        if discovery.preferred("", "Namespace").is_none() {
            let message = format!(
                "it is {} and has no aggregated discovery; Driftless needs Kubernetes 1.30 or newer",
                discovery.server_version()
            );
            return Err(ClusterError::Unreadable { cluster: self.name().clone(), message });
        }
        Ok(discovery)
    }
}
