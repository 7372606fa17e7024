//! The parts that jobs work with, and how a name of the configuration becomes one of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::remembered::Remembered;
use super::remembered::definitions::Definitions;
use super::remembered::looked::Looked;
use super::remembered::looked_through::LookedThrough;
use super::remembered::unclaimed::UnclaimedCache;
use super::remembered::unrecorded::UnrecordedCache;
use crate::app::{App, Grants, Refusal};
use crate::class::{Class, Classified};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::config::{Config, Repo};
use crate::forge::{self, Flavour, Forge};
use crate::ids::{AppId, ClusterName, HookName, Oid, RepoName};
use crate::lifecycle::Tasks;
use crate::plan::Marks;
use crate::queue::{JobError, Queue};
use crate::render::{ClusterFacts, Renderer};
use crate::report::Outbox;
use crate::source::{Credential, Mirrors, Remote};
use crate::store::Store;
use crate::store::apps::AppRow;
use crate::store::subject::Subject;
use crate::sync::drift::Drifted;
use crate::sync::health::Waits;

/// Everything that a job may use. Made once, in `serve`.
pub struct Context {
    pub config: Arc<Config>,
    pub clock: Arc<dyn Clock>,
    pub tasks: Tasks,
    pub store: Store,
    pub queue: Queue,
    pub mirrors: Mirrors,
    pub renderer: Renderer,
    pub clusters: BTreeMap<ClusterName, Cluster>,
    pub forges: BTreeMap<HookName, Arc<dyn Forge>>,
    pub outbox: Outbox,
    pub waits: Waits,
    /// What the last look at a cluster found changed. Only a hint: the next look finds it again.
    pub drifted: Remembered<Vec<Drifted>>,
    /// The revision that the sync of an app works on, or has failed at.
    pub attempted: Remembered<Oid>,
    /// What apps want that are not synced at their heads. Bounded by itself.
    pub wants: UnclaimedCache,
    /// What bears the marks of an app and is in no inventory. Only a hint as well.
    pub unrecorded: UnrecordedCache,
    pub definitions: Definitions,
    pub looked: Looked,
    /// Which clusters' apps are known to be rendered by this renderer, for what the cluster is. Only a hint.
    pub looked_through: LookedThrough,
}

/// What is not done, because the configuration does not have it or does not grant it.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    #[error(transparent)]
    Unknown(#[from] Unknown),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Classified for Denied {
    fn class(&self) -> Class {
        Class::Fail
    }
}

/// A job that was queued under another configuration.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    #[error("repo {0} is no longer in the configuration")]
    Repo(RepoName),
    #[error("cluster {0} is not in the configuration. List it under clusters, or change the app's destination")]
    Cluster(ClusterName),
    #[error("app {0} no longer exists")]
    App(AppId),
}

impl Classified for Unknown {
    fn class(&self) -> Class {
        Class::Fail
    }
}

impl Context {
    pub(super) fn repo(&self, name: &RepoName) -> Result<&Repo, Unknown> {
        self.config.repo(name).ok_or_else(|| Unknown::Repo(name.clone()))
    }

    pub(super) async fn subject(&self, id: &AppId) -> Result<Subject, JobError> {
        Ok(self.store.subject(id).await?.ok_or_else(|| Unknown::App(id.clone()))?)
    }

    pub(super) async fn app_row(&self, id: &AppId) -> Result<AppRow, JobError> {
        Ok(self.store.app(id).await?.ok_or_else(|| Unknown::App(id.clone()))?)
    }

    /// What the apps of a repo may do now.
    pub(super) fn grants(&self, repo: &RepoName) -> Result<Grants<'_>, Unknown> {
        Ok(self.repo(repo)?.grants())
    }

    /// Whether an app may be made from where it comes, and go where it goes. Asked at each step, as both may be
    /// revoked.
    pub(super) fn permitted(&self, app: &App) -> Result<(), Denied> {
        self.cluster_for(&app.id, &app.destination.cluster)?;
        Ok(self.grants(&app.id.repo)?.app(app)?)
    }

    /// A cluster, to do something there for an app: only if its repo may.
    pub(super) fn cluster_for(&self, app: &AppId, name: &ClusterName) -> Result<&Cluster, Denied> {
        let cluster = self.cluster(name)?;
        self.grants(&app.repo)?.cluster(name)?;
        Ok(cluster)
    }

    /// A cluster, to look at it as a whole and for nobody: [`Self::cluster_for`] is for all that an app wants.
    pub(super) fn cluster(&self, name: &ClusterName) -> Result<&Cluster, Unknown> {
        self.clusters.get(name).ok_or_else(|| Unknown::Cluster(name.clone()))
    }

    /// None for a hook without credentials: nothing can be read from its API or reported to it.
    pub(super) fn forge(&self, repo: &Repo) -> Option<&Arc<dyn Forge>> {
        self.forges.get(&repo.hook)
    }

    /// What differs between the forges of repos, with credentials or without.
    pub(super) fn flavour(&self, repo: &RepoName) -> &'static Flavour {
        forge::flavour(&self.config, repo)
    }

    /// Where to fetch from, with a credential that is valid now.
    pub(super) async fn remote(&self, repo: &Repo) -> Result<Remote, JobError> {
        let credential = match self.forge(repo) {
            Some(forge) => forge.git_credential(&repo.project).await?,
            None => None,
        };
        let credential = credential.map(|given| Credential { username: given.username, password: given.password });
        Ok(Remote { repo: repo.name.clone(), url: repo.url.to_string(), credential })
    }

    pub(super) fn marks(&self, app: &AppId) -> Marks {
        Marks::new(&self.config.instance, app)
    }

    /// What a chart may know of the cluster that it is for.
    pub(super) async fn facts(&self, cluster: &Cluster) -> Result<Arc<ClusterFacts>, JobError> {
        let discovery = cluster.discovery().await?;
        Ok(Arc::new(ClusterFacts {
            version: discovery.server_version().to_owned(),
            api_versions: discovery.api_versions().to_vec(),
        }))
    }
}

/// Looks at Git objects away from the threads that serve everybody.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JobError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| JobError::new(Class::RETRY, error))
}

/// The same for what may take long: it can ask whether anybody still waits for it, and nobody does once the job is
/// cancelled.
pub(super) async fn stoppable<T: Send + 'static>(
    work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
) -> Result<T, JobError> {
    let stop = CancellationToken::new();
    let _dropped_with_the_job = stop.clone().drop_guard();
    blocking(move || work(&|| stop.is_cancelled())).await
}
