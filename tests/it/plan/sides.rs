//! The base and the change: what comes with the change, and what was different before.

use super::*;

#[tokio::test]
async fn a_pull_request_shows_its_own_changes_apart_from_drift() {
    let mut app = Fixture::new("plan-lenses").await;
    let web = Fixture::bare(deployment("x", "web"));
    let keep = Fixture::bare(config_map("x", "keep", &json!({"k": "1"})));
    let gone = Fixture::bare(config_map("x", "gone", &json!({"k": "1"})));
    app.sync(&[web.clone(), keep.clone(), gone.clone()]).await;
    // Somebody scales by hand: drift, and not the pull request's.
    let by_hand = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web",
        "namespace": app.namespace}, "spec": {"replicas": 5}});
    let force = ApplyMode { dry_run: false, force: true };
    connect_as("somebody").await.apply(&key(&by_hand), &by_hand, force).await.expect("scaled");
    let mut newer = web.clone();
    newer["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.test/web:2");
    newer["spec"]["template"]["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "gone"}}]);
    let added = Fixture::bare(config_map("x", "added", &json!({"k": "1"})));
    let both = app.change(&[web, keep.clone(), gone], &[newer, keep, added]).await;
    insta::assert_snapshot!(format!("changes\n{}\nalready\n{}", app.show(&both.changes), app.show(&both.already)));
}

#[tokio::test]
async fn what_comes_with_the_change_is_honestly_not_validated() {
    let mut app = Fixture::new("plan-coming").await;
    let group = format!("{}.example", app.namespace);
    let inner = format!("{}-inner", app.namespace);
    let crd = answers::crd(&group);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": inner}});
    let inside = config_map(&inner, "inside", &json!({"k": "1"}));
    let missing = config_map(&format!("{}-missing", app.namespace), "lost", &json!({"k": "1"}));
    let widget =
        json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}});
    let unknown = json!({"apiVersion": "none.example/v1", "kind": "Widget", "metadata": {"name": "w"}});
    let plan = app.plan(&[widget.clone(), inside, missing, unknown, crd.clone(), namespace]).await;
    insta::assert_snapshot!(app.show(&plan));

    // Once the CRD is there and unchanged, its objects are asked about.
    app.sync(std::slice::from_ref(&crd)).await;
    answers::eventually(async || {
        app.cluster.refresh_discovery().await.expect("discovery");
        let plan = app.plan(&[crd.clone(), widget.clone()]).await;
        plan.changes.iter().all(|change| change.verdict == Verdict::Accepted)
    })
    .await;
    let mut wrong = widget.clone();
    wrong["spec"]["size"] = json!("large");
    let plan = app.plan(&[crd, wrong]).await;
    assert!(plan.changes.iter().any(Change::is_rejected), "{}", app.show(&plan));
}

#[tokio::test]
async fn a_crd_that_the_base_brings_is_still_coming_for_the_change() {
    let app = Fixture::new("plan-pending").await;
    let group = format!("{}.example", app.namespace);
    let widget = |size: u32| {
        json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "w"},
        "spec": {"size": size}})
    };
    let both = app.change(&[answers::crd(&group), widget(1)], &[answers::crd(&group), widget(2)]).await;
    let [change] = both.changes.changes.as_slice() else { panic!("{}", app.show(&both.changes)) };
    assert!(matches!(change.verdict, Verdict::NotValidated { .. }), "{change:?}");
    assert_eq!(Redactor::default().diff(change).fields, ["spec.size"]);
}

/// B8: what the base's own head will prune is on no other pull request's account.
#[tokio::test]
async fn what_the_base_prunes_is_no_delete_of_a_pull_request() {
    let mut app = Fixture::new("plan-waiting").await;
    let map = |name: &str, k: &str| Fixture::bare(config_map("x", name, &json!({"k": k})));
    app.sync(&[map("keep", "1"), map("waits", "1")]).await;
    let both = app.change(&[map("keep", "1")], &[map("keep", "2")]).await;
    let shown = app.show(&both.changes);
    assert!(!shown.contains("waits"), "{shown}");
    assert_eq!(both.already.changes.iter().map(|change| change.action).collect::<Vec<_>>(), [Action::Prune]);
    // Where the base side is not known, nobody else deletes it.
    let (base, change) = (manifests(&[]), manifests(&[map("keep", "2")]));
    let both =
        plan_change(&app.cluster, app.input(&base), app.input(&change), BaseSide::Unknown, &CancellationToken::new())
            .await;
    assert!(app.show(&both.expect("two plans").changes).contains("Prune ConfigMap NS/waits"));
}

