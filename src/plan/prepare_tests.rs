use serde_json::json;

use super::*;
use crate::app::{Adopt, Destination, DriftPolicy, OnDelete, Origin, Source, SyncPolicy};
use crate::ids::{AppId, ClusterName, RepoName};
use crate::render::RenderOptions;

fn app() -> App {
    App {
        id: AppId::new(&RepoName::new("shop"), "web"),
        source: Source { repo: RepoName::new("shop"), ref_name: "refs/heads/main".to_owned(), path: "web".to_owned() },
        render: RenderOptions::default(),
        destination: Destination { cluster: ClusterName::new("prod"), namespace: "shop".to_owned() },
        sync: SyncPolicy::Auto,
        drift: DriftPolicy::Heal,
        on_delete: OnDelete::Keep,
        adopt: Adopt(false),
        ignore_differences: Vec::new(),
        origin: Origin { file: "apps.yaml".to_owned(), line: 1, definitions_ref: String::new() },
    }
}

fn prepared(objects: &[Value]) -> Vec<Prepared> {
    let app = app();
    let allow = json!({"clusters": ["*"], "namespaces": ["shop"], "clusterScoped": [{"kind": "Cluster*"},
        {"kind": "CustomResourceDefinition"}]});
    let allow: Allow = serde_json::from_value(allow).expect("grants");
    let marks = Marks::new("driftless", &app.id);
    let scope = |key: &ObjectKey| match key.kind.as_str() {
        "ConfigMap" | "Secret" => Some(Scope::Namespaced),
        "Namespace" | "ClusterRole" | "CustomResourceDefinition" => Some(Scope::Cluster),
        _ => None,
    };
    let manifests: Vec<_> =
        objects.iter().map(|o| Manifest::new(o.clone(), Some("a.yaml".to_owned())).expect("a name")).collect();
    let served = |key: &ObjectKey| scope(key).map(|scope| Served { scope, status: true });
    let is_one = |one: &ObjectKey, other: &ObjectKey| one.kind == "Event" && other.kind == "Event";
    let any_version = |key: &ObjectKey| (key.group == "old.io").then_some(Scope::Namespaced);
    let owned = |id: &ObjectId| id.group == "gone.io" && id.namespace.as_deref() == Some("shop");
    let with = Preparing {
        app: &app,
        marks: &marks,
        allow: &allow,
        served: &served,
        scope: &any_version,
        owned: &owned,
        is_one: &is_one,
        siblings: None,
    };
    prepare(&manifests, &with)
}

fn object(api_version: &str, kind: &str, namespace: Option<&str>) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a", "namespace": namespace}})
}

fn crd(version: &str) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.x.io"},
        "spec": {"group": "x.io", "scope": "Cluster", "names": {"kind": "ClusterWidget"},
        "versions": [{"name": version, "served": true}]}})
}

fn refusals(objects: &[Value]) -> String {
    let refused = prepared(objects).into_iter().filter_map(Result::err);
    refused.map(|refused| refused.message).collect::<Vec<_>>().join("\n")
}

/// X2+: what cannot be sent is the object that the app has all the same, so that its removal is a deletion.
#[test]
fn a_version_that_is_not_served_has_its_namespace() {
    let refused = prepared(&[
        object("old.io/v1", "Wid", None),
        object("gone.io/v1", "Wid", None),
        object("never.io/v1", "Wid", None),
        object("x.io/v1", "ClusterWidget", Some("elsewhere")),
        crd("v2"),
    ]);
    let keys: Vec<String> =
        refused.iter().filter_map(|one| one.as_ref().err()).map(|refused| refused.key.id().to_string()).collect();
    assert_eq!(keys, ["Wid shop/a", "Wid shop/a", "Wid a", "ClusterWidget a"]);
}

