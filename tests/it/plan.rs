//! Plans against a real API server: what a sync would do, and what a pull request changes apart from what differs
//! already.

mod blocked;
mod keeps;
mod limits;
mod sides;
mod taken;
mod versions;

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
    Create ConfigMap NS/not/good rejected: The name "not/good" of the ConfigMap cannot be used: Driftless accepts names of up to 253 letters, digits and characters of `-._~:@!$&'()*+,;=`, because they are part of the object's URL. Rename it.
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
async fn a_cancelled_plan_is_nobodys_fault() {
    let app = Fixture::new("plan-cancel").await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = plan_apply(&app.cluster, app.input(&[]), &cancel).await.expect_err("cancelled");
    assert!(matches!(error, ReconcileError::Cancelled) && !error.class().is_retry());
}
