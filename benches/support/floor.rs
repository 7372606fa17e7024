//! The floor, the lowest cost of the same work: the fetch of the push, and the objects applied by bare requests with
//! the same concurrency.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use driftless::ids::RepoName;
use driftless::source::{Credential, Mirrors, MirrorsConfig, Remote};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Outcome;
use super::repos::{OBJECTS, Repo, bare_object};
use super::world::{NAMESPACES, TOKEN, World};

/// The same number of concurrent requests as the server sends to a cluster.
const AT_ONCE: usize = 16;

pub struct Floor {
    mirrors: Mirrors,
    remotes: Vec<Remote>,
    api: kube::Api<ConfigMap>,
    round: AtomicU64,
}

impl Floor {
    pub fn new(world: &World, small: &Repo, large: &Repo) -> Outcome<Self> {
        let mut config = MirrorsConfig::new(world.dir.path().join("floor"));
        config.tls_ca = Some(world.dir.path().join("ca.pem"));
        let remote = |repo: &Repo| Remote {
            repo: RepoName::new(repo.name),
            url: world.forge.clone_url(&repo.project()),
            credential: Some(Credential { username: "x-access-token".to_owned(), password: TOKEN.to_owned().into() }),
        };
        Ok(Self {
            mirrors: Mirrors::new(config, &world.tasks)?,
            remotes: vec![remote(small), remote(large)],
            api: kube::Api::namespaced(world.client.clone(), NAMESPACES[1]),
            round: AtomicU64::new(0),
        })
    }

    /// Fetches what was pushed and applies as many objects as these apps have, each changed.
    pub async fn fetch_and_apply(&self, repo: &Repo, apps: usize) -> Outcome<Duration> {
        let round = self.round.fetch_add(1, Ordering::Relaxed);
        let remote = self.remotes.iter().find(|remote| remote.repo.as_str() == repo.name).ok_or("an unknown repo")?;
        let started = Instant::now();
        self.mirrors.fetch(remote, &["refs/heads/main".to_owned()], &CancellationToken::new()).await?;
        let applies = (0..apps * OBJECTS).map(|number| self.apply(number, round));
        futures::stream::iter(applies).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        Ok(started.elapsed())
    }

    async fn apply(&self, number: usize, round: u64) -> Outcome<()> {
        let name = format!("floor-{number}");
        let object = bare_object(&name, round);
        self.api.patch(&name, &PatchParams::apply("floor").force(), &Patch::Apply(&object)).await?;
        Ok(())
    }
}
