//! The owner of an existing object, by the marks of other tools.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::marks::{Marked, Marks};
use crate::manifest::ObjectId;

/// Whose an existing object is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "owner")]
pub enum TakeOver {
    /// Nobody's mark is on it: only `adopt` may take it.
    Unmarked,
    /// Another tool's mark: Argo CD, Flux, Helm, or a controller's owner reference.
    OtherTool { tool: String, name: String },
    /// Another app or instance of Driftless: never taken.
    OtherApp { instance: String, app: String },
    /// Another app of the same repo, which lets it go with the same change.
    HandedOver { app: String },
}

/// Who has to be asked before an object becomes ours. None where it is ours, by its mark or by the inventory: `uid` is
/// that of the object that we applied.
pub fn take_over(object: &Value, id: &ObjectId, marks: &Marks, uid: Option<&str>) -> Option<TakeOver> {
    let is_applied = || uid.is_some() && object.pointer("/metadata/uid").and_then(Value::as_str) == uid;
    match marks.read(object, id) {
        Marked::Ours => None,
        Marked::Other { instance, app } => Some(TakeOver::OtherApp { instance, app }),
        // Somebody took our mark off: the inventory still knows it, and the apply puts it on again. One of the same
        // name that somebody made after ours was deleted is theirs.
        Marked::No if is_applied() => None,
        Marked::No => Some(other_tool(object, id).unwrap_or(TakeOver::Unmarked)),
    }
}

/// Another tool's mark, or a controller that made the object.
pub fn other_tool(object: &Value, id: &ObjectId) -> Option<TakeOver> {
    let tool = |tool: &str, name: String| Some(TakeOver::OtherTool { tool: tool.to_owned(), name });
    let label = |name: &str| entry(object, "/metadata/labels", name);
    let annotation = |name: &str| entry(object, "/metadata/annotations", name);
    if let Some(owner) = controller(object) {
        return tool("controller", owner);
    }
    if let Some(app) = annotation("argocd.argoproj.io/tracking-id").and_then(|value| tracked(value, id)) {
        return tool("Argo CD", app.to_owned());
    }
    if let Some(app) = label("argocd.argoproj.io/instance") {
        return tool("Argo CD", app.to_owned());
    }
    for kind in ["kustomize", "helm"] {
        if let Some(name) = label(&format!("{kind}.toolkit.fluxcd.io/name")) {
            let namespace = label(&format!("{kind}.toolkit.fluxcd.io/namespace")).unwrap_or_default();
            return tool("Flux", format!("{kind} {namespace}/{name}"));
        }
    }
    if let Some(release) = annotation("meta.helm.sh/release-name") {
        let namespace = annotation("meta.helm.sh/release-namespace").unwrap_or_default();
        return tool("Helm", format!("{namespace}/{release}"));
    }
    label("applyset.kubernetes.io/part-of").and_then(|set| tool("ApplySet", set.to_owned()))
}

fn entry<'a>(object: &'a Value, field: &str, name: &str) -> Option<&'a str> {
    object.pointer(field)?.get(name)?.as_str().filter(|value| !value.is_empty())
}

/// `KIND/NAME` of the owner that manages the object.
pub fn controller(object: &Value) -> Option<String> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    Some(format!("{}/{}", owner["kind"].as_str().unwrap_or_default(), owner["name"].as_str().unwrap_or_default()))
}

/// Argo CD's `APP:GROUP/KIND:NAMESPACE/NAME` counts, as ours does, only on the object that it names.
fn tracked<'a>(value: &'a str, id: &ObjectId) -> Option<&'a str> {
    let (app, object) = value.split_once(':')?;
    let namespaces = [id.namespace.as_deref().unwrap_or_default()];
    let names =
        namespaces.iter().any(|namespace| object == format!("{}/{}:{namespace}/{}", id.group, id.kind, id.name));
    // A cluster-scoped object is tracked with the namespace of its app.
    let cluster_scoped = id.namespace.is_none()
        && object.starts_with(&format!("{}/{}:", id.group, id.kind))
        && object.ends_with(&format!("/{}", id.name));
    (names || cluster_scoped).then_some(app)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::{AppId, RepoName};

    fn id() -> ObjectId {
        ObjectId {
            group: "apps".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "web".to_owned(),
        }
    }

    fn found(metadata: &Value) -> String {
        match other_tool(&json!({"metadata": metadata}), &id()) {
            Some(TakeOver::OtherTool { tool, name }) => format!("{tool} {name}"),
            _ => "nobody".to_owned(),
        }
    }

    #[test]
    fn each_tools_mark_is_known() {
        let cases = [
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "store:apps/Deployment:shop/web"}}),
                "Argo CD store",
            ),
            (json!({"annotations": {"argocd.argoproj.io/tracking-id": "store:apps/Deployment:shop/copied"}}), "nobody"),
            (json!({"labels": {"argocd.argoproj.io/instance": "store"}}), "Argo CD store"),
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps",
                    "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}),
                "Flux kustomize flux-system/apps",
            ),
            (
                json!({"labels": {"helm.toolkit.fluxcd.io/name": "r", "helm.toolkit.fluxcd.io/namespace": "n"}}),
                "Flux helm n/r",
            ),
            (
                json!({"annotations": {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "n"}}),
                "Helm n/r",
            ),
            (
                json!({"ownerReferences": [{"kind": "ReplicaSet", "name": "web-1", "controller": true}]}),
                "controller ReplicaSet/web-1",
            ),
            (json!({"ownerReferences": [{"kind": "ConfigMap", "name": "x"}]}), "nobody"),
            (
                json!({"labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "store"}}),
                "nobody",
            ),
            (json!({}), "nobody"),
        ];
        for (metadata, owner) in cases {
            assert_eq!(found(&metadata), owner, "{metadata}");
        }
    }

    #[test]
    fn the_inventory_keeps_what_lost_its_mark_but_not_what_bears_anothers() {
        let app = |name| Marks::new("driftless", &AppId::new(&RepoName::new("shop"), name));
        let mut object = json!({"metadata": {"name": "web", "uid": "u"}});
        assert_eq!(take_over(&object, &id(), &app("web"), Some("u")), None);
        assert_eq!(take_over(&object, &id(), &app("web"), None), Some(TakeOver::Unmarked));
        assert_eq!(
            take_over(&object, &id(), &app("web"), Some("before")),
            Some(TakeOver::Unmarked),
            "made anew by somebody else"
        );
        app("web").put(&mut object, &id());
        assert_eq!(take_over(&object, &id(), &app("web"), None), None);
        let other = TakeOver::OtherApp { instance: "driftless".to_owned(), app: "shop/web".to_owned() };
        assert_eq!(take_over(&object, &id(), &app("api"), Some("u")), Some(other));
    }
}
