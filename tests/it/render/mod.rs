//! The renderer: real workers in their real box.

mod basics;
mod charts;
mod errors;
mod fair;
mod limits;
mod sandbox;

use std::path::PathBuf;
use std::sync::Arc;

use driftless::render::{
    Asker, ClusterFacts, Purpose, RenderError, RenderOptions, RenderRequest, Rendered, Renderer, RendererConfig,
    RendererKind,
};
use driftless::tree::Tree;
use driftless::tree::memory::MemoryTree;
use tokio_util::sync::CancellationToken;

/// The worker, which `make test` builds from `renderer/`.
pub fn worker() -> PathBuf {
    crate::support::tool::program("renderer")
}

pub fn config() -> RendererConfig {
    RendererConfig::new(env!("CARGO_BIN_EXE_driftless"), worker())
}

pub fn renderer() -> Renderer {
    Renderer::new(config()).expect("the worker is there")
}

pub fn request(path: &str, renderer: RendererKind) -> RenderRequest {
    let cluster = ClusterFacts {
        version: "v1.36.3".to_owned(),
        api_versions: ["v1", "apps/v1", "batch/v1"].map(str::to_owned).to_vec(),
    };
    RenderRequest {
        path: path.to_owned(),
        options: RenderOptions { renderer, ..RenderOptions::default() },
        release: "shop".to_owned(),
        namespace: "shop".to_owned(),
        cluster: Some(Arc::new(cluster)),
    }
}

pub fn asker(tenant: &str) -> Asker<'_> {
    Asker { tenant, purpose: Purpose::Sync }
}

pub async fn render(renderer: &Renderer, tree: MemoryTree, path: &str) -> Result<Rendered, RenderError> {
    let tree: Arc<dyn Tree> = Arc::new(tree);
    renderer.render(request(path, RendererKind::Auto), tree, CancellationToken::new()).await
}

/// `Deployment shop/web < apps/web.yaml`, one line per object.
pub fn listed(rendered: &Rendered) -> Vec<String> {
    let line = |manifest: &driftless::manifest::Manifest| {
        format!("{} < {}", manifest.key, manifest.origin.as_deref().unwrap_or("?"))
    };
    rendered.manifests.iter().map(line).collect()
}

pub fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  a: b\n")
}

/// The message of a render that failed by its input's fault.
pub fn failure(result: Result<Rendered, RenderError>) -> String {
    match result {
        Ok(rendered) => format!("RENDERED {}", listed(&rendered).join(", ")),
        Err(RenderError::Failed { failure, .. }) => failure.to_string(),
        Err(other) => format!("NOT THE INPUT'S FAULT {other}"),
    }
}

/// A chart in `c/`, with more lines for its Chart.yaml.
pub fn chart(more: &str) -> MemoryTree {
    MemoryTree::new().file("c/Chart.yaml", format!("apiVersion: v2\nname: demo\nversion: 1.0.0\n{more}"))
}
