//! Driftless's own identity, as `deploy/base` makes it: what it may do is what the file grants, no more.

use std::path::{Path, PathBuf};

use driftless::dev::Access;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::json;
use tokio::sync::OnceCell;

use super::cluster;

/// Namespace and name of the service account, and of most else in the base.
pub const NAME: &str = "driftless";

static IDENTITY: OnceCell<Access> = OnceCell::const_new();

/// The files of `deploy/base`, in the order of its kustomization.
pub fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/base");
    let text = std::fs::read_to_string(folder.join("kustomization.yaml")).expect("a kustomization");
    let kustomization: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
    let resources = kustomization["resources"].as_array().expect("a list of resources");
    resources.iter().map(|name| folder.join(name.as_str().expect("a file"))).collect()
}

/// The object in a file of the base; each holds one.
pub fn object(file: &Path) -> DynamicObject {
    let text = std::fs::read_to_string(file).expect("a readable file");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// How to reach the shared control plane as the service account of the base, which is applied the first time.
pub async fn identity() -> &'static Access {
    IDENTITY.get_or_init(apply_and_take_token).await
}

async fn apply_and_take_token() -> Access {
    let client = cluster::client().await;
    for file in files() {
        apply(&client, &object(&file)).await;
    }
    let secret: Secret = serde_json::from_value(
        json!({ "metadata": { "name": NAME }, "stringData": { "webhook-secret": "s", "github-token": "t" } }),
    )
    .expect("a secret");
    Api::<Secret>::namespaced(client.clone(), NAME).create(&PostParams::default(), &secret).await.expect("created");

    let token = cluster::service_account_token(NAME, NAME).await;
    Access { token: token.into(), ..cluster::control_plane().await.access().clone() }
}

async fn apply(client: &kube::Client, object: &DynamicObject) {
    let types = object.types.as_ref().expect("apiVersion and kind");
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types).expect("a kind"));
    let api = match &object.metadata.namespace {
        Some(namespace) => Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = object.metadata.name.as_deref().expect("a name");
    api.patch(name, &PatchParams::apply("deploy-test"), &Patch::Apply(object))
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// A client with that identity.
pub async fn client() -> kube::Client {
    identity().await;
    cluster::client_as(NAME, NAME).await
}
