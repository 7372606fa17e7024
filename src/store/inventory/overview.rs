//! A summary of the objects of all apps: counts of the applied ones, and the rows of all others.

use std::collections::{BTreeMap, HashMap};

use sqlx::FromRow;
use sqlx::sqlite::SqliteRow;

use super::{KEYS, ObjectRow, ObjectState, Raw};
use crate::ids::{AppId, ClusterName};
use crate::store::{Store, StoreError, decoded};

/// What an app owns in one cluster.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Overview {
    pub all: usize,
    /// How many of them are in the cluster, as far as is known: what was only claimed is not.
    pub in_cluster: usize,
    /// Those of which something is to be done or decided, in a stable order.
    pub undecided: Vec<ObjectRow>,
}

/// By app, and by cluster.
pub type Overviews = HashMap<AppId, HashMap<ClusterName, Overview>>;

#[derive(FromRow)]
struct Count {
    app: String,
    cluster: String,
    objects: i64,
    there: i64,
}

/// A row with its cluster.
#[derive(FromRow)]
pub(super) struct Undecided {
    pub cluster: String,
    #[sqlx(flatten)]
    pub raw: Raw,
}

/// Of each app the apps that have taken objects over from it, and how many they have now.
pub type TakenOver = HashMap<AppId, Vec<(AppId, usize)>>;

/// Each of them with its cluster, or why it cannot be read.
fn placed(found: &[SqliteRow]) -> Vec<Result<(ClusterName, ObjectRow), StoreError>> {
    let placed = |row: Undecided| Ok((ClusterName::new(&row.cluster), ObjectRow::try_from(row.raw)?));
    decoded::<Undecided>(found, "objects", KEYS).into_iter().map(|row| placed(row?)).collect()
}

impl Store {
    /// Who has now what was another app's.
    pub async fn taken_over(&self) -> Result<TakenOver, StoreError> {
        let counts: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT former_app, app, COUNT(*) FROM objects WHERE former_app IS NOT NULL GROUP BY former_app, app",
        )
        .fetch_all(self.read())
        .await?;
        let id = |text: &str| text.parse::<AppId>().map_err(|error| StoreError::corrupt("an owner", error));
        // Every app that had them, the first one first.
        let named = |(former, app, count): (String, String, i64)| -> Result<_, StoreError> {
            let former = former.split(' ').map(id).collect::<Result<Vec<_>, _>>()?;
            Ok((former, id(&app)?, usize::try_from(count).unwrap_or_default()))
        };
        let mut sums: HashMap<AppId, BTreeMap<AppId, usize>> = HashMap::new();
        for (former, app, count) in self.readable(counts.into_iter().map(named)) {
            for former in former.into_iter().filter(|former| *former != app) {
                *sums.entry(former).or_default().entry(app.clone()).or_default() += count;
            }
        }
        let sorted = |taken: BTreeMap<AppId, usize>| {
            let mut taken: Vec<_> = taken.into_iter().collect();
            taken.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            taken
        };
        Ok(sums.into_iter().map(|(former, taken)| (former, sorted(taken))).collect())
    }

    /// In two statements, however many apps there are: it is asked for with each scrape of the metrics.
    pub async fn overviews(&self) -> Result<Overviews, StoreError> {
        let mut overviews = Overviews::new();
        let counts: Vec<Count> = sqlx::query_as(
            "SELECT app, cluster, COUNT(*) AS objects, \
             SUM(CASE WHEN state = 'claimed' AND uid IS NULL THEN 0 ELSE 1 END) AS there \
             FROM objects GROUP BY app, cluster",
        )
        .fetch_all(self.read())
        .await?;
        let named = |count: Count| -> Result<_, StoreError> {
            let app = count.app.parse::<AppId>().map_err(|error| StoreError::corrupt("an owner", error))?;
            let number = |count: i64| usize::try_from(count).unwrap_or_default();
            Ok((app, ClusterName::new(&count.cluster), number(count.objects), number(count.there)))
        };
        for (app, cluster, all, in_cluster) in self.readable(counts.into_iter().map(named)) {
            let overview = Overview { all, in_cluster, undecided: Vec::new() };
            overviews.entry(app).or_default().insert(cluster, overview);
        }
        let undecided = sqlx::query(
            "SELECT cluster, api_group, kind, namespace, name, version, app, state, uid, manifest_hash, fingerprint, \
             settled, resource_version, applied_revision, job_done, held_of FROM objects \
             WHERE state NOT IN ('claimed', 'applied') ORDER BY cluster, api_group, kind, namespace, name",
        )
        .fetch_all(self.read())
        .await?;
        for (cluster, row) in self.readable(placed(&undecided)) {
            let of_app = overviews.entry(row.app.clone()).or_default();
            of_app.entry(cluster).or_default().undecided.push(row);
        }
        Ok(overviews)
    }

    /// What of an app is to go and has not, by its cluster: what needs confirmation, and what was left for other apps.
    pub async fn put_off(&self, app: &AppId) -> Result<Vec<(ClusterName, ObjectRow)>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM objects WHERE app = $1 AND state IN ($2, $3, $4) \
             ORDER BY cluster, api_group, kind, namespace, name",
        );
        let query =
            query.bind(app.to_string()).bind(ObjectState::Held).bind(ObjectState::Outdated).bind(ObjectState::Moving);
        Ok(self.readable(placed(&query.fetch_all(self.read()).await?)))
    }
}
