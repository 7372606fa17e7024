//! Watches: the changes of whole objects of a kind, for waits for health.

use futures::{Stream, StreamExt};
use kube::Api;
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;

use super::connect::Cluster;
use super::discovery::Resource;
use super::error::{ClusterError, chain};

/// What a watch tells. It begins with `Began`, an `Applied` for each object that is there, and `Synced`; the same again
/// after a gap.
#[derive(Clone)]
pub enum WatchEvent {
    /// The list begins, from the start or anew.
    Began,
    Applied(Value),
    Deleted(Value),
    /// The list is complete: what was not in it since `Began` is not there.
    Synced,
}

impl std::fmt::Debug for WatchEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name =
            |object: &Value| object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        match self {
            Self::Began => f.write_str("Began"),
            Self::Synced => f.write_str("Synced"),
            Self::Applied(object) => write!(f, "Applied({})", name(object)),
            Self::Deleted(object) => write!(f, "Deleted({})", name(object)),
        }
    }
}

impl Cluster {
    /// Watches a kind, in one namespace or in all of them. The stream has no end; after an error it goes on by itself,
    /// with growing pauses.
    pub fn watch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        label_selector: Option<&str>,
    ) -> impl Stream<Item = Result<WatchEvent, ClusterError>> + Send + use<> {
        let kind = ApiResource {
            group: resource.group.clone(),
            version: resource.version.clone(),
            api_version: resource.api_version(),
            kind: resource.kind.clone(),
            plural: resource.plural.clone(),
        };
        let client = self.inner.watches.clone();
        let api: Api<DynamicObject> = match namespace.filter(|_| resource.namespaced) {
            Some(namespace) => Api::namespaced_with(client, namespace, &kind),
            None => Api::all_with(client, &kind),
        };
        let config =
            watcher::Config { label_selector: label_selector.map(str::to_owned), ..watcher::Config::default() };
        let cluster = self.name().clone();
        watcher(api, config).default_backoff().map(move |event| match event {
            Ok(event) => read(event).map_err(|message| ClusterError::Unreadable { cluster: cluster.clone(), message }),
            Err(error) if is_forbidden(&error) => {
                Err(ClusterError::Forbidden { cluster: cluster.clone(), message: chain(&error) })
            }
            // What the server says is told as such.
            Err(error) if let Some(status) = status_of(&error) => {
                Err(ClusterError::Failed { cluster: cluster.clone(), status, message: chain(&error), after: None })
            }
            Err(error) => Err(ClusterError::Unreachable { cluster: cluster.clone(), message: chain(&error) }),
        })
    }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    status_of(error) == Some(403)
}

fn status_of(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => match error {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        },
        watcher::Error::WatchError(status) => Some(status.code),
        watcher::Error::NoResourceVersion => None,
    }
}

fn read(event: watcher::Event<DynamicObject>) -> Result<WatchEvent, String> {
    let value = |object: DynamicObject| serde_json::to_value(object).map_err(|error| error.to_string());
    Ok(match event {
        watcher::Event::Init => WatchEvent::Began,
        watcher::Event::InitApply(object) | watcher::Event::Apply(object) => WatchEvent::Applied(value(object)?),
        watcher::Event::Delete(object) => WatchEvent::Deleted(value(object)?),
        watcher::Event::InitDone => WatchEvent::Synced,
    })
}
