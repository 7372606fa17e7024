//! How all apps stand, read from the store: the same for the list of apps and for the metrics.

use std::collections::HashMap;

use crate::app_status::{self, AppStatus, Facts, Of, Retried};
use crate::ids::{ClusterName, Oid, RepoName};
use crate::queue::Key;
use crate::store::apps::AppRow;
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::store::jobs::JobRow;
use crate::store::{Store, StoreError};

pub(super) struct Standing {
    pub row: AppRow,
    pub status: AppStatus,
    /// It was removed a while ago, and nothing is left to do or to decide.
    pub is_over: bool,
    /// What it owns where it is.
    pub objects: usize,
}

pub(super) async fn all(store: &Store) -> Result<Vec<Standing>, StoreError> {
    let waits: HashMap<_, _> = store.waits().await?.into_iter().map(|wait| (wait.app, wait.deadline)).collect();
    let retried = retried(store).await?;
    let mut heads: HashMap<(RepoName, String), Option<Oid>> = HashMap::new();
    let mut all = Vec::new();
    for row in store.apps().await? {
        let objects = Objects::of(store, &row).await?;
        let last = store.runs(Some(&row.app.id.to_string()), 1).await?.into_iter().next();
        let source = (row.app.source.repo.clone(), row.app.source.ref_name.clone());
        let head = match heads.get(&source) {
            Some(head) => head.clone(),
            None => heads.entry(source.clone()).or_insert(store.last_seen(&source.0, &source.1).await?).clone(),
        };
        let (held, kept) = (objects.held(&row), objects.kept(&row));
        let facts = Facts {
            row: &row,
            head: head.as_ref(),
            last: last.as_ref(),
            waits_until: waits.get(&row.app.id).copied(),
            held: held.as_deref(),
            confirmed: objects.here.iter().filter(|row| row.state == ObjectState::Pruning).count(),
            kept: kept.as_deref(),
            retried: keys_of(&row).iter().find_map(|key| retried.get(&key.to_string())),
        };
        let (status, is_over) = (app_status::app_status(facts), app_status::is_over(facts, store.now()));
        all.push(Standing { status, is_over, objects: objects.here.len(), row });
    }
    Ok(all)
}

/// The work that fails and is tried again, by its key.
async fn retried(store: &Store) -> Result<HashMap<String, Retried>, StoreError> {
    let failing = store.failing_jobs().await?.into_iter();
    let retried = |job: JobRow| {
        let of = if job.key.starts_with("sync:") { Of::Sync } else { Of::Ref };
        Some((job.key, Retried { of, since: job.failing_since?, error: job.error? }))
    };
    Ok(failing.filter_map(retried).collect())
}

/// The keys of the work that an app's state depends on, its own first.
fn keys_of(row: &AppRow) -> [Key; 3] {
    let source = &row.app.source;
    let push = |repo: &RepoName, ref_name: &str| Key::Push { repo: repo.clone(), ref_name: ref_name.to_owned() };
    [
        Key::Sync(row.app.id.clone()),
        push(&source.repo, &source.ref_name),
        push(&row.app.id.repo, &row.app.origin.definitions_ref),
    ]
}

/// What an app owns: where it is, and on clusters that it has left.
struct Objects {
    here: Vec<ObjectRow>,
    left: Vec<(ClusterName, Vec<ObjectRow>)>,
}

impl Objects {
    async fn of(store: &Store, row: &AppRow) -> Result<Self, StoreError> {
        let (id, here) = (&row.app.id, &row.app.destination.cluster);
        let mut left = Vec::new();
        for cluster in store.left_clusters(id).await? {
            let rows = store.inventory_of(&cluster, id).await?;
            left.push((cluster, rows));
        }
        Ok(Self { here: store.inventory_of(here, id).await?, left })
    }

    /// What needs confirmation, and what to type: known from the objects, whatever the last run was about.
    fn held(&self, row: &AppRow) -> Option<String> {
        let of_left =
            self.left.iter().map(|(cluster, rows)| (rows, format!(" on cluster {cluster}, which it has left")));
        let parts: Vec<String> = std::iter::once((&self.here, String::new()))
            .chain(of_left)
            .filter_map(|(rows, place)| held_of(rows, &place))
            .collect();
        (!parts.is_empty())
            .then(|| format!("{}; to confirm: driftless sync {} --allow-destructive", parts.join("; "), row.app.id))
    }

    /// What stays on clusters that the app has left, because nobody may delete it there.
    fn kept(&self, row: &AppRow) -> Option<String> {
        let is_kept = |row: &&ObjectRow| !row.state.waits_for_word() && row.state != ObjectState::Pruning;
        let counts = self.left.iter().map(|(cluster, rows)| (cluster, rows.iter().filter(is_kept).count()));
        let stay = counts.filter(|(_, count)| *count > 0);
        let mut texts: Vec<String> =
            stay.map(|(cluster, count)| format!("{count} stay on cluster {cluster}, which it has left")).collect();
        // Another app wants them, or nobody knows: its run says which.
        match self.here.iter().filter(|row| row.state == ObjectState::Moving).count() {
            0 => {}
            1 => texts.push("1 object is no longer in Git and not deleted".to_owned()),
            count => texts.push(format!("{count} objects are no longer in Git and not deleted")),
        }
        (!texts.is_empty()).then(|| format!("{}; see `driftless runs {}`", texts.join("; "), row.app.id))
    }
}

fn held_of(objects: &[ObjectRow], place: &str) -> Option<String> {
    let held: Vec<String> =
        objects.iter().filter(|row| row.state.waits_for_word()).map(|row| row.key.to_string()).collect();
    let shown = held.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    match held.len() {
        0 => None,
        count @ 1..=3 => Some(format!("{count} to be deleted or replaced{place} ({shown})")),
        count => Some(format!("{count} to be deleted or replaced{place} ({shown} and {} more)", count - 3)),
    }
}
