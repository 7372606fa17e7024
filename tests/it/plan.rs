//! Plans against a real API server: what a sync would do, and what a pull request changes apart from what differs
//! already.

use driftless::app::{Adopt, Allow, App, Destination, DriftPolicy, OnDelete, Origin, Source, SyncPolicy};
use driftless::class::Classified as _;
use driftless::cluster::{ApplyMode, Cluster};
use driftless::ids::{AppId, ClusterName, Oid, RepoName};
use driftless::manifest::{Manifest, ObjectId, ObjectKey};
use driftless::plan::{Action, Change, Marks, NotValidated, Plan, Redactor, Siblings, TakeOver, Verdict};
use driftless::reconcile::{BaseSide, ChangePlan, Owned, PlanInput, ReconcileError, plan_apply, plan_change};
use driftless::render::RenderOptions;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cluster::{answers, apply, config_map, connect, connect_as, deployment, key, secret};
use crate::support::{cluster, policy};

/// An app in a namespace of its own.
struct Fixture {
    cluster: Cluster,
    namespace: String,
    app: App,
    marks: Marks,
    allow: Allow,
    revision: Oid,
    inventory: Vec<Owned>,
    adopt: bool,
}

impl Fixture {
    async fn new(words: &str) -> Self {
        let namespace = cluster::namespace(words).await;
        let app = App {
            id: AppId::new(&RepoName::new("shop"), &namespace),
            source: Source { repo: RepoName::new("shop"), ref_name: "refs/heads/main".to_owned(), path: String::new() },
            render: RenderOptions::default(),
            destination: Destination { cluster: ClusterName::new("test"), namespace: namespace.clone() },
            sync: SyncPolicy::Auto,
            drift: DriftPolicy::Heal,
            on_delete: OnDelete::Keep,
            adopt: Adopt(false),
            ignore_differences: Vec::new(),
            origin: Origin { file: "apps.yaml".to_owned(), line: 1, definitions_ref: String::new() },
        };
        let grants = json!({"clusters": ["*"], "namespaces": [format!("{namespace}*")],
            "clusterScoped": [{"kind": "CustomResourceDefinition"}]});
        Self {
            cluster: connect().await,
            marks: Marks::new("driftless", &app.id),
            allow: serde_json::from_value(grants).expect("grants"),
            revision: "0123456789012345678901234567890123456789".parse().expect("an id"),
            inventory: Vec::new(),
            adopt: false,
            namespace,
            app,
        }
    }

    fn input<'a>(&'a self, manifests: &'a [Manifest]) -> PlanInput<'a> {
        let Self { app, marks, allow, revision, inventory, adopt, .. } = self;
        PlanInput {
            app,
            marks,
            allow,
            revision,
            manifests,
            inventory,
            unchanged: &|_, _| false,
            handed_over: None,
            adopt: *adopt,
            reveals: false,
            siblings: None,
        }
    }

    async fn plan(&self, objects: &[Value]) -> Plan {
        let manifests = manifests(objects);
        plan_apply(&self.cluster, self.input(&manifests), &CancellationToken::new()).await.expect("a plan")
    }

    async fn change(&self, base: &[Value], change: &[Value]) -> ChangePlan {
        let (base, change) = (manifests(base), manifests(change));
        plan_change(
            &self.cluster,
            self.input(&base),
            self.input(&change),
            BaseSide::Complete,
            &CancellationToken::new(),
        )
        .await
        .expect("two plans")
    }

    /// Does what a sync does: applies each object as planned, and remembers it.
    async fn sync(&mut self, objects: &[Value]) {
        for change in self.plan(objects).await.changes {
            let Some(desired) = change.desired else { continue };
            let mode = ApplyMode { dry_run: false, force: true };
            let applied = self.cluster.apply(&change.key, &desired.object, mode).await.expect("applied");
            let uid = applied.object["metadata"]["uid"].as_str().map(str::to_owned);
            self.inventory.retain(|owned| owned.id != change.key.id());
            self.inventory.push(Owned {
                id: change.key.id(),
                uid,
                manifest_hash: Some(desired.hash),
                resource_version: None,
                done: false,
                held: false,
            });
            self.settled(&change.key).await;
        }
    }

    /// Waits until the controller has written its annotation, so that a plan reads the same in every run.
    async fn settled(&self, key: &ObjectKey) {
        answers::eventually(async || {
            let live = self.cluster.get(key).await.expect("an answer").expect("the object");
            let revision = live.pointer("/metadata/annotations/deployment.kubernetes.io~1revision");
            key.kind != "Deployment" || revision.is_some()
        })
        .await;
    }

