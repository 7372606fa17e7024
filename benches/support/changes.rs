//! Sees by a watch which objects have changed, so that waiting for them costs the API server no requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driftless::lifecycle::Tasks;
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use tokio::sync::Notify;

use super::Outcome;

const PATIENCE: Duration = Duration::from_mins(10);

/// The number of the last change of each object, by its name.
#[derive(Clone, Default)]
pub struct Changes(Arc<Inner>);

#[derive(Default)]
struct Inner {
    seen: Mutex<Seen>,
    more: Notify,
}

#[derive(Default)]
struct Seen {
    count: u64,
    last: HashMap<String, u64>,
}

impl Changes {
    pub fn watch(client: kube::Client, tasks: &Tasks) -> Self {
        let changes = Self::default();
        let (noting, stop) = (changes.clone(), tasks.soft().clone());
        let watch = async move {
            let events = watcher(kube::Api::<PartialObjectMeta<ConfigMap>>::all(client), watcher::Config::default());
            let mut events = std::pin::pin!(events.take_until(stop.cancelled_owned()));
            while let Some(event) = events.next().await {
                if let Ok(watcher::Event::Apply(object)) = event {
                    noting.note(object.metadata.name.unwrap_or_default());
                }
            }
        };
        tasks.spawn("watch", watch);
        changes
    }

    fn note(&self, name: String) {
        let mut seen = lock(&self.0.seen);
        seen.count += 1;
        let number = seen.count;
        seen.last.insert(name, number);
        self.0.more.notify_one();
    }

    /// What comes from now on counts.
    pub fn begin(&self) -> u64 {
        lock(&self.0.seen).count
    }

    /// Waits until so many objects whose names begin with `prefix` have changed since `begun`.
    pub async fn wait(&self, begun: u64, prefix: &str, objects: usize) -> Outcome<()> {
        let changed =
            || lock(&self.0.seen).last.iter().filter(|(name, at)| **at > begun && name.starts_with(prefix)).count();
        let enough = async {
            while changed() < objects {
                self.0.more.notified().await;
                // Not once per object where there are thousands.
                if objects > 100 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        let waited = tokio::time::timeout(PATIENCE, enough).await;
        waited.map_err(|_| format!("only {} of {objects} objects {prefix}* have changed", changed()).into())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
