//! Objects whose version the cluster does not serve, or that change their version.

use super::*;

/// A CRD that serves these versions; the last one is stored.
pub fn crd(group: &str, versions: &[(&str, bool)]) -> Value {
    let mut crd = answers::crd(group);
    let schema = crd["spec"]["versions"][0]["schema"].clone();
    let last = versions.len() - 1;
    let each = versions.iter().enumerate();
    let versions = each
        .map(|(at, (name, served))| json!({"name": name, "served": served, "storage": at == last, "schema": schema}));
    crd["spec"]["versions"] = versions.collect();
    crd
}

fn widget(group: &str, version: &str, size: u32) -> Value {
    json!({"apiVersion": format!("{group}/{version}"), "kind": "Widget", "metadata": {"name": "w"},
        "spec": {"size": size}})
}

/// With a CRD that serves v1, a Widget of it, and a map.
async fn with_widget(words: &str) -> (Fixture, String) {
    let mut app = Fixture::new(words).await;
    let group = format!("{}.example", app.namespace);
    somebody_applies(&crd(&group, &[("v1", true)])).await;
    let [widget, map] = [widget(&group, "v1", 5), Fixture::bare(config_map("x", "map", &json!({"k": "1"})))];
    answers::eventually(async || {
        app.cluster.refresh_discovery().await.expect("discovery");
        app.plan(std::slice::from_ref(&widget)).await.changes.iter().all(|change| !change.is_rejected())
    })
    .await;
    app.sync(&[widget, map]).await;
    (app, group)
}

async fn somebody_applies(object: &Value) {
    let force = ApplyMode { dry_run: false, force: true };
    connect_as("somebody").await.apply(&key(object), object, force).await.expect("applied");
}

async fn serves(app: &Fixture, group: &str, version: &str) {
    answers::eventually(async || {
        let discovery = app.cluster.refresh_discovery().await.expect("discovery");
        discovery.resolve(group, "v2", "Widget").is_some() && discovery.resolve(group, version, "Widget").is_none()
    })
    .await;
}

/// X2+: what the base cannot say in a version that is served is still in Git: its removal is a deletion of the change.
#[tokio::test]
async fn the_removal_of_an_object_in_an_unserved_version_is_a_deletion() {
    let (app, group) = with_widget("version-removed").await;
    somebody_applies(&crd(&group, &[("v1", false), ("v2", true)])).await;
    serves(&app, &group, "v1").await;
    let map = Fixture::bare(config_map("x", "map", &json!({"k": "1"})));
    let old = widget(&group, "v1", 5);
    let both = app.change(&[old.clone(), map.clone()], std::slice::from_ref(&map)).await;
    let [change] = both.changes.changes.as_slice() else { panic!("{}", app.show(&both.changes)) };
    assert_eq!((change.action, &change.verdict), (Action::Prune, &Verdict::Accepted), "{}", app.show(&both.changes));
    let already = app.show(&both.already);
    assert!(!already.contains("Prune"), "{already}");
    // Nothing goes while it stays in Git.
    let plan = app.plan(&[old, map]).await;
    assert!(!app.show(&plan).contains("Prune"), "{}", app.show(&plan));
}

/// P3+: an object that goes to a version which comes with the change is the one that is there.
#[tokio::test]
async fn a_move_to_a_version_of_the_same_change_is_an_update() {
    let (app, group) = with_widget("version-moved").await;
    let (before, after) = (crd(&group, &[("v1", true)]), crd(&group, &[("v1", false), ("v2", true)]));
    let [old, new] = [widget(&group, "v1", 5), widget(&group, "v2", 2)];
    let of_widget = |plan: &Plan| {
        let change = plan.changes.iter().find(|change| change.key.kind == "Widget").expect("the object");
        (change.action, Redactor::default().diff(change).fields)
    };
    let fields = vec!["apiVersion".to_owned(), "spec.size".to_owned()];
    let both = app.change(&[before, old], &[after.clone(), new.clone()]).await;
    assert_eq!(of_widget(&both.changes), (Action::Update, fields.clone()), "{}", app.show(&both.changes));
    // Also where the base is no side to compare with.
    let plan = app.plan(&[after, new]).await;
    assert_eq!(of_widget(&plan), (Action::Update, fields), "{}", app.show(&plan));
}

/// C: before and after are spelled in one version, that of the manifest.
#[tokio::test]
async fn two_versions_of_a_kind_are_compared_in_one() {
    let mut app = Fixture::new("version-hpa").await;
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let scaler = |version: &str, more: Value| {
        let mut hpa = json!({"apiVersion": format!("autoscaling/{version}"), "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web"}, "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3}});
        for (name, value) in more.as_object().expect("fields") {
            hpa["spec"][name] = value.clone();
        }
        hpa
    };
    let old = scaler("v1", json!({"targetCPUUtilizationPercentage": 80}));
    let resource = json!({"type": "Resource", "resource": {"name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": 50}}});
    let new = scaler("v2", json!({"metrics": [resource]}));
    app.sync(std::slice::from_ref(&old)).await;
    let key = ObjectKey { namespace: Some(app.namespace.clone()), ..key(&old) };
    answers::eventually(async || {
        let live = app.cluster.get(&key).await.expect("an answer").expect("the object");
        live["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/conditions"].is_string()
    })
    .await;
    let both = app.change(&[old], &[new]).await;
    let shown = app.show(&both.changes);
    assert!(!shown.contains("autoscaling.alpha"), "{shown}");
    assert!(shown.contains('-') && shown.contains("averageUtilization: 50"), "{shown}");
}
