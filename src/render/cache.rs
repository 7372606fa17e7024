//! The cache of renders: a hit is a render whose trace has the same results at the new tree.
//!
//! Manifests are kept as compressed JSON: as values they take five times the memory of their text, and hits are rare
//! compared to pushes.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use moka::future::Cache as Moka;
use serde_json::Value;

use super::error::RenderError;
use super::request::{NondeterministicField, Rendered};
use crate::manifest::Manifest;
use crate::trace::Trace;
use crate::tree::Tree;

/// Renders of one question that are kept: the newest revisions of a branch and a pull request or two.
const PER_KEY: usize = 4;

/// What an entry of a trace weighs beside its path: an object id, and its place in a tree.
const ENTRY: usize = 250;

pub(super) struct Cache(Moka<String, Arc<Vec<Arc<Kept>>>>);

struct Kept {
    /// What a chart was told of its cluster.
    cluster: Option<String>,
    trace: Trace,
    warnings: Vec<String>,
    nondeterministic: Vec<NondeterministicField>,
    identity: String,
    /// A list of [`Manifest`] as JSON, compressed.
    manifests: Box<[u8]>,
    /// The same as values, as long as somebody has it.
    in_use: Mutex<Weak<Rendered>>,
}

impl Cache {
    /// Keeps up to about `bytes` of compressed manifests and their traces.
    pub(super) fn new(bytes: u64) -> Self {
        let weigh = |key: &String, all: &Arc<Vec<Arc<Kept>>>| {
            let bytes: usize = all.iter().map(|kept| kept.weight()).sum();
            u32::try_from(key.len() + bytes).unwrap_or(u32::MAX)
        };
        Self(Moka::builder().max_capacity(bytes).weigher(weigh).build())
    }

    pub(super) async fn find(
        &self,
        key: &str,
        cluster: &str,
        tree: Arc<dyn Tree>,
    ) -> Result<Option<Arc<Rendered>>, RenderError> {
        let Some(all) = self.0.get(key).await else {
            return Ok(None);
        };
        let cluster = cluster.to_owned();
        let looked = tokio::task::spawn_blocking(move || {
            for kept in all.iter() {
                let same_cluster = kept.cluster.as_ref().is_none_or(|known| *known == cluster);
                if same_cluster && kept.trace.differs(tree.as_ref())?.is_none() {
                    return Ok(kept.rendered());
                }
            }
            Ok(None)
        });
        looked.await.map_err(|error| RenderError::Start(error.to_string()))?
    }

    pub(super) async fn keep(&self, key: String, rendered: Arc<Rendered>) {
        let packed = tokio::task::spawn_blocking(move || Kept::pack(&rendered)).await;
        let Ok(Some(newest)) = packed else { return };
        let mut all = vec![Arc::new(newest)];
        if let Some(known) = self.0.get(&key).await {
            all.extend(known.iter().take(PER_KEY - 1).cloned());
        }
        self.0.insert(key, Arc::new(all)).await;
    }
}

impl Kept {
    /// None for what does not read back as it was, as some numbers with a fraction: it is rendered again.
    fn pack(rendered: &Arc<Rendered>) -> Option<Self> {
        if !rendered.manifests.iter().all(|manifest| reads_back(&manifest.object)) {
            return None;
        }
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        serde_json::to_writer(&mut encoder, &rendered.manifests).ok()?;
        let manifests = encoder.finish().ok()?.into_boxed_slice();
        Some(Self {
            cluster: rendered.cluster.clone(),
            trace: rendered.trace.clone(),
            warnings: rendered.warnings.clone(),
            nondeterministic: rendered.nondeterministic.clone(),
            identity: rendered.identity.clone(),
            manifests,
            in_use: Mutex::new(Arc::downgrade(rendered)),
        })
    }

    fn rendered(&self) -> Option<Arc<Rendered>> {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rendered) = in_use.upgrade() {
            return Some(rendered);
        }
        let rendered = Arc::new(self.unpack()?);
        *in_use = Arc::downgrade(&rendered);
        Some(rendered)
    }

    fn unpack(&self) -> Option<Rendered> {
        let mut text = Vec::new();
        ZlibDecoder::new(&*self.manifests).read_to_end(&mut text).ok()?;
        let manifests: Vec<Manifest> = serde_json::from_slice(&text).ok()?;
        Some(Rendered {
            manifests,
            trace: self.trace.clone(),
            warnings: self.warnings.clone(),
            nondeterministic: self.nondeterministic.clone(),
            cluster: self.cluster.clone(),
            identity: self.identity.clone(),
        })
    }

    fn weight(&self) -> usize {
        let trace: usize = self.trace.iter().map(|(path, _)| path.len() + ENTRY).sum();
        self.manifests.len() + trace
    }
}

/// Whether a value is the same after it was written and read: everything is, except some numbers with a fraction.
fn reads_back(value: &Value) -> bool {
    match value {
        Value::Number(number) if number.is_f64() => {
            serde_json::from_str::<Value>(&number.to_string()).is_ok_and(|read| read == *value)
        }
        Value::Array(items) => items.iter().all(reads_back),
        Value::Object(fields) => fields.values().all(reads_back),
        _ => true,
    }
}
