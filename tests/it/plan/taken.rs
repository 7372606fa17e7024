//! Whose an object is, and what of it is left to others.

use super::*;

#[tokio::test]
async fn conflicts_name_field_and_manager_and_show_the_result() {
    let mut app = Fixture::new("plan-conflict").await;
    let map = Fixture::bare(config_map("x", "env", &json!({"k": "1"})));
    app.sync(std::slice::from_ref(&map)).await;
    let theirs = config_map(&app.namespace, "env", &json!({"k": "by hand"}));
    let force = ApplyMode { dry_run: false, force: true };
    connect_as("somebody").await.apply(&key(&theirs), &theirs, force).await.expect("applied");
    let plan = app.plan(&[map]).await;
    insta::assert_snapshot!(app.show(&plan));
}

#[tokio::test]
async fn what_is_there_already_is_taken_only_when_asked_and_never_shown() {
    let mut app = Fixture::new("plan-adopt").await;
    let theirs = config_map(&app.namespace, "env", &json!({"theirs": "hidden-value"}));
    apply(&connect_as("somebody").await, &theirs, ApplyMode::default()).await.expect("applied");
    let hidden = secret(&app.namespace, "db", &json!({"data": {"pin": "MzEzMzc="}}));
    apply(&connect_as("somebody").await, &hidden, ApplyMode::default()).await.expect("applied");
    let ours = [
        Fixture::bare(config_map("x", "env", &json!({"k": "1"}))),
        Fixture::bare(secret("x", "db", &json!({"stringData": {"pin": "4242"}}))),
    ];
    let refused = app.plan(&ours).await;
    app.adopt = true;
    let taken = app.plan(&ours).await;
    let shown = format!("refused\n{}\ntaken\n{}", app.show(&refused), app.show(&taken));
    assert!(!shown.contains("hidden-value") && !shown.contains("theirs"), "{shown}");
    assert!(taken.changes.iter().all(|change| change.takes_over == Some(TakeOver::Unmarked)));
    insta::assert_snapshot!(shown);
}

/// S1+: whether the value of an object that is not the app's differs from what it guesses is told by nothing.
#[tokio::test]
async fn what_is_ignored_of_anothers_object_is_not_told() {
    let mut app = Fixture::new("plan-oracle").await;
    let theirs = secret(&app.namespace, "db", &json!({"data": {"pin": "MzEzMzc="}}));
    apply(&connect_as("somebody").await, &theirs, ApplyMode::default()).await.expect("applied");
    let rule = json!({"kind": "Secret", "jsonPointers": ["/data/pin"]});
    app.app.ignore_differences = vec![serde_json::from_value(rule).expect("a rule")];
    let guess = |pin: &str| Fixture::bare(secret("x", "db", &json!({"data": {"pin": pin}})));
    let [wrong, right] = [guess("MDAwMDA="), guess("MzEzMzc=")];
    let said = [app.plan(&[wrong]).await, app.plan(&[right]).await].map(|plan| app.show(&plan));
    assert_eq!(said[0], said[1]);
    assert!(!said[0].contains("ignoreDifferences"), "{}", said[0]);
}

/// B3+: of what `kubectl apply` made only what somebody has set is said to be dropped, not what the server has added by
/// itself.
#[tokio::test]
async fn an_adoption_drops_no_default_of_the_server() {
    let mut app = Fixture::new("plan-defaults").await;
    let mut theirs = deployment(&app.namespace, "web");
    theirs["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]);
    theirs["metadata"]["annotations"] = json!({"team": "x"});
    let applied = theirs.to_string();
    theirs["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = json!(applied);
    let deployments =
        kube::Api::<k8s_openapi::api::apps::v1::Deployment>::namespaced(cluster::client().await, &app.namespace);
    let params =
        kube::api::PostParams { field_manager: Some("kubectl-client-side-apply".into()), ..Default::default() };
    deployments.create(&params, &serde_json::from_value(theirs).expect("a deployment")).await.expect("created");
    app.adopt = true;
    let mut ours = Fixture::bare(deployment("x", "web"));
    ours["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": "1"}]);
    ours["spec"].as_object_mut().expect("a spec").remove("replicas");
    let plan = app.plan(&[ours]).await;
    let drops = &plan.changes[0].drops;
    assert_eq!(*drops, ["metadata.annotations.team", "spec.replicas", "spec.template.spec.containers[web].env[B]"]);
}