/// B2: a Namespace and a CRD that another app of the same pull request brings.
#[tokio::test]
async fn what_another_app_of_the_change_brings_is_waited_for() {
    let app = Fixture::new("plan-others").await;
    let (group, inner) = (format!("{}.example", app.namespace), format!("{}-inner", app.namespace));
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": inner}});
    let mut siblings = Siblings::default();
    siblings.add(&manifests(&[answers::crd(&group), namespace]), "elsewhere", |_| true);
    let inside = config_map(&inner, "inside", &json!({"k": "1"}));
    let widget =
        json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}});
    let manifests = manifests(&[inside, widget]);
    let alone = plan_apply(&app.cluster, app.input(&manifests), &CancellationToken::new()).await.expect("a plan");
    assert!(alone.changes.iter().all(Change::is_rejected), "{}", app.show(&alone));
    let input = PlanInput { siblings: Some(&siblings), ..app.input(&manifests) };
    let plan = plan_apply(&app.cluster, input, &CancellationToken::new()).await.expect("a plan");
    let verdicts: Vec<_> = plan.changes.iter().map(|change| change.verdict.clone()).collect();
    assert_eq!(
        verdicts,
        [
            Verdict::NotValidated { reason: NotValidated::NamespaceInPlan { namespace: inner } },
            Verdict::NotValidated { reason: NotValidated::CrdInPlan { crd: format!("widgets.{group}") } },
        ]
    );
}

/// X6+: a conversion webhook that is not there keeps the objects of its kind from being read, and must
/// not keep the change that repairs it from being previewed.
#[tokio::test]
async fn a_conversion_that_is_broken_can_be_repaired() {
    let mut app = Fixture::new("plan-conversion").await;
    let group = format!("{}.example", app.namespace);
    let mut crd = answers::crd(&group);
    let mut second = crd["spec"]["versions"][0].clone();
    (second["name"], second["storage"]) = (json!("v2"), json!(false));
    crd["spec"]["versions"].as_array_mut().expect("versions").push(second);
    let api = format!("{group}/v2");
    let widget =
        |size: u32| json!({"apiVersion": api, "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": size}});
    app.sync(std::slice::from_ref(&crd)).await;
    answers::eventually(async || {
        app.cluster.refresh_discovery().await.expect("discovery");
        app.plan(&[crd.clone(), widget(1)]).await.changes.iter().all(|change| change.verdict == Verdict::Accepted)
    })
    .await;
    app.sync(&[crd.clone(), widget(1)]).await;
    let mut broken = crd.clone();
    broken["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": "default", "name": "nope"}}}});
    app.sync(std::slice::from_ref(&broken)).await;
    let mut live = widget(1);
    live["metadata"]["namespace"] = json!(app.namespace);
    answers::eventually(async || app.cluster.get(&key(&live)).await.is_err_and(|error| error.is_conversion())).await;

    let whole = async |base: &[Value], change: &[Value]| {
        let (base, change) = (manifests(base), manifests(change));
        let (base, change) = (app.input(&base), app.input(&change));
        plan_change(&app.cluster, base, change, BaseSide::Complete, &CancellationToken::new()).await
    };
    // Nothing of another change is known: that is an outage as before.
    whole(&[broken.clone(), widget(1)], &[broken.clone(), widget(2)]).await.expect_err("it cannot be read");
    crd["spec"]["conversion"] = json!({"strategy": "None"});
    let not_validated = Verdict::NotValidated { reason: NotValidated::CrdInPlan { crd: format!("widgets.{group}") } };
    for (size, expected) in [
        (1, vec![(Action::Update, Verdict::Accepted)]),
        (2, vec![(Action::Update, Verdict::Accepted), (Action::Update, not_validated.clone())]),
    ] {
        let both = whole(&[broken.clone(), widget(1)], &[crd.clone(), widget(size)]).await.expect("two plans");
        let changes: Vec<_> =
            both.changes.changes.iter().map(|change| (change.action, change.verdict.clone())).collect();
        assert_eq!(changes, expected, "{}", app.show(&both.changes));
        assert!(both.already.changes.is_empty(), "{}", app.show(&both.already));
    }
    // The sync that applies the repair is planned as well.
    let plan = app.plan(&[crd.clone(), widget(2)]).await;
    assert!(plan.changes.iter().any(|change| change.verdict == not_validated), "{}", app.show(&plan));
    // A kind that cannot be listed keeps every namespace of the cluster from being deleted, those of other tests as
    // well.
    let force = ApplyMode { dry_run: false, force: true };
    for change in plan.changes.iter().filter(|change| change.key.kind == "CustomResourceDefinition") {
        let desired = change.desired.as_ref().expect("the repair");
        app.cluster.apply(&change.key, &desired.object, force).await.expect("applied");
    }
    answers::eventually(async || app.cluster.get(&key(&live)).await.is_ok()).await;
}

