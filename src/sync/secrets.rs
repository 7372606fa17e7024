//! The live Secrets of an app. Messages of a server, a webhook or a controller about its objects may repeat a Secret's
//! value, which is removed from them.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;

use super::error::SyncError;
use crate::class::{Class, Classified};
use crate::cluster::{ApplyError, Cluster, ClusterError};
use crate::ids::{AppId, ClusterName};
use crate::lifecycle::beside;
use crate::manifest::{Manifest, ObjectId, ObjectKey};
use crate::plan::{Change, Redactor};
use crate::reconcile::ReconcileError;
use crate::redact::{Shown, is_secret_kind};
use crate::store::Store;
use crate::store::inventory::ObjectRow;

/// How long reading them may hold up what is to be told.
const WITHIN: Duration = Duration::from_secs(20);

/// An error of work in a cluster, as it may be shown. Only [`Secrets`] makes one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ShownError {
    class: Class,
    text: Shown,
}

impl Classified for ShownError {
    fn class(&self) -> Class {
        self.class
    }
}

/// What else is known of an app's Secrets: what a plan has seen, what Git wants, what was read before it was deleted.
#[derive(Default, Clone, Copy)]
pub struct SeenSecrets<'a> {
    pub changes: &'a [Change],
    /// Of one revision, or of two.
    pub manifests: [&'a [Manifest]; 2],
    pub objects: &'a [(ObjectKey, Value)],
}

impl SeenSecrets<'_> {
    /// The values of all of it.
    pub fn redactor(&self) -> Redactor {
        let manifests = self.manifests.into_iter().flatten();
        beside(|| Redactor::beside(self.changes, manifests, self.objects))
    }

    fn live(&self) -> HashSet<ObjectId> {
        let of_plan = self.changes.iter().filter(|change| change.before.is_some()).map(|change| change.key.id());
        of_plan.chain(self.objects.iter().map(|(key, _)| key.id())).collect()
    }
}

/// The values that must not be shown of an app, those of its live Secrets included.
pub struct Secrets {
    hides: Redactor,
    /// Why some could not be read: then nobody knows what a text repeats.
    unread: Option<String>,
}

impl Secrets {
    /// Reads those that were not seen. What has no Secret asks nobody.
    pub async fn read(
        store: &Store,
        place: (&ClusterName, Option<&Cluster>),
        app: &AppId,
        seen: SeenSecrets<'_>,
    ) -> Self {
        let read = tokio::time::timeout(WITHIN, live(store, place, app, seen)).await;
        let (mut objects, unread) = match read {
            Ok(Ok(objects)) => (objects, None),
            Ok(Err(why)) => (Vec::new(), Some(why)),
            Err(_) => (Vec::new(), Some(format!("no answer within {} s", WITHIN.as_secs()))),
        };
        objects.extend_from_slice(seen.objects);
        Self { hides: SeenSecrets { objects: &objects, ..seen }.redactor(), unread }
    }

    /// A text with what a server, a webhook or a controller says.
    pub fn show(&self, text: &str) -> Shown {
        match &self.unread {
            None => beside(|| self.hides.text(text)),
            Some(why) => self.hides.text(&format!(
                "the message is not shown, because it may repeat a value of the app's Secrets, which could not be read: \
                 {why}"
            )),
        }
    }
}

/// The error of a sync or a prune, as it may be shown. The Secrets are read only where the error repeats what a server
/// has said.
pub(super) async fn show_error(
    error: &SyncError,
    store: &Store,
    cluster: &Cluster,
    app: &AppId,
    seen: SeenSecrets<'_>,
) -> ShownError {
    let (class, text) = (error.class(), error.to_string());
    if !quotes_a_server(error) {
        let hides = seen.redactor();
        return ShownError { class, text: beside(|| hides.text(&text)) };
    }
    ShownError { class, text: Secrets::read(store, (cluster.name(), Some(cluster)), app, seen).await.show(&text) }
}

/// Whether an error repeats what a server, or somebody behind it, has said.
pub fn quotes_a_server(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<SyncError>() {
        return match error {
            SyncError::Rejected(_)
            | SyncError::Apply(_)
            | SyncError::NotReady { .. }
            | SyncError::NotGone { .. }
            | SyncError::NotAdopted { .. } => true,
            SyncError::Cluster(error) => of_cluster(error),
            SyncError::OtherOwner { .. }
            | SyncError::NamespaceGone { .. }
            | SyncError::NotAllowed(_)
            | SyncError::Claim(_)
            | SyncError::Store(_)
            | SyncError::Cancelled => false,
        };
    }
    if let Some(error) = error.downcast_ref::<ReconcileError>() {
        return match error {
            ReconcileError::Cluster(error) | ReconcileError::Object { source: ApplyError::Cluster(error), .. } => {
                of_cluster(error)
            }
            ReconcileError::Object { .. } => true,
            ReconcileError::Cancelled => false,
        };
    }
    error.downcast_ref::<ClusterError>().is_some_and(of_cluster)
}

fn of_cluster(error: &ClusterError) -> bool {
    match error {
        ClusterError::Failed { .. }
        | ClusterError::Unauthorized { .. }
        | ClusterError::Forbidden { .. }
        | ClusterError::Conflict { .. }
        | ClusterError::WebhookWithoutDryRun { .. }
        | ClusterError::Refused { .. }
        | ClusterError::Unreadable { .. } => true,
        ClusterError::Configuration { .. }
        | ClusterError::Unreachable { .. }
        | ClusterError::TooMany { .. }
        | ClusterError::Busy { .. }
        | ClusterError::UnknownKind { .. }
        | ClusterError::NoNamespace { .. }
        | ClusterError::BadName { .. } => false,
    }
}

async fn live(
    store: &Store,
    (name, cluster): (&ClusterName, Option<&Cluster>),
    app: &AppId,
    seen: SeenSecrets<'_>,
) -> Result<Vec<(ObjectKey, Value)>, String> {
    let known = seen.live();
    let rows = store.inventory_of(name, app).await.map_err(|error| error.to_string())?;
    let is_read = |row: &ObjectRow| is_secret_kind(&row.key.group, &row.key.kind) && !known.contains(&row.key.id());
    let rows: Vec<ObjectRow> = rows.into_iter().filter(is_read).collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let Some(cluster) = cluster else { return Err(format!("cluster {name} is not in the configuration")) };
    let reads = rows.into_iter().map(|row| async move {
        match cluster.get_in_any_version(&row.key).await {
            Ok(object) => Ok(object.map(|object| (row.key, object))),
            Err(ClusterError::UnknownKind { .. }) => Ok(None),
            // What is said of a Secret repeats none of its values.
            Err(error) => Err(format!("{}: {error}", row.key)),
        }
    });
    let mut reads = futures::stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(cluster.concurrency().max(1));
    let mut found = Vec::new();
    while let Some(read) = reads.next().await {
        found.extend(read?);
    }
    Ok(found)
}
