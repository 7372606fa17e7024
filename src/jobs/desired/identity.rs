//! The source identity of an app: one hash over everything that its objects follow from.

use sha2::{Digest, Sha256};

use crate::app::App;
use crate::manifest::{Manifest, ObjectId};
use crate::render::Rendered;

/// What an app's objects follow from: what it renders from, and where to.
pub(in crate::jobs) fn identity(app: &App, rendered: &Rendered) -> String {
    identity_of(app, &rendered.identity)
}

/// The same by the source identity of a render.
pub(in crate::jobs) fn identity_of(app: &App, source: &str) -> String {
    let mut hash = Sha256::new();
    for part in [source, app.destination.cluster.as_str(), &app.destination.namespace] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

/// The names that an app's manifest may have in the cluster. Whether its kind is namespaced is not asked: no kind has
/// both.
pub(in crate::jobs) fn ids(app: &App, manifest: &Manifest) -> [ObjectId; 2] {
    let named = manifest.key.id();
    let namespace = named.namespace.clone().unwrap_or_else(|| app.destination.namespace.clone());
    [ObjectId { namespace: Some(namespace), ..named.clone() }, ObjectId { namespace: None, ..named }]
}
