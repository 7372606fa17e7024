//! Fields that differ at each render (`nondeterministic: keep`): the live value is kept, because leaving an owned field
//! out would delete it.
//!
//! Only for objects that the app owns. A manifest's values are shown as Git's, so a live value of a foreign object
//! would be shown to anybody who can open a pull request.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::app::{App, Authority, Verb};
use crate::jobs::Context;
use crate::manifest::{Manifest, ObjectId, ObjectKey};
use crate::plan::{Marked, Marks, controller, is_secret};
use crate::queue::JobError;
use crate::render::{NondeterministicField, Rendered};
use crate::store::inventory::ObjectRow;

/// The manifests with what is live in their nondeterministic fields; as rendered where the app has no such object yet.
pub(in crate::jobs) async fn settled<'a>(
    context: &Context,
    app: &App,
    rendered: &'a Rendered,
) -> Result<Cow<'a, [Manifest]>, JobError> {
    if rendered.nondeterministic.is_empty() {
        return Ok(Cow::Borrowed(&rendered.manifests));
    }
    let cluster = context.cluster_for(&app.id, &app.destination.cluster)?;
    let (marks, authority) = (context.marks(&app.id), context.grants(&app.id.repo)?.on(cluster.name()));
    let inventory = context.store.inventory_of(cluster.name(), &app.id).await?;
    let mut manifests = rendered.manifests.clone();
    for (object, pointers) in by_object(&rendered.nondeterministic) {
        let Some(manifest) = manifests.iter_mut().find(|manifest| manifest.key == *object) else { continue };
        let key = located(
            object,
            &app.destination.namespace,
            cluster.resource(object).await.is_ok_and(|kind| kind.namespaced),
        );
        let Some(row) = inventory.iter().find(|row| row.key.id() == key.id()) else { continue };
        if authority.ask(Verb::Read, &key.id()).is_err() {
            continue;
        }
        let Some(live) = cluster.get(&key).await? else { continue };
        if is_own(&live, &key.id(), row, &marks) {
            for pointer in pointers {
                keep(manifest, pointer, &live);
            }
        }
    }
    Ok(Cow::Owned(manifests))
}

fn by_object(fields: &[NondeterministicField]) -> BTreeMap<&ObjectKey, Vec<&str>> {
    let mut objects: BTreeMap<&ObjectKey, Vec<&str>> = BTreeMap::new();
    for NondeterministicField { object, pointer } in fields {
        objects.entry(object).or_default().push(pointer);
    }
    objects
}

fn located(object: &ObjectKey, namespace: &str, namespaced: bool) -> ObjectKey {
    let namespace = object.namespace.clone().or_else(|| namespaced.then(|| namespace.to_owned()));
    ObjectKey { namespace, ..object.clone() }
}

/// Whether it is the very object that the app has applied: by the claim, the uid and the mark, all three. One that
/// another has made after ours was deleted, or has taken since, is not.
fn is_own(live: &Value, id: &ObjectId, row: &ObjectRow, marks: &Marks) -> bool {
    let uid = live.pointer("/metadata/uid").and_then(Value::as_str);
    row.uid.is_some() && row.uid.as_deref() == uid && marks.read(live, id) == Marked::Ours && controller(live).is_none()
}

/// Copies one field. What a Secret says in `stringData` is live in `data`, encoded.
fn keep(manifest: &mut Manifest, pointer: &str, live: &Value) {
    let entry = pointer.strip_prefix("/stringData/").filter(|_| is_secret(&manifest.key.group, &manifest.key.kind));
    if let Some(name) = entry {
        let Some(value) = live.pointer(&format!("/data/{name}")) else { return };
        let name = name.replace("~1", "/").replace("~0", "~");
        if let Some(plain) = manifest.object.get_mut("stringData").and_then(Value::as_object_mut) {
            plain.remove(&name);
        }
        manifest.object["data"][name] = value.clone();
    } else if let (Some(value), Some(field)) = (live.pointer(pointer), manifest.object.pointer_mut(pointer)) {
        *field = value.clone();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::{AppId, RepoName};
    use crate::store::inventory::ObjectState;

    fn manifest(object: Value) -> Manifest {
        Manifest::new(object, None).expect("it has a name")
    }

    #[test]
    fn a_live_value_stays() {
        let mut config =
            manifest(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"id": "new",
                "b": "1"}}));
        keep(&mut config, "/data/id", &json!({"data": {"id": "old", "b": "0"}}));
        assert_eq!(config.object["data"], json!({"id": "old", "b": "1"}));
        keep(&mut config, "/data/id", &json!({"data": {}}));
        assert_eq!(config.object["data"]["id"], "old", "nothing live, nothing kept");
    }

    #[test]
    fn a_secret_keeps_what_it_said_in_clear() {
        let mut secret = manifest(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"a/b": "new",
                "c": "d"}}),
        );
        keep(&mut secret, "/stringData/a~1b", &json!({"data": {"a/b": "b2xk"}}));
        assert_eq!(secret.object["stringData"], json!({"c": "d"}));
        assert_eq!(secret.object["data"], json!({"a/b": "b2xk"}));
    }

    #[test]
    fn an_object_without_a_namespace_is_looked_for_in_the_destination() {
        let key = manifest(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})).key;
        assert_eq!(located(&key, "shop", true).namespace.as_deref(), Some("shop"));
        assert_eq!(located(&key, "shop", false).namespace, None);
    }

    /// X3: claim, uid and mark, each of them.
    #[test]
    fn only_what_the_app_has_applied_itself_is_copied_from() {
        let marks = |app: &str| Marks::new("driftless", &AppId::new(&RepoName::new("shop"), app));
        let key =
            manifest(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}}))
                .key;
        let live = |uid: &str, app: Option<&str>, extra: Value| {
            let mut live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a",
                "namespace": "shop", "uid": uid}});
            if let Some(app) = app {
                marks(app).put(&mut live, &key.id());
            }
            live["metadata"]["ownerReferences"] = extra;
            live
        };
        let is_own = |uid: Option<&str>, live: &Value| is_own(live, &key.id(), &row(&key, uid), &marks("web"));
        assert!(is_own(Some("u"), &live("u", Some("web"), Value::Null)));
        assert!(!is_own(Some("u"), &live("u", None, Value::Null)), "without our mark");
        assert!(!is_own(Some("u"), &live("u", Some("api"), Value::Null)), "another app's");
        assert!(!is_own(Some("u"), &live("v", Some("web"), Value::Null)), "another object of the name");
        assert!(!is_own(None, &live("u", Some("web"), Value::Null)), "claimed and never applied");
        let controlled = json!([{"kind": "Widget", "name": "w", "controller": true}]);
        assert!(!is_own(Some("u"), &live("u", Some("web"), controlled)), "a controller's");
    }

    fn row(key: &ObjectKey, uid: Option<&str>) -> ObjectRow {
        ObjectRow {
            key: key.clone(),
            app: AppId::new(&RepoName::new("shop"), "web"),
            state: ObjectState::Applied,
            uid: uid.map(str::to_owned),
            manifest_hash: None,
            fingerprint: None,
            resource_version: None,
            applied_revision: None,
            job_done: false,
            held_of: None,
        }
    }
}
