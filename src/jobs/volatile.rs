//! Fields that each render makes anew (`nondeterministic: keep`): the live value stays, as leaving an owned field out would delete it.

use std::borrow::Cow;

use serde_json::Value;

use super::Engine;
use crate::app::App;
use crate::manifest::{Manifest, ObjectKey};
use crate::plan::is_secret;
use crate::queue::JobError;
use crate::render::{Rendered, VolatileField};

/// The manifests with what is live in their volatile fields; as rendered where the object does not exist yet.
pub(super) async fn settled<'a>(engine: &Engine, app: &App, rendered: &'a Rendered) -> Result<Cow<'a, [Manifest]>, JobError> {
    if rendered.volatile.is_empty() {
        return Ok(Cow::Borrowed(&rendered.manifests));
    }
    let cluster = engine.cluster(&app.destination.cluster)?;
    let mut manifests = rendered.manifests.clone();
    for VolatileField { object, pointer } in &rendered.volatile {
        let Some(manifest) = manifests.iter_mut().find(|manifest| manifest.key == *object) else { continue };
        let key = located(object, &app.destination.namespace, cluster.resource(object).await.is_ok_and(|kind| kind.namespaced));
        if let Some(live) = cluster.get(&key).await? {
            keep(manifest, pointer, &live);
        }
    }
    Ok(Cow::Owned(manifests))
}

fn located(object: &ObjectKey, namespace: &str, namespaced: bool) -> ObjectKey {
    let namespace = object.namespace.clone().or_else(|| namespaced.then(|| namespace.to_owned()));
    ObjectKey { namespace, ..object.clone() }
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

    fn manifest(object: Value) -> Manifest {
        Manifest::new(object, None).expect("it has a name")
    }

    #[test]
    fn a_live_value_stays() {
        let mut config =
            manifest(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"id": "new", "b": "1"}}));
        keep(&mut config, "/data/id", &json!({"data": {"id": "old", "b": "0"}}));
        assert_eq!(config.object["data"], json!({"id": "old", "b": "1"}));
        keep(&mut config, "/data/id", &json!({"data": {}}));
        assert_eq!(config.object["data"]["id"], "old", "nothing live, nothing kept");
    }

    #[test]
    fn a_secret_keeps_what_it_said_in_clear() {
        let mut secret =
            manifest(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"a/b": "new", "c": "d"}}));
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
}
