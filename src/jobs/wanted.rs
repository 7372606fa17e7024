//! What the other apps of a repo want, as Git has them now: an object that moves from one app to another is left for the other one and not
//! deleted, whichever of the two is synced first, and also if the other one waits, is paused, or fails.
//!
//! An app that is synced at its head has claimed all that it wants, so that only the others are rendered, and these once for each state of
//! Git: whoever asks next, for whichever app, finds the answer.

mod fresh;
mod make;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use sha2::{Digest, Sha256};

use super::{Engine, definitions};
use crate::app::{App, Discovered};
use crate::class::Class;
use crate::config::Repo;
use crate::ids::{AppId, ClusterName, Oid, RepoName};
use crate::manifest::{Manifest, ObjectId};
use crate::queue::JobError;
use crate::store::apps::{AppRow, AppState};
use crate::store::inventory::Standing;

/// Ids that are remembered, of all repos together; each app that is not synced brings two for each of its objects.
const MOST_IDS: u64 = 1_000_000;
/// Definitions branches whose apps are remembered.
const MOST_BRANCHES: u64 = 16;
/// A push that takes something from a thousand apps asks Git once and not a thousand times; a delete that waits for health asks again.
const ASKED_HOLDS: Duration = Duration::from_secs(5);
const MOST_ASKED: u64 = 256;

/// What was found out before, by the commits that it was found out of.
pub struct Wants {
    wanted: Cache<String, Arc<Wanted>>,
    /// What Git said a moment ago, by what was known before.
    asked: Cache<String, Arc<fresh::Asked>>,
    definitions: Cache<(RepoName, Oid), Arc<Discovered>>,
}

impl Default for Wants {
    fn default() -> Self {
        let weigh = |_: &String, wanted: &Arc<Wanted>| u32::try_from(wanted.by.len()).unwrap_or(u32::MAX).saturating_add(100);
        Self {
            wanted: Cache::builder().max_capacity(MOST_IDS).weigher(weigh).build(),
            asked: Cache::builder().max_capacity(MOST_ASKED).time_to_live(ASKED_HOLDS).build(),
            definitions: Cache::builder().max_capacity(MOST_BRANCHES).build(),
        }
    }
}

/// What the apps of one repo want in one cluster, of which it is not known that they have claimed it.
#[derive(Default)]
pub(super) struct Wanted {
    by: HashMap<ObjectId, BTreeSet<AppId>>,
    /// Apps of which it can't be known what they want, and why.
    unknown: Vec<(AppId, String)>,
    /// Somebody's fault that passes: it is found out anew the next time.
    passes: bool,
}

/// Why an object that an app no longer wants is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftFor {
    pub app: AppId,
    /// None where it is known that the app wants it.
    pub unknown: Option<String>,
}

impl std::fmt::Display for LeftFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.unknown {
            None => write!(f, "kept for app {}, which renders it", self.app),
            Some(why) => write!(f, "kept, because it is unknown whether app {} renders it: {why}", self.app),
        }
    }
}

impl Wanted {
    /// For whom an object has to be left, if for anybody.
    pub fn left_for(&self, id: &ObjectId, counts: impl Fn(&AppId) -> bool) -> Option<LeftFor> {
        let known = self.by.get(id).into_iter().flatten().find(|app| counts(app));
        let known = known.map(|app| LeftFor { app: app.clone(), unknown: None });
        let unknown = || self.unknown.iter().find(|(app, _)| counts(app));
        known.or_else(|| unknown().map(|(app, why)| LeftFor { app: app.clone(), unknown: Some(why.clone()) }))
    }
}

/// Which of these objects, that an app has and no longer wants, other apps of its repo want.
pub(super) async fn by_others(
    engine: &Engine,
    row: &AppRow,
    cluster: &ClusterName,
    ids: &[ObjectId],
) -> Result<BTreeMap<ObjectId, LeftFor>, JobError> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let wanted = of_repo(engine, &row.app.id.repo, cluster).await?;
    // An app that is not pinned may want at its head what it did not want at the revision that is being ended here.
    let counts = |app: &AppId| *app != row.app.id || (row.state == AppState::Active && row.pinned_revision.is_none());
    Ok(ids.iter().filter_map(|id| Some((id.clone(), wanted.left_for(id, counts)?))).collect())
}

/// The names that an app's manifest may have in the cluster. Whether its kind is namespaced is not asked: no kind has both.
pub(super) fn ids(app: &App, manifest: &Manifest) -> [ObjectId; 2] {
    let named = manifest.key.id();
    let namespace = named.namespace.clone().unwrap_or_else(|| app.destination.namespace.clone());
    [ObjectId { namespace: Some(namespace), ..named.clone() }, ObjectId { namespace: None, ..named }]
}

/// What the apps of a repo want in a cluster, as far as they are not known to have it.
pub(super) async fn of_repo(engine: &Engine, repo: &RepoName, cluster: &ClusterName) -> Result<Arc<Wanted>, JobError> {
    let repo = engine.repo(repo)?;
    let told = Defined::read(engine, repo, cluster, &Seen::new()).await?;
    let told_heads = told.heads(engine, &Seen::new()).await?;
    // What was pushed to another ref may not have been told of: Git is asked, and what it says counts here before anybody acts on it.
    let asked = fresh::ask(engine, repo, told.key(&told_heads), &told_heads).await?;
    let fresh::Asked { seen, unseen } = asked.as_ref();
    let (defined, heads) = if seen.is_empty() {
        (told, told_heads)
    } else {
        let defined = Defined::read(engine, repo, cluster, seen).await?;
        let heads = defined.heads(engine, seen).await?;
        (defined, heads)
    };
    let key = defined.key(&heads);
    let looked = async { make::make(engine, &defined, &heads, unseen).await.map(Arc::new) };
    let made = engine.wants.wanted.try_get_with(key.clone(), looked).await;
    let wanted = made.map_err(|error: Arc<JobError>| again(&error))?;
    if wanted.passes {
        engine.wants.wanted.invalidate(&key).await;
    }
    Ok(wanted)
}

