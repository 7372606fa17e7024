//! What others do in a cluster behind our back.

use driftless::manifest::ObjectKey;
use driftless::plan::Marks;
use driftless::plan::deletion::{Deletable, Record, deletable};
use kube::api::{DeleteParams, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

/// Somebody deletes an object. It may take a while to go.
pub async fn deletes(key: &ObjectKey) {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(&key.group, &key.version, &key.kind));
    let client = super::cluster::client().await;
    let objects: kube::Api<DynamicObject> = match &key.namespace {
        Some(namespace) => kube::Api::namespaced_with(client, namespace, &kind),
        None => kube::Api::all_with(client, &kind),
    };
    objects.delete(&key.name, &DeleteParams::background()).await.expect("deleted");
}

/// An object as one that some app may delete, in the version that it says.
pub fn ours(live: &Value) -> Deletable {
    let (mut object, id) = (live.clone(), ObjectKey::of(live).expect("a name").id());
    let marks = Marks::new("driftless", &"shop/web".parse().expect("an app"));
    marks.put(&mut object, &id);
    deletable(&object, &id, &marks, Record::Claimed).expect("ours")
}
