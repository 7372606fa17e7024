//! The states of all apps, read from the store: the same for the list of apps and for the metrics.

use std::collections::HashMap;

use crate::app_status::{self, AppStatus, Facts, Of, Removal, Retried};
use crate::ids::{AppId, ClusterName, Oid, RepoName};
use crate::manifest::ObjectKey;
use crate::queue::Key;
use crate::store::apps::AppRow;
use crate::store::inventory::{ObjectRow, ObjectState, Overview};
use crate::store::jobs::{JobRow, State as JobState};
use crate::store::runs::RunRow;
use crate::store::{Store, StoreError};

pub(super) struct Standing {
    pub row: AppRow,
    pub status: AppStatus,
    /// It was removed a while ago, and nothing is left to do or to decide.
    pub is_over: bool,
    pub health: Option<&'static str>,
    /// What it has in the cluster where it is.
    pub objects: usize,
}

pub(super) async fn all(store: &Store) -> Result<Vec<Standing>, StoreError> {
    let waits: HashMap<_, _> = store.waits().await?.into_iter().map(|wait| (wait.app, wait.deadline)).collect();
    let retried = retried(store).await?;
    let mut overviews = store.overviews().await?;
    let runs: HashMap<String, RunRow> =
        store.last_runs().await?.into_iter().map(|run| (run.target.clone(), run)).collect();
    let taken_over = store.taken_over().await?;
    let mut missing: HashMap<AppId, Vec<ObjectKey>> = HashMap::new();
    for replaced in store.all_replaced().await? {
        missing.entry(replaced.app).or_default().push(replaced.key);
    }
    let mut heads: HashMap<(RepoName, String), Option<Oid>> = HashMap::new();
    let mut all = Vec::new();
    for row in store.apps().await? {
        let objects = Objects::of(overviews.remove(&row.app.id).unwrap_or_default(), &row);
        let last = runs.get(&row.app.id.to_string());
        let source = (row.app.source.repo.clone(), row.app.source.ref_name.clone());
        let head = match heads.get(&source) {
            Some(head) => head.clone(),
            None => heads.entry(source.clone()).or_insert(store.last_seen(&source.0, &source.1).await?).clone(),
        };
        let (held, kept) = (objects.held(&row), objects.kept(&row));
        let removal = objects.removal(&row, taken_over.get(&row.app.id));
        let facts = Facts {
            row: &row,
            head: head.as_ref(),
            last,
            waits_until: waits.get(&row.app.id).copied(),
            held: held.as_deref(),
            confirmed: objects.here.undecided.iter().filter(|row| row.state == ObjectState::Pruning).count(),
            kept: kept.as_deref(),
            objects: objects.here.in_cluster,
            removal: &removal,
            missing: missing.get(&row.app.id).map_or(&[], Vec::as_slice),
            retried: keys_of(&row).iter().find_map(|key| retried.get(&key.to_string())),
        };
        let (status, is_over) = (app_status::app_status(facts), app_status::is_over(facts, store.now()));
        let health = app_status::health(facts);
        all.push(Standing { status, is_over, health, objects: objects.here.in_cluster, row });
    }
    Ok(all)
}

/// What is left of an app whose definition was removed.
pub(super) async fn removal(store: &Store, row: &AppRow) -> Result<Removal, StoreError> {
    let mut overviews = store.overviews().await?;
    let objects = Objects::of(overviews.remove(&row.app.id).unwrap_or_default(), row);
    Ok(objects.removal(row, store.taken_over().await?.get(&row.app.id)))
}

/// The work that fails and is tried again, by its key.
async fn retried(store: &Store) -> Result<HashMap<String, Retried>, StoreError> {
    let failing = store.failing_jobs().await?.into_iter();
    let retried = |job: JobRow| {
        let of = match job.key.split_once(':')?.0 {
            "sync" => Of::Sync,
            "poll" => Of::Poll,
            "resync" => Of::Cluster,
            _ => Of::Ref,
        };
        let is_over = job.state == JobState::Failed;
        Some((job.key, Retried { of, since: job.failing_since?, error: job.error?, is_over }))
    };
    Ok(failing.filter_map(retried).collect())
}