#[test]
fn the_destination_fills_what_a_namespaced_manifest_leaves_out() {
    let all = prepared(&[
        object("v1", "ConfigMap", None),
        object("rbac.authorization.k8s.io/v1", "ClusterRole", Some("shop")),
    ]);
    let [Ok(map), Ok(role)] = all.as_slice() else { panic!("both") };
    assert_eq!(
        (map.key.to_string().as_str(), map.manifest["metadata"]["namespace"].as_str()),
        ("ConfigMap shop/a", Some("shop"))
    );
    assert_eq!(role.key.to_string(), "ClusterRole a");
    assert!(role.manifest["metadata"].get("namespace").is_none());
    insta::assert_snapshot!(role.notes.join("\n"), @"Left out metadata.namespace: ClusterRole is cluster-scoped.");
}

#[test]
fn what_is_sent_is_marked_and_what_is_shown_is_not() {
    let all = prepared(&[object("v1", "ConfigMap", None)]);
    let [Ok(map)] = all.as_slice() else { panic!("one") };
    assert!(marks::is_marked(&map.desired.object) && !marks::is_marked(&map.manifest));
    let mut unmarked = map.desired.object.clone();
    marks::strip(&mut unmarked);
    assert_eq!(unmarked, map.manifest);
}

#[test]
fn a_kind_comes_from_the_cluster_or_from_a_crd_of_the_same_plan() {
    let mut widget = object("x.io/v1", "ClusterWidget", None);
    insta::assert_snapshot!(refusals(std::slice::from_ref(&widget)),
        @"The cluster does not know kind ClusterWidget in version v1 of x.io, and no CRD in this change defines it.");
    assert_eq!(refusals(&[widget.clone(), crd("v1")]), "");
    widget["apiVersion"] = json!("x.io/v2");
    insta::assert_snapshot!(refusals(&[widget, crd("v1")]),
        @"The CRD widgets.x.io in this change does not serve version v2 of ClusterWidget (x.io).");
}

#[test]
fn what_is_not_allowed_is_never_sent() {
    let objects = [
        object("v1", "ConfigMap", Some("kube-system")),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}),
    ];
    insta::assert_snapshot!(refusals(&objects), @r#"
    ConfigMap kube-system/a is not allowed for repo shop: no entry of repos[shop].allow.namespaces matches "kube-system"; a Driftless administrator can add one
    Namespace other is not allowed for repo shop: no entry of repos[shop].allow.namespaces matches "other"; a Driftless administrator can add one
    "#);
}

#[test]
fn marks_in_a_manifest_and_doubles_are_refused() {
    let mut marked = object("v1", "ConfigMap", None);
    marked["metadata"]["labels"] = json!({"driftless.dev/app": "x"});
    insta::assert_snapshot!(refusals(&[marked]),
        @"ConfigMap shop/a sets driftless.dev/app or driftless.dev/owner: Driftless sets these itself. Remove them from the manifest.");
    let doubles = [object("v1", "ConfigMap", None), object("v1", "ConfigMap", Some("shop"))];
    insta::assert_snapshot!(refusals(&doubles), @"ConfigMap shop/a is rendered twice: by a.yaml and by a.yaml.");
}

#[test]
fn a_number_in_a_secret_is_refused_without_being_shown() {
    let mut secret = object("v1", "Secret", None);
    secret["stringData"] = json!({"pin": 31_337});
    insta::assert_snapshot!(refusals(&[secret]), @"stringData.pin: must be a string: quote the value");
}

/// X6+: what is refused is rendered all the same, also where nobody knows whether its kind has a namespace.
#[test]
fn what_is_refused_is_rendered() {
    let unknown = prepared(&[object("h.example/v1", "Box", None), object("v1", "ConfigMap", None)]);
    assert!(unknown[0].is_err());
    let rendered = Rendered::of(&unknown);
    let id = |group: &str, kind: &str, namespace: Option<&str>, name: &str| ObjectId {
        group: group.into(),
        kind: kind.into(),
        namespace: namespace.map(Into::into),
        name: name.into(),
    };
    assert!(
        rendered.has(&id("h.example", "Box", Some("shop"), "a")) && rendered.has(&id("h.example", "Box", None, "a"))
    );
    assert!(!rendered.has(&id("h.example", "Box", Some("shop"), "b")));
    assert!(rendered.has(&id("", "ConfigMap", Some("shop"), "a")));
    assert!(!rendered.has(&id("", "ConfigMap", Some("other"), "a")), "a known kind is where it says");
}
