//! Why Kubernetes itself deletes an object again and again: the owners that its manifest names are not there.

use serde_json::Value;

use crate::app::{Authority, Verb};
use crate::cluster::Cluster;
use crate::manifest::ObjectKey;
use crate::plan::{Action, Change};
use crate::report::words::join;

/// How many owners are named.
const NAMED: usize = 5;
/// So many objects of a preview are looked at, and so many owners of each: a request is made for each of them.
const OBJECTS: usize = 50;
const OWNERS: usize = 10;

/// The owners of an object, if it is deleted for the lack of them. While one of them is there, or that is not known, or
/// not for this app to know, there are none.
pub(super) async fn of(cluster: &Cluster, authority: &dyn Authority, change: &Change) -> Vec<String> {
    let desired = change.desired.as_ref();
    let owners = desired.map(|desired| owners(&desired.object)).unwrap_or_default();
    if owners.len() > OWNERS {
        return Vec::new();
    }
    let mut lost = Vec::new();
    for owner in owners {
        match name_if_lost(cluster, authority, change.key.namespace.as_deref(), owner).await {
            Some(name) => lost.push(name),
            None => return Vec::new(),
        }
    }
    lost
}

/// Says before the merge of each object that is written that it would not stay.
pub(super) async fn warn(cluster: &Cluster, authority: &dyn Authority, changes: &mut [Change]) {
    let writes = |change: &Change| matches!(change.action, Action::Create | Action::Update | Action::Replace);
    let has_owners = |change: &Change| change.desired.as_ref().is_some_and(|one| !owners(&one.object).is_empty());
    let looked_at = |change: &&mut Change| writes(change) && !change.is_rejected() && has_owners(change);
    for change in changes.iter_mut().filter(looked_at).take(OBJECTS) {
        let lost = of(cluster, authority, change).await;
        change.remarks.extend((!lost.is_empty()).then(|| say(&lost, change.key.namespace.as_deref())));
    }
}

fn owners(object: &Value) -> &[Value] {
    object.pointer("/metadata/ownerReferences").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn say(lost: &[String], namespace: Option<&str>) -> String {
    let (names, does) = (join(lost, NAMED), if lost.len() == 1 { "does" } else { "do" });
    let there = namespace.map(|namespace| format!(" in the namespace {namespace}")).unwrap_or_default();
    format!(
        "Kubernetes would delete it after each sync, because its `ownerReferences` name {names}, which {does} not \
         exist{there} with that uid. Remove `ownerReferences` from the manifest"
    )
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
    // Owners are looked for where the object is. One that has a namespace and is named where there is none keeps its
    // object.
    match (cluster.resource(&key).await.ok()?.namespaced, namespace) {
        (false, _) => key.namespace = None,
        (true, None) => return None,
        (true, Some(_)) => {}
    }
    authority.ask(Verb::Read, &key.id()).ok()?;
    let live = cluster.get(&key).await.ok()?;
    let is_it = live.is_some_and(|live| live["metadata"]["uid"] == owner["uid"]);
    (!is_it).then(|| format!("{kind} {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_lost_owners() {
        let said = [say(&["ConfigMap nothing".into()], Some("shop")), say(&["A a".into(), "B b".into()], None)];
        insta::assert_snapshot!(said.join("\n"), @r"
        Kubernetes would delete it after each sync, because its `ownerReferences` name ConfigMap nothing, which does not exist in the namespace shop with that uid. Remove `ownerReferences` from the manifest
        Kubernetes would delete it after each sync, because its `ownerReferences` name A a, B b, which do not exist with that uid. Remove `ownerReferences` from the manifest
        ");
    }
}
