//! Renders that were made before: a hit is one whose trace answers the same at the new tree.

use std::sync::Arc;

use moka::future::Cache as Moka;

use super::error::RenderError;
use super::request::Rendered;
use crate::tree::Tree;

/// Renders of one question that are kept: the newest revisions of a few branches.
const PER_KEY: usize = 8;

pub(super) struct Cache(Moka<String, Arc<Vec<Kept>>>);

struct Kept {
    /// What a chart was told of its cluster.
    cluster: Option<String>,
    rendered: Arc<Rendered>,
    bytes: usize,
}

impl Cache {
    /// Keeps up to `bytes` of manifests, by their size as JSON.
    pub(super) fn new(bytes: u64) -> Self {
        let weigh = |key: &String, all: &Arc<Vec<Kept>>| {
            let bytes: usize = all.iter().map(|kept| kept.bytes).sum();
            u32::try_from(key.len() + bytes).unwrap_or(u32::MAX)
        };
        Self(Moka::builder().max_capacity(bytes).weigher(weigh).build())
    }

    pub(super) async fn find(&self, key: &str, cluster: &str, tree: Arc<dyn Tree>) -> Result<Option<Arc<Rendered>>, RenderError> {
        let Some(all) = self.0.get(key).await else {
            return Ok(None);
        };
        let cluster = cluster.to_owned();
        let looked = tokio::task::spawn_blocking(move || {
            for kept in all.iter() {
                let same_cluster = kept.cluster.as_ref().is_none_or(|known| *known == cluster);
                if same_cluster && kept.rendered.trace.differs(tree.as_ref())?.is_none() {
                    return Ok(Some(Arc::clone(&kept.rendered)));
                }
            }
            Ok(None)
        });
        looked.await.map_err(|error| RenderError::Start(error.to_string()))?
    }

    pub(super) async fn keep(&self, key: String, cluster: Option<String>, rendered: Arc<Rendered>) {
        let bytes = size(&rendered);
        let newest = Kept { cluster, rendered, bytes };
        let known = self.0.remove(&key).await;
        let mut all = vec![newest];
        for kept in known.iter().flat_map(|known| known.iter()).take(PER_KEY - 1) {
            all.push(Kept { cluster: kept.cluster.clone(), rendered: Arc::clone(&kept.rendered), bytes: kept.bytes });
        }
        self.0.insert(key, Arc::new(all)).await;
    }
}

/// What a render weighs: its objects as JSON, twice for the pointers between them, and its trace.
fn size(rendered: &Rendered) -> usize {
    let objects: usize = rendered.manifests.iter().map(|manifest| manifest.object.to_string().len()).sum();
    let trace: usize = rendered.trace.iter().map(|(path, _)| path.len() + 100).sum();
    2 * objects + trace
}