/// C3+: one object under two API groups is one object: a manifest that goes from one to the other changes it, and
/// neither a preview nor a sync deletes anything. (Events are what the server has under two groups.)
#[tokio::test]
async fn an_object_under_another_api_group_is_the_same_object() {
    let mut app = Fixture::new("plan-groups").await;
    let time = "2026-01-01T00:00:00.000000Z";
    let regarding = json!({"kind": "Namespace", "name": app.namespace, "namespace": app.namespace});
    let old = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "involvedObject": regarding,
        "eventTime": time,
        "reason": "Made", "action": "Make", "message": "one", "type": "Normal", "reportingComponent": "example.test/x",
        "reportingInstance": "x"});
    let new = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e",
        "labels": {"new": "yes"}}, "regarding": regarding,
        "eventTime": time, "reason": "Made", "action": "Make", "note": "one", "type": "Normal",
        "reportingController": "example.test/x",
        "reportingInstance": "x"});
    app.sync(std::slice::from_ref(&old)).await;
    let uid = app.inventory[0].uid.clone();
    let change = app.change(std::slice::from_ref(&old), std::slice::from_ref(&new)).await;
    let shown = app.show(&change.changes);
    assert!(shown.contains("Kept: it is the same object as Event NS/e of the group events.k8s.io"), "{shown}");
    let plan = app.plan(std::slice::from_ref(&new)).await;
    for plan in [&change.changes, &plan] {
        let actions: Vec<_> =
            plan.changes.iter().map(|change| (change.key.group.as_str(), change.action, &change.verdict)).collect();
        let expected = [("", Action::None, &Verdict::Accepted), ("events.k8s.io", Action::Update, &Verdict::Accepted)];
        assert_eq!(actions, expected, "{}", app.show(plan));
        assert!(plan.changes.iter().all(|change| change.takes_over.is_none()), "{}", app.show(plan));
    }
    // The row of the old name is still there, and whatever becomes of it, the object stays.
    app.sync(std::slice::from_ref(&new)).await;
    assert_eq!(app.inventory.iter().map(|owned| owned.uid.clone()).collect::<Vec<_>>(), [uid.clone(), uid]);
    let plan = app.plan(std::slice::from_ref(&new)).await;
    assert!(plan.is_empty(), "{}", app.show(&plan));
}

#[tokio::test]
async fn what_kubectl_adds_to_an_object_of_ours_is_no_drift() {
    let mut app = Fixture::new("plan-kubectl").await;
    let map = Fixture::bare(config_map("x", "env", &json!({"k": "1"})));
    app.sync(std::slice::from_ref(&map)).await;
    let maps = kube::Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(cluster::client().await, &app.namespace);
    let params =
        kube::api::PatchParams { field_manager: Some("kubectl-client-side-apply".into()), ..Default::default() };
    let applied = json!({
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
        "data": {"k": "1", "theirs": "2"},
    });
    maps.patch("env", &params, &kube::api::Patch::Merge(applied)).await.expect("applied");
    let plan = app.plan(&[map]).await;
    assert!(plan.is_empty(), "{}", app.show(&plan));
}

#[tokio::test]
async fn what_somebody_made_in_the_place_of_ours_is_theirs() {
    let mut app = Fixture::new("plan-anew").await;
    let map = Fixture::bare(config_map("x", "env", &json!({"k": "1"})));
    app.sync(std::slice::from_ref(&map)).await;
    let theirs = config_map(&app.namespace, "env", &json!({"theirs": "hidden-value"}));
    crate::support::others::deletes(&key(&theirs)).await;
    apply(&connect_as("somebody").await, &theirs, ApplyMode::default()).await.expect("made");
    let plan = app.plan(&[map]).await;
    let shown = app.show(&plan);
    assert!(!shown.contains("hidden-value"), "{shown}");
    assert_eq!(plan.changes[0].takes_over, Some(TakeOver::Unmarked), "{shown}");
    assert!(plan.changes[0].is_rejected(), "{shown}");
}

#[tokio::test]
async fn what_is_no_longer_ours_is_kept() {
    let mut app = Fixture::new("plan-prune").await;
    let [a, b] = ["a", "b"].map(|name| Fixture::bare(config_map("x", name, &json!({"k": "1"}))));
    app.sync(&[a, b]).await;
    let unmark = json!([{"op": "remove", "path": "/metadata/annotations/driftless.dev~1owner"}]);
    app.cluster.patch_json(&key(&config_map(&app.namespace, "a", &json!({}))), &unmark, false).await.expect("patched");
    let none = app.plan(&[]).await;
    app.allow = Allow::default();
    let not_allowed = app.plan(&[]).await;
    insta::assert_snapshot!(format!("{}\nnot allowed\n{}", app.show(&none), app.show(&not_allowed)));
}