/// An error that several wait for.
fn again(error: &JobError) -> JobError {
    JobError::new(error.class, error.message())
}

/// The commit of each ref that apps follow, as it is known.
type Heads = BTreeMap<(RepoName, String), Option<Oid>>;

/// Where Git says that refs are. One that is gone is not among them: what an app wanted of it last still counts.
type Seen = BTreeMap<(RepoName, String), Oid>;

/// Where a ref is: as Git said, if it was asked, else as it was told of.
async fn head_of(engine: &Engine, seen: &Seen, repo: &RepoName, ref_name: &str) -> Result<Option<Oid>, JobError> {
    match seen.get(&(repo.clone(), ref_name.to_owned())) {
        Some(head) => Ok(Some(head.clone())),
        None => Ok(engine.store.ref_head(repo, ref_name).await?),
    }
}

/// The apps of a repo that have objects in a cluster, by the head of its definitions branch.
struct Defined {
    repo: RepoName,
    cluster: ClusterName,
    commit: Option<Oid>,
    found: Arc<Discovered>,
    standing: Vec<Standing>,
    /// Definitions that are not found there and were not removed on purpose: they count as they were.
    lost: Vec<App>,
}

impl Defined {
    async fn read(engine: &Engine, repo: &Repo, cluster: &ClusterName, seen: &Seen) -> Result<Self, JobError> {
        let commit = head_of(engine, seen, &repo.name, &repo.definitions_ref).await?;
        let found = match &commit {
            Some(commit) => discovered(engine, repo, commit).await?,
            None => Arc::new(Discovered::default()),
        };
        let standing = engine.store.standing(&repo.name).await?;
        let mut lost = Vec::new();
        for known in standing.iter().filter(|known| !found.apps.contains_key(&known.app)) {
            let row = engine.store.app(&known.app).await?;
            lost.extend(row.map(|row| row.app).filter(|app| app.destination.cluster == *cluster));
        }
        Ok(Self { repo: repo.name.clone(), cluster: cluster.clone(), commit, found, standing, lost })
    }

    fn apps(&self) -> impl Iterator<Item = &App> {
        self.found.apps.values().filter(|app| app.destination.cluster == self.cluster).chain(&self.lost)
    }

    async fn heads(&self, engine: &Engine, seen: &Seen) -> Result<Heads, JobError> {
        let refs: BTreeSet<(&RepoName, &String)> = self.apps().map(|app| (&app.source.repo, &app.source.ref_name)).collect();
        let mut heads = Heads::new();
        for (repo, ref_name) in refs {
            heads.insert((repo.clone(), ref_name.clone()), head_of(engine, seen, repo, ref_name).await?);
        }
        Ok(heads)
    }

    /// Names everything that the answer follows from. That an app is synced meanwhile takes nothing from it that is true.
    fn key(&self, heads: &Heads) -> String {
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

    fn pinned(&self, app: &AppId) -> Option<&Oid> {
        self.standing.iter().find(|known| known.app == *app)?.pinned.as_ref()
    }
}

async fn discovered(engine: &Engine, repo: &Repo, commit: &Oid) -> Result<Arc<Discovered>, JobError> {
    let look = async {
        let tree = engine.mirrors.tree(&repo.name, commit).await?;
        definitions::discover(engine, repo, tree).await.map(Arc::new)
    };
    let key = (repo.name.clone(), commit.clone());
    engine.wants.definitions.try_get_with(key, look).await.map_err(|error: Arc<JobError>| again(&error))
}

/// For a fault that is not the user's, in the words of a report.
fn passing(error: &JobError) -> Result<String, JobError> {
    if error.class == Class::Cancelled { Err(again(error)) } else { Ok(error.message()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str) -> AppId {
        AppId::new(&RepoName::new("shop"), name)
    }

    fn id(name: &str) -> ObjectId {
        ObjectId { group: String::new(), kind: "ConfigMap".into(), namespace: Some("shop".into()), name: name.into() }
    }

    #[test]
    fn what_is_known_comes_before_what_may_be() {
        let wanted = Wanted {
            by: HashMap::from([(id("a"), BTreeSet::from([app("web"), app("api")]))]),
            unknown: vec![(app("cart"), "no such file".into())],
            passes: false,
        };
        let not = |name: &'static str| move |other: &AppId| *other != app(name);
        let text = |left: Option<LeftFor>| left.map(|left| left.to_string()).unwrap_or_default();
        assert_eq!(text(wanted.left_for(&id("a"), not("api"))), "kept for app shop/web, which renders it");
        assert_eq!(
            text(wanted.left_for(&id("b"), not("api"))),
            "kept, because it is unknown whether app shop/cart renders it: no such file"
        );
        assert_eq!(wanted.left_for(&id("b"), not("cart")), None, "an app's own error keeps nothing of its own");
    }
}
