//! The apps of a repo that have objects in a cluster, by where Git has its refs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::app::{App, Discovered};
use crate::class::Class;
use crate::config::Repo;
use crate::ids::{AppId, ClusterName, Oid, RepoName};
use crate::jobs::Context;
use crate::jobs::desired::definitions;
use crate::jobs::remembered::unclaimed::Seen;
use crate::queue::JobError;
use crate::store::inventory::AppHead;

/// An error that several wait for.
pub(in crate::jobs) fn again(error: &JobError) -> JobError {
    JobError::new(error.class, error.message())
}

/// The commit of each ref that apps follow, as it is known.
pub(in crate::jobs) type Heads = BTreeMap<(RepoName, String), Option<Oid>>;

/// Where a ref is: as Git said, if it was asked, else as it was told of.
async fn head_of(context: &Context, seen: &Seen, repo: &RepoName, ref_name: &str) -> Result<Option<Oid>, JobError> {
    match seen.get(&(repo.clone(), ref_name.to_owned())) {
        Some(head) => Ok(Some(head.clone())),
        None => Ok(context.store.ref_head(repo, ref_name).await?),
    }
}

/// The apps of a repo that have objects in a cluster, by the head of its definitions branch.
pub(in crate::jobs) struct Defined {
    pub repo: RepoName,
    cluster: ClusterName,
    commit: Option<Oid>,
    found: Arc<Discovered>,
    standing: Vec<AppHead>,
    /// Definitions that are not found there and were not removed on purpose: they count as they were.
    lost: Vec<App>,
}

impl Defined {
    pub async fn read(context: &Context, repo: &Repo, cluster: &ClusterName, seen: &Seen) -> Result<Self, JobError> {
        let commit = head_of(context, seen, &repo.name, &repo.definitions_ref).await?;
        let found = match &commit {
            Some(commit) => discovered(context, repo, commit).await?,
            None => Arc::new(Discovered::default()),
        };
        let standing = context.store.standing(&repo.name).await?;
        let mut lost = Vec::new();
        for known in standing.iter().filter(|known| !found.apps.contains_key(&known.app)) {
            let row = context.store.app(&known.app).await?;
            lost.extend(row.map(|row| row.app).filter(|app| app.destination.cluster == *cluster));
        }
        Ok(Self { repo: repo.name.clone(), cluster: cluster.clone(), commit, found, standing, lost })
    }

    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.found.apps.values().filter(|app| app.destination.cluster == self.cluster).chain(&self.lost)
    }

    pub async fn heads(&self, context: &Context, seen: &Seen) -> Result<Heads, JobError> {
        let refs: BTreeSet<(&RepoName, &String)> =
            self.apps().map(|app| (&app.source.repo, &app.source.ref_name)).collect();
        let mut heads = Heads::new();
        for (repo, ref_name) in refs {
            heads.insert((repo.clone(), ref_name.clone()), head_of(context, seen, repo, ref_name).await?);
        }
        Ok(heads)
    }

    /// Names everything that the answer follows from. That an app is synced meanwhile takes nothing from it that is
    /// true.
    pub fn key(&self, heads: &Heads) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        let text = |commit: &Option<Oid>| commit.as_ref().map_or_else(String::new, ToString::to_string);
        add(self.repo.as_str());
        add(self.cluster.as_str());
        add(&text(&self.commit));
        for ((repo, ref_name), head) in heads {
            [repo.as_str(), ref_name, &text(head)].into_iter().for_each(&mut add);
        }
        for app in &self.lost {
            add(&app.id.to_string());
        }
        for known in self.standing.iter().filter(|known| known.pinned.is_some()) {
            add(&known.app.to_string());
            add(&text(&known.pinned));
        }
        hex::encode(hash.finalize())
    }

    pub fn pinned(&self, app: &AppId) -> Option<&Oid> {
        self.standing.iter().find(|known| known.app == *app)?.pinned.as_ref()
    }
}

async fn discovered(context: &Context, repo: &Repo, commit: &Oid) -> Result<Arc<Discovered>, JobError> {
    let look = async {
        let tree = context.mirrors.tree(&repo.name, commit).await?;
        definitions::discover(context, repo, tree).await.map(Arc::new)
    };
    let key = (repo.name.clone(), commit.clone());
    context.wants.definitions.try_get_with(key, look).await.map_err(|error: Arc<JobError>| again(&error))
}

/// For a fault that is not the user's, in the words of a report.
pub(in crate::jobs) fn passing(error: &JobError) -> Result<String, JobError> {
    if error.class == Class::Cancelled { Err(again(error)) } else { Ok(error.message()) }
}