/// H6: two apps of one pull request ask for the same.
#[tokio::test]
async fn what_two_apps_of_a_change_ask_for_is_refused() {
    let app = Fixture::new("plan-rivals").await;
    let service = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
            "type": "NodePort", "ports": [{"port": 80, "nodePort": 31_765}]}})
    };
    let mut siblings = Siblings::default();
    siblings.add(&manifests(&[service("a")]), &app.namespace, |_| true);
    siblings.add(&manifests(&[service("b")]), "elsewhere", |_| true);
    let own = manifests(&[service("a")]);
    let change = PlanInput { siblings: Some(&siblings), ..app.input(&own) };
    let cancel = CancellationToken::new();
    let planned =
        plan_change(&app.cluster, app.input(&[]), change, BaseSide::Complete, &cancel).await.expect("two plans");
    let shown = app.show(&planned.changes);
    assert!(shown.contains("rejected: Service elsewhere/b also requests the node port 31765"), "{shown}");
}

/// H9: what is added again while it is being deleted is said to be.
#[tokio::test]
async fn what_is_being_deleted_is_said() {
    let mut app = Fixture::new("plan-dying").await;
    let mut map = Fixture::bare(config_map("x", "a", &json!({"k": "1"})));
    map["metadata"]["finalizers"] = json!(["example.test/stay"]);
    app.sync(std::slice::from_ref(&map)).await;
    let maps = kube::Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(cluster::client().await, &app.namespace);
    maps.delete("a", &kube::api::DeleteParams::default()).await.expect("deleted");
    let planned = app.change(&[], std::slice::from_ref(&map)).await;
    let remark = "It is being deleted in the cluster. It is created again once it is gone";
    assert_eq!(planned.changes.changes[0].remarks, [remark], "{}", app.show(&planned.changes));
    let release = json!({"metadata": {"finalizers": null}});
    maps.patch("a", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(&release)).await.expect("released");
}

/// B11, case 49: whoever asks with their own rights sees what would change, as `kubectl diff` shows it.
#[tokio::test]
async fn what_is_not_marked_yet_is_compared_with_what_is_live() {
    let app = Fixture::new("plan-reveals").await;
    let maps = kube::Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(cluster::client().await, &app.namespace);
    let params =
        kube::api::PatchParams { field_manager: Some("kubectl-client-side-apply".into()), ..Default::default() };
    let applied = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1", "b": "2"},
        "metadata": {"name": "settings", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": r#"{"data":{"a":"1","b":"2"}}"#}}});
    let created = kube::api::PostParams { field_manager: params.field_manager.clone(), ..Default::default() };
    maps.create(&created, &serde_json::from_value(applied).expect("a map")).await.expect("applied");
    let plan = async |data: Value| {
        let manifests = manifests(&[Fixture::bare(config_map("x", "settings", &data))]);
        let input = PlanInput { reveals: true, adopt: true, ..app.input(&manifests) };
        plan_apply(&app.cluster, input, &CancellationToken::new()).await.expect("a plan")
    };
    let same = plan(json!({"a": "1", "b": "2"})).await;
    assert!(same.is_empty(), "{}", app.show(&same));
    let other = app.show(&plan(json!({"a": "9"})).await);
    let lines: Vec<&str> =
        other.lines().filter(|line| line.starts_with("    +") || line.starts_with("    -")).collect();
    assert_eq!(lines, ["    -  a: \"1\"", "    -  b: \"2\"", "    +  a: \"9\""], "{other}");
}

/// B7, case 06: what the aggregation controller writes is neither emptied nor drift.
#[tokio::test]
async fn the_rules_of_an_aggregated_role_are_left_to_the_cluster() {
    let mut app = Fixture::new("plan-aggregate").await;
    app.allow =
        serde_json::from_value(json!({"clusters": ["*"], "namespaces": ["*"], "clusterScoped": [{"kind": "*"}]}))
            .expect("grants");
    let label = format!("{}.example/aggregate", app.namespace);
    let group = "rbac.authorization.k8s.io/v1";
    let (all, part) = (format!("{}-all", app.namespace), format!("{}-part", app.namespace));
    let objects = [
        json!({"apiVersion": group, "kind": "ClusterRole", "metadata": {"name": all},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {(label.clone()): "true"}}]}, "rules": []}),
        json!({"apiVersion": group, "kind": "ClusterRole", "metadata": {"name": part, "labels": {(label): "true"}},
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]}),
    ];
    app.sync(&objects).await;
    let rules = async || app.cluster.get(&key(&objects[0])).await.expect("an answer").expect("there")["rules"].clone();
    answers::eventually(async || rules().await.as_array().is_some_and(|rules| !rules.is_empty())).await;
    let plan = app.plan(&objects).await;
    assert!(plan.is_empty(), "{}", app.show(&plan));
    for change in plan.changes {
        let desired = change.desired.expect("a manifest");
        app.cluster
            .apply(&change.key, &desired.object, ApplyMode { dry_run: false, force: true })
            .await
            .expect("applied");
    }
    assert!(rules().await.as_array().is_some_and(|rules| !rules.is_empty()), "they were emptied");
}