/// The keys of the work that an app's state depends on, its own first.
fn keys_of(row: &AppRow) -> [Key; 5] {
    let source = &row.app.source;
    let push = |repo: &RepoName, ref_name: &str| Key::Push { repo: repo.clone(), ref_name: ref_name.to_owned() };
    [
        Key::Sync(row.app.id.clone()),
        push(&source.repo, &source.ref_name),
        push(&row.app.id.repo, &row.app.origin.definitions_ref),
        Key::Resync(row.app.destination.cluster.clone()),
        Key::Poll(source.repo.clone()),
    ]
}

/// What an app owns: where it is, and on clusters that it has left.
struct Objects {
    here: Overview,
    left: Vec<(ClusterName, Overview)>,
}

impl Objects {
    fn of(mut overviews: HashMap<ClusterName, Overview>, row: &AppRow) -> Self {
        let here = overviews.remove(&row.app.destination.cluster).unwrap_or_default();
        let mut left: Vec<_> = overviews.into_iter().collect();
        left.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self { here, left }
    }

    /// What is left of the app, should its definition be removed.
    fn removal(&self, row: &AppRow, taken_over: Option<&Vec<(AppId, usize)>>) -> Removal {
        let here = (&row.app.destination.cluster, &self.here);
        let all = || std::iter::once(here).chain(self.left.iter().map(|(cluster, owned)| (cluster, owned)));
        let held = |owned: &Overview| owned.undecided.iter().filter(|row| row.state.pending_confirmation()).count();
        let held = all().map(|(cluster, owned)| (cluster.clone(), held(owned))).filter(|(_, number)| *number > 0);
        Removal {
            objects: all().map(|(_, owned)| owned.in_cluster).sum(),
            held: held.collect(),
            moving: self.here.undecided.iter().filter(|row| row.state == ObjectState::Moving).count(),
            taken_over: taken_over.cloned().unwrap_or_default(),
        }
    }

    /// What needs confirmation, and what to type: known from the objects, whatever the last run was about.
    fn held(&self, row: &AppRow) -> Option<String> {
        let of_left =
            self.left.iter().map(|(cluster, owned)| (owned, format!(" on cluster {cluster}, which the app has left")));
        let parts: Vec<String> = std::iter::once((&self.here, String::new()))
            .chain(of_left)
            .filter_map(|(owned, place)| held_of(&owned.undecided, &place))
            .collect();
        (!parts.is_empty())
            .then(|| format!("{}; to confirm: driftless sync {} --allow-destructive", parts.join("; "), row.app.id))
    }

    /// What stays on clusters that the app has left, because nobody may delete it there.
    fn kept(&self, row: &AppRow) -> Option<String> {
        let goes = |row: &&ObjectRow| row.state.pending_confirmation() || row.state == ObjectState::Pruning;
        let kept = |owned: &Overview| owned.all.saturating_sub(owned.undecided.iter().filter(goes).count());
        let counts = self.left.iter().map(|(cluster, owned)| (cluster, kept(owned)));
        let stay = counts.filter(|(_, count)| *count > 0);
        let mut texts: Vec<String> =
            stay.map(|(cluster, count)| format!("{count} stay on cluster {cluster}, which the app has left")).collect();
        // Another app wants them, or nobody knows: its run says which.
        match self.here.undecided.iter().filter(|row| row.state == ObjectState::Moving).count() {
            0 => {}
            1 => texts.push("1 object is no longer in Git and not deleted".to_owned()),
            count => texts.push(format!("{count} objects are no longer in Git and not deleted")),
        }
        (!texts.is_empty()).then(|| format!("{}; see `driftless runs {}`", texts.join("; "), row.app.id))
    }
}

fn held_of(objects: &[ObjectRow], place: &str) -> Option<String> {
    let held: Vec<String> =
        objects.iter().filter(|row| row.state.pending_confirmation()).map(|row| row.key.to_string()).collect();
    let shown = held.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    match held.len() {
        0 => None,
        count @ 1..=3 => Some(format!("{count} to be deleted or replaced{place} ({shown})")),
        count => Some(format!("{count} to be deleted or replaced{place} ({shown} and {} more)", count - 3)),
    }
}
