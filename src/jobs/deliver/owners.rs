//! Why Kubernetes itself deletes an object again and again: the owners that its manifest names are not there.

use serde_json::Value;

use crate::app::{Authority, Verb};
use crate::cluster::Cluster;
use crate::manifest::ObjectKey;
use crate::plan::Plan;
use crate::sync::heal::Judgement;

/// Names the owners of what was given up on because it is deleted each time. While one of them is there, or that is not
/// known, or not for this app to know, nothing is said of them.
pub(super) async fn name_lost(cluster: &Cluster, authority: &dyn Authority, plan: &Plan, judgement: &mut Judgement) {
    let Judgement { drifted, given_up, .. } = judgement;
    for drifted in drifted.iter_mut().filter(|one| one.fields.is_empty() && given_up.contains(&one.object)) {
        let change = plan.changes.iter().find(|change| change.key.id() == drifted.object);
        let desired = change.and_then(|change| change.desired.as_ref());
        let owners = desired.and_then(|desired| desired.object.pointer("/metadata/ownerReferences")?.as_array());
        let mut lost = Vec::new();
        for owner in owners.into_iter().flatten() {
            match name_if_lost(cluster, authority, drifted.object.namespace.as_deref(), owner).await {
                Some(name) => lost.push(name),
                None => {
                    lost.clear();
                    break;
                }
            }
        }
        drifted.lost_owners = lost;
    }
}

async fn name_if_lost(
    cluster: &Cluster,
    authority: &dyn Authority,
    namespace: Option<&str>,
    owner: &Value,
) -> Option<String> {
    let text = |field: &str| owner[field].as_str();
    let (kind, name) = (text("kind")?, text("name")?);
    let (group, version) = text("apiVersion")?.rsplit_once('/').unwrap_or(("", text("apiVersion")?));
    let mut key = ObjectKey {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    };
    if !cluster.resource(&key).await.ok()?.namespaced {
        key.namespace = None;
    }
    authority.ask(Verb::Read, &key.id()).ok()?;
    let live = cluster.get(&key).await.ok()?;
    let is_it = live.is_some_and(|live| live["metadata"]["uid"] == owner["uid"]);
    (!is_it).then(|| format!("{kind} {name}"))
}