/// B15, case 09: without the subresource `status` is a field like any other, also while the CRD comes with the change.
#[tokio::test]
async fn a_status_that_is_data_is_applied_and_compared() {
    let mut app = Fixture::new("plan-status").await;
    let group = format!("{}.example", app.namespace);
    let mut crd = answers::crd(&group);
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"] = open;
    let note = |phase: &str| {
        json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "one"},
        "spec": {"size": 1}, "status": {"phase": phase}})
    };
    let coming = app.plan(&[crd.clone(), note("draft")]).await;
    assert!(app.show(&coming).contains("+  phase: draft"), "{}", app.show(&coming));
    app.sync(std::slice::from_ref(&crd)).await;
    let discovered = async || {
        let found = app.cluster.refresh_discovery().await.expect("discovery");
        found.resolve(&group, "v1", "Widget").map(|resource| resource.status)
    };
    answers::eventually(async || discovered().await == Some(false)).await;
    app.sync(&[crd.clone(), note("draft")]).await;
    let same = app.plan(&[crd.clone(), note("draft")]).await;
    assert!(same.is_empty(), "{}", app.show(&same));
    let other = app.plan(&[crd, note("final")]).await;
    assert!(app.show(&other).contains("-  phase: draft\n    +  phase: final"), "{}", app.show(&other));
}

/// B6: drift never fails the gate of a good pull request, and is not on its account. P2: what is live is said where the
/// change touches it.
#[tokio::test]
async fn drift_fails_no_pull_request_and_is_said_where_it_matters() {
    let mut app = Fixture::new("plan-drifted").await;
    let service = |selector: &str, port: u32| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {
            "selector": {"app": selector}, "ports": [{"name": "http", "port": port, "targetPort": 8080}]}})
    };
    let mut web = Fixture::bare(deployment("x", "web"));
    web["spec"]["replicas"] = json!(3);
    app.sync(&[service("web", 80), web.clone()]).await;
    let client = cluster::client().await;
    let params = kube::api::PatchParams { field_manager: Some("kubectl-edit".into()), ..Default::default() };
    let services = kube::Api::<k8s_openapi::api::core::v1::Service>::namespaced(client.clone(), &app.namespace);
    let ports = json!({"spec": {"ports": [{"$patch": "replace"}, {"name": "http", "port": 8099, "targetPort": 8080}]}});
    services.patch("web", &params, &kube::api::Patch::Strategic(ports)).await.expect("edited");
    let webs = kube::Api::<k8s_openapi::api::apps::v1::Deployment>::namespaced(client, &app.namespace);
    webs.patch("web", &params, &kube::api::Patch::Strategic(json!({"spec": {"replicas": 7}}))).await.expect("scaled");

    let mut scaled = web.clone();
    scaled["spec"]["replicas"] = json!(4);
    let both = app.change(&[service("web", 80), web], &[service("other", 80), scaled]).await;
    let shown = app.show(&both.changes);
    assert!(both.changes.changes.iter().all(|change| change.verdict == Verdict::Accepted), "{shown}");
    assert!(shown.contains("-    app: web\n    +    app: other") && !shown.contains("port: 8099"), "{shown}");
    let said: Vec<_> = both.changes.changes.iter().flat_map(|change| change.live.clone()).collect();
    assert_eq!(
        said,
        ["spec.replicas is 7 in the cluster (set by kubectl-edit), 3 in Git, and 4 with this change: scales down"]
    );
}

/// B6+: what a policy denies is refused when it is merged as well, although what is applied would be denied by now,
/// too: nobody has changed it.
#[tokio::test]
async fn what_a_policy_denies_by_now_is_no_drift() {
    let mut app = Fixture::new("plan-denied").await;
    let map = |value: &str| Fixture::bare(config_map("x", "js", &json!({"k": value})));
    app.sync(&[map("1")]).await;
    let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}});
    let counts = async || policy::is_denied(&app.namespace, &probe).await;
    let rule = "has(object.metadata.labels) && 'team' in object.metadata.labels";
    policy::deny(&app.namespace, "*", rule, "label team is missing", counts).await;
    let both = app.change(&[map("1")], &[map("2")]).await;
    let Verdict::Rejected { message, .. } = &both.changes.changes[0].verdict else {
        panic!("{}", app.show(&both.changes))
    };
    assert!(message.contains("label team is missing"), "{message}");
}
