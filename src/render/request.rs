//! The request to a renderer, and its result.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::options::{LoadRestriction, Nondeterministic, RenderOptions};
use crate::manifest::{Manifest, ObjectKey};
use crate::redact::may_hold_secrets;
use crate::trace::Trace;

/// One path of one tree, and how it becomes manifests.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderRequest {
    /// From the root of the repository; `""` and `.` are the root.
    pub path: String,
    pub options: RenderOptions,
    /// The name of a chart's release: the app's.
    pub release: String,
    /// The namespace of a chart's release: the destination's.
    pub namespace: String,
    /// What a chart may know of its cluster. Without it charts can't be rendered.
    pub cluster: Option<Arc<ClusterFacts>>,
}

/// What `.Capabilities` tells a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterFacts {
    /// As the API server says it: `v1.36.3`.
    pub version: String,
    /// Group versions and their kinds: `apps/v1`, `apps/v1/Deployment`.
    pub api_versions: Vec<String>,
}

impl ClusterFacts {
    /// A hash in hex.
    pub fn key(&self) -> String {
        digest([serde_json::to_string(self).unwrap_or_default().as_str()])
    }
}

/// What a render made.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    pub manifests: Vec<Manifest>,
    pub trace: Trace,
    /// What the libraries had to say on the way: deprecated fields and the like.
    pub warnings: Vec<String>,
    /// Fields that another render makes otherwise, where the options keep the live value for them.
    pub nondeterministic: Vec<NondeterministicField>,
    /// [`ClusterFacts::key`] of what a chart was told of its cluster; None of anything else than a chart.
    pub cluster: Option<String>,
    /// Hash over the options, the trace and the renderer's version, and for charts over what they know of the cluster.
    pub identity: String,
}

/// One field, by its RFC 6901 pointer, of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NondeterministicField {
    pub object: ObjectKey,
    pub pointer: String,
}

/// The request as the worker reads it.
#[derive(Serialize)]
pub(super) struct WireRequest<'a> {
    kind: &'static str,
    path: &'a str,
    renderer: super::RendererKind,
    kustomize: WireKustomize,
    helm: WireHelm<'a>,
}

#[derive(Serialize)]
struct WireKustomize {
    unrestricted: bool,
}

#[derive(Serialize)]
struct WireHelm<'a> {
    release: &'a str,
    namespace: &'a str,
    values_files: &'a [String],
    values: &'a Value,
    empty_lookup: bool,
    keep_nondeterministic: bool,
    kube_version: &'a str,
    api_versions: &'a [String],
}

impl WireRequest<'_> {
    pub(super) fn may_hold_secrets(&self) -> bool {
        may_hold_secrets(self.helm.values.to_string().as_bytes())
    }
}

impl RenderRequest {
    pub(super) fn wire<'a>(&'a self, path: &'a str) -> WireRequest<'a> {
        let RenderOptions { renderer, kustomize, helm } = &self.options;
        let (kube_version, api_versions) =
            self.cluster.as_deref().map_or(("", [].as_slice()), |cluster| (&cluster.version, &cluster.api_versions));
        WireRequest {
            kind: "render",
            path,
            renderer: *renderer,
            kustomize: WireKustomize { unrestricted: kustomize.load_restriction == LoadRestriction::None },
            helm: WireHelm {
                release: &self.release,
                namespace: &self.namespace,
                values_files: &helm.values_files,
                values: &helm.values,
                empty_lookup: helm.allow_lookup,
                keep_nondeterministic: helm.nondeterministic == Nondeterministic::Keep,
                kube_version,
                api_versions,
            },
        }
    }

    /// Everything that a render depends on save the tree and the cluster, as a hash in hex.
    pub(super) fn key(&self, version: &str) -> String {
        let options = serde_json::to_string(&self.options).unwrap_or_default();
        digest([version, &self.path, &options, &self.release, &self.namespace])
    }

    /// What a chart's render depends on besides, as a hash in hex.
    pub(super) fn cluster_key(&self) -> String {
        self.cluster.as_deref().map_or_else(|| digest(["null"]), ClusterFacts::key)
    }
}

pub(super) fn digest<const N: usize>(parts: [&str; N]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