    /// A plan as lines, without what differs between runs.
    fn show(&self, plan: &Plan) -> String {
        plan.changes.iter().map(|change| show(change).replace(&self.namespace, "NS")).collect()
    }

    /// For objects without a namespace of their own.
    fn bare(object: Value) -> Value {
        let mut object = object;
        object["metadata"].as_object_mut().expect("metadata").remove("namespace");
        object
    }
}

fn manifests(objects: &[Value]) -> Vec<Manifest> {
    objects.iter().map(|object| Manifest::new(object.clone(), Some("web.yaml".to_owned())).expect("a name")).collect()
}

fn show(change: &Change) -> String {
    let verdict = match &change.verdict {
        Verdict::Accepted => "accepted".to_owned(),
        Verdict::Rejected { message, .. } => format!("rejected: {message}"),
        Verdict::NotValidated { reason } => format!("not validated: {reason:?}"),
    };
    let mut lines = vec![format!("{:?} {} {verdict}", change.action, change.key)];
    lines.extend(change.conflicts.iter().map(|conflict| format!("  conflict {} {}", conflict.manager, conflict.field)));
    lines.extend(change.takes_over.iter().map(|owner| format!("  takes over from {owner:?}")));
    lines.extend(change.replaces_name.iter().map(|old| format!("  replaces {old}")));
    lines.extend(change.referrers.iter().map(|referrer| format!("  still used by {referrer}")));
    lines.extend(change.warnings.iter().chain(&change.notes).map(|note| format!("  {note}")));
    lines.extend(Redactor::default().diff(change).to_string().lines().map(|line| format!("    {line}")));
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn an_app_is_created_then_unchanged_then_updated() {
    let mut app = Fixture::new("plan-apply").await;
    let web = Fixture::bare(deployment("x", "web"));
    let map = Fixture::bare(config_map("x", "env", &json!({"k": "1"})));
    let first = app.plan(&[web.clone(), map.clone()]).await;
    app.sync(&[web.clone(), map.clone()]).await;
    let second = app.plan(&[web.clone(), map.clone()]).await;
    assert!(second.is_empty(), "{}", app.show(&second));
    let mut scaled = web.clone();
    scaled["spec"]["replicas"] = json!(3);
    let third = app.plan(&[scaled, Fixture::bare(config_map("x", "env", &json!({"k": "2", "l": "3"})))]).await;
    insta::assert_snapshot!(format!(
        "first\n{}\nsecond\n{}\nthird\n{}",
        app.show(&first),
        app.show(&second),
        app.show(&third)
    ));
}

#[tokio::test]
async fn the_same_in_other_words_is_no_change() {
    let mut app = Fixture::new("plan-words").await;
    let web = Fixture::bare(deployment("x", "web"));
    app.sync(std::slice::from_ref(&web)).await;
    let mut other = web.clone();
    other["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("500m");
    other["spec"]["revisionHistoryLimit"] = json!(10);
    let both = app.change(&[web], &[other]).await;
    assert!(
        both.changes.is_empty() && both.already.is_empty(),
        "{}{}",
        app.show(&both.changes),
        app.show(&both.already)
    );
}

#[tokio::test]
async fn nothing_is_asked_about_what_is_known_to_be_unchanged() {
    let mut app = Fixture::new("plan-known").await;
    let map = Fixture::bare(config_map("x", "env", &json!({"k": "1"})));
    app.sync(std::slice::from_ref(&map)).await;
    let hash = app.inventory[0].manifest_hash.clone().expect("a hash");
    let manifests = manifests(&[map]);
    let known = |id: &ObjectId, manifest: &str| id.name == "env" && manifest == hash;
    // A cluster that would have to be asked could not answer.
    let input = PlanInput { unchanged: &known, ..app.input(&manifests) };
    let plan = plan_apply(&app.cluster, input, &CancellationToken::new()).await.expect("a plan");
    assert!(plan.is_empty());
    assert!(plan.changes[0].before.is_none(), "it was not read");
}

#[tokio::test]
async fn an_object_that_is_as_it_was_left_is_not_read_and_one_that_was_touched_is() {
    let mut app = Fixture::new("plan-left").await;
    let map = Fixture::bare(config_map("x", "env", &json!({"k": "1"})));
    app.sync(std::slice::from_ref(&map)).await;
    let key = Manifest::new(map, None).expect("a name").key;
    let key = ObjectKey { namespace: Some(app.namespace.clone()), ..key };
    let live = app.cluster.get(&key).await.expect("an answer").expect("the object");
    app.inventory[0].resource_version = live["metadata"]["resourceVersion"].as_str().map(str::to_owned);
    let wanted = Fixture::bare(config_map("x", "env", &json!({"k": "2"})));

    let left = app.plan(std::slice::from_ref(&wanted)).await;
    let change = &left.changes[0];
    assert_eq!(
        (change.action, &change.verdict, change.takes_over.is_none()),
        (Action::Update, &Verdict::Accepted, true)
    );
    assert!(change.before.is_none(), "it was not read");

    let other = json!([{"op": "replace", "path": "/metadata/annotations", "value": {}}]);
    app.cluster.patch_json(&key, &other, false).await.expect("touched");
    let touched = app.plan(std::slice::from_ref(&wanted)).await;
    assert_eq!(touched.changes[0].action, Action::Update);
    assert!(touched.changes[0].before.is_some(), "it was read");
}

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
async fn only_what_differs_between_the_sides_can_fail() {
    let app = Fixture::new("plan-gate").await;
    let mut broken = Fixture::bare(deployment("x", "broken"));
    broken["spec"]["replica"] = json!(1);
    let (old, new) = (
        Fixture::bare(config_map("x", "a", &json!({"k": "1"}))),
        Fixture::bare(config_map("x", "a", &json!({"k": "2"}))),
    );
    let both = app.change(&[broken.clone(), old], &[broken, new]).await;
    assert!(!both.changes.changes.iter().any(Change::is_rejected), "{}", app.show(&both.changes));
    assert!(both.already.changes.iter().any(Change::is_rejected), "{}", app.show(&both.already));
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

/// A controller that never rests: what it writes must not look like a change of ours.
#[tokio::test]
async fn an_object_that_changes_while_it_is_read_does_not_look_changed() {
    let mut app = Fixture::new("plan-moving").await;
    let maps: Vec<_> = (0..20).map(|n| Fixture::bare(config_map("x", &format!("m{n}"), &json!({"k": "1"})))).collect();
    app.sync(&maps).await;
    let (other, namespace) = (connect_as("somebody").await, app.namespace.clone());
    let stop = CancellationToken::new();
    let writer = tokio::spawn({
        let stop = stop.clone();
        async move {
            let mut count = 0;
            while !stop.is_cancelled() {
                let object = config_map(&namespace, &format!("m{}", count % 20), &json!({"theirs": count.to_string()}));
                other.apply(&key(&object), &object, ApplyMode::default()).await.expect("applied");
                count += 1;
            }
            count
        }
    });
    for _ in 0..10 {
        let plan = app.plan(&maps).await;
        assert!(plan.is_empty(), "{}", app.show(&plan));
    }
    stop.cancel();
    assert!(writer.await.expect("the writer") > 20);
}

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

/// B9+: a Service that gets its first address is shown without one: what a trial makes up is not what it gets.
#[tokio::test]
async fn a_first_address_is_not_made_up() {
    let mut app = Fixture::new("plan-address").await;
    let service =
        |spec: &Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": spec});
    let named = service(&json!({"type": "ExternalName", "externalName": "db.example.test"}));
    let ports = json!([{"port": 80, "targetPort": 80, "protocol": "TCP"}]);
    let own = service(&json!({"type": "ClusterIP", "selector": {"app": "db"}, "ports": ports}));
    let open = service(&json!({"type": "NodePort", "selector": {"app": "db"}, "ports": ports}));
    app.sync(std::slice::from_ref(&named)).await;
    for to in [&own, &open] {
        let change = app.change(std::slice::from_ref(&named), std::slice::from_ref(to)).await;
        let plan = app.plan(std::slice::from_ref(to)).await;
        for shown in [app.show(&change.changes), app.show(&plan)] {
            assert!(
                shown.contains("selector") && !shown.contains("clusterIP") && !shown.contains("nodePort"),
                "{shown}"
            );
        }
    }
    app.sync(std::slice::from_ref(&own)).await;
    let shown = app.show(&app.change(std::slice::from_ref(&own), std::slice::from_ref(&open)).await.changes);
    assert!(shown.contains("NodePort") && !shown.contains("nodePort"), "{shown}");
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
async fn a_name_that_is_none_is_its_own_objects_fault() {
    let app = Fixture::new("plan-name").await;
    let [good, bad] = ["good", "not/good"].map(|name| Fixture::bare(config_map("x", name, &json!({"k": "1"}))));
    let plan = app.plan(&[good, bad]).await;
    insta::assert_snapshot!(app.show(&plan), @r#"
    Create ConfigMap NS/good accepted
        +apiVersion: v1
        +kind: ConfigMap
        +metadata:
        +  name: good
        +  namespace: NS
        +data:
        +  k: "1"
    Create ConfigMap NS/not/good rejected: The name "not/good" of the ConfigMap cannot be used: Driftless takes names of up to 253 letters, digits and characters of `-._~:@!$&'()*+,;=`, as they are a part of the object's address. Rename it.
    "#);
}

#[tokio::test]
async fn a_job_that_has_completed_and_was_cleaned_up_is_not_missed() {
    let mut app = Fixture::new("plan-done").await;
    let map = Fixture::bare(config_map("x", "env", &json!({"k": "1"})));
    app.sync(std::slice::from_ref(&map)).await;
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"},
        "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "m", "image": "example.test/m:1"}]}}}});
    let hash = app.plan(std::slice::from_ref(&job)).await.changes[0].desired.clone().expect("a manifest").hash;
    let id = ObjectId {
        group: "batch".into(),
        kind: "Job".into(),
        namespace: Some(app.namespace.clone()),
        name: "migrate".into(),
    };
    app.inventory.push(Owned {
        id,
        uid: Some("u".into()),
        manifest_hash: Some(hash),
        resource_version: None,
        done: true,
        held: false,
    });
    let plan = app.plan(&[map.clone(), job.clone()]).await;
    assert!(plan.is_empty(), "{}", app.show(&plan));
    let both = app
        .change(&[map.clone(), job.clone()], &[Fixture::bare(config_map("x", "env", &json!({"k": "2"}))), job.clone()])
        .await;
    assert!(both.already.is_empty(), "{}", app.show(&both.already));
    let mut other = job;
    other["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.test/m:2");
    let plan = app.plan(&[map, other]).await;
    assert_eq!(
        plan.changes.iter().filter(|change| change.action == Action::Create).count(),
        1,
        "another Job is another matter"
    );
}

#[tokio::test]
async fn a_secrets_value_is_in_no_plan() {
    let mut app = Fixture::new("plan-secret").await;
    let object =
        |pin: &str, user: &str| Fixture::bare(secret("x", "db", &json!({"stringData": {"pin": pin, "user": user}})));
    app.sync(&[object("31337-old", "shop-user")]).await;
    let both = app.change(&[object("31337-old", "shop-user")], &[object("31337-new", "shop-user")]).await;
    let mut broken = object("31337-new", "shop-user");
    broken["data"] = json!({"pin2": "not base64 31337"});
    let rejected = app.change(&[object("31337-old", "shop-user")], &[broken]).await;
    let shown = format!("{}{}", app.show(&both.changes), app.show(&rejected.changes));
    let debug = format!("{both:?}{rejected:?}");
    for text in [&shown, &debug] {
        assert!(!text.contains("31337") && !text.contains("MzEzMzc") && !text.contains("shop-user"), "{text}");
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn a_new_hash_in_a_name_is_an_update_and_a_delete_tells_who_needs_it() {
    let mut app = Fixture::new("plan-names").await;
    let old = Fixture::bare(config_map("x", "env-2222222222", &json!({"k": "1"})));
    let used = Fixture::bare(config_map("x", "used", &json!({"k": "1"})));
    let mut web = Fixture::bare(deployment("x", "web"));
    web["spec"]["template"]["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "used"}}]);
    app.sync(&[old, used, web.clone()]).await;
    let new = Fixture::bare(config_map("x", "env-4444444444", &json!({"k": "2"})));
    let plan = app.plan(&[new, web]).await;
    insta::assert_snapshot!(app.show(&plan));
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

#[tokio::test]
async fn a_cancelled_plan_is_nobodys_fault() {
    let app = Fixture::new("plan-cancel").await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = plan_apply(&app.cluster, app.input(&[]), &cancel).await.expect_err("cancelled");
    assert!(matches!(error, ReconcileError::Cancelled) && !error.class().is_retry());
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
    assert!(shown.contains("rejected: Service elsewhere/b asks for the node port 31765 as well"), "{shown}");
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
