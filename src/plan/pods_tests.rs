use super::*;
use crate::manifest::ObjectKey;
use crate::plan::{Desired, Verdict};

fn workload(kind: &str, spec: &Value) -> Value {
    let version = if kind.ends_with("Job") { "batch/v1" } else { "apps/v1" };
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
}

fn template(resources: &Value) -> Value {
    json!({"spec": {"containers": [{"name": "app", "resources": resources}]}})
}

fn deployment(replicas: u64, cpu: &str) -> Value {
    workload("Deployment", &json!({"replicas": replicas, "template": template(&json!({"requests": {"cpu": cpu}}))}))
}

fn change(action: Action, before: Option<Value>, after: &Value) -> Change {
    let change = Change::new(ObjectKey::of(after).expect("a name"), action, Verdict::Accepted);
    let desired = Some(Desired { object: after.clone(), hash: String::new() });
    Change { before, after: Some(after.clone()), desired, ..change }
}

fn create(after: &Value) -> Change {
    change(Action::Create, None, after)
}

fn update(before: &Value, after: &Value) -> Change {
    change(Action::Update, Some(before.clone()), after)
}

fn quota(resource: &str, hard: &str, used: &str) -> Value {
    json!({"metadata": {"name": "small", "namespace": "shop"}, "status": {"hard": {resource: hard},
        "used": {resource: used}}})
}

fn warned(quota: &Value, ranges: Option<&[Value]>, changes: &mut [Change]) -> Vec<String> {
    let limits = PodLimits { namespace: "shop", quotas: std::slice::from_ref(quota), ranges, direct: &Usage::new() };
    warn_of_pods(changes, &limits);
    changes.iter().flat_map(|change| change.remarks.clone()).collect()
}

/// B22+: replicas times requests, less what is there, against what is left.
#[test]
fn pods_that_would_not_fit_are_told_of() {
    let cpu = |hard: &str, used: &str| quota("requests.cpu", hard, used);
    let says = |quota: &Value, change: Change| warned(quota, Some(&[]), &mut [change]);
    let said = says(&cpu("2", "500m"), create(&deployment(4, "500m")));
    insta::assert_snapshot!(said.join("\n"), @"Some of its pods may not start: the quota small of the namespace shop has room for 1500m more requests.cpu (500m of 2 used), and this change needs about 2. Raise the quota, or request less");
    let fits = |quota: &Value, change: Change| says(quota, change).is_empty();
    assert!(fits(&cpu("2", "500m"), create(&deployment(3, "500m"))));
    assert!(fits(&cpu("2", "2"), update(&deployment(4, "500m"), &deployment(4, "500m"))), "nothing more");
    assert!(fits(&cpu("1", "2"), update(&deployment(4, "500m"), &deployment(3, "500m"))), "fewer");
    assert!(fits(&cpu("2500m", "2"), update(&deployment(4, "500m"), &deployment(5, "500m"))));
    assert!(!fits(&cpu("2", "2"), update(&deployment(4, "500m"), &deployment(5, "500m"))));
    assert!(!fits(&cpu("2", "2"), update(&deployment(4, "500m"), &deployment(4, "501m"))));
    assert!(fits(&cpu("2", "2"), change(Action::Update, None, &deployment(9, "1"))), "nobody knows what it adds");
    assert!(!fits(&quota("pods", "3", "0"), create(&deployment(4, "1"))));
    assert!(!fits(&quota("count/pods", "3", "0"), create(&deployment(4, "1"))));
    let mut scoped = cpu("1", "0");
    scoped["spec"] = json!({"scopes": ["BestEffort"]});
    assert!(fits(&scoped, create(&deployment(4, "1"))));
}

/// B22+: what one gives up, another one may take; what the change creates by itself counts as well.
#[test]
fn workloads_of_one_change_share_what_is_left() {
    let cpu = quota("requests.cpu", "2", "2");
    let named = |name: &str, mut object: Value| {
        object["metadata"]["name"] = name.into();
        object
    };
    let grows = update(&named("a", deployment(1, "1")), &named("a", deployment(2, "1")));
    let shrinks = update(&named("b", deployment(2, "1")), &named("b", deployment(1, "1")));
    assert_eq!(warned(&cpu, Some(&[]), &mut [grows.clone(), shrinks]), [] as [&str; 0]);
    assert_eq!(warned(&cpu, Some(&[]), std::slice::from_mut(&mut grows.clone())).len(), 1);
    let room = quota("requests.cpu", "3", "2");
    let direct = Usage::from([("requests.cpu".to_owned(), Quantity::whole(1))]);
    let limits =
        PodLimits { namespace: "shop", quotas: std::slice::from_ref(&room), ranges: Some(&[]), direct: &direct };
    let mut changes = [grows];
    warn_of_pods(&mut changes, &limits);
    assert_eq!(changes[0].remarks.len(), 1);
}

/// B22+: how many pods each kind has.
#[test]
fn the_pods_of_each_kind_are_counted() {
    let template = template(&json!({"requests": {"cpu": 1}}));
    let job = |more: &Value| {
        let mut job = json!({"template": template});
        job.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        job
    };
    let needs = |object: &Value| {
        let more = more(&create(object), &Defaults::default());
        more.get("requests.cpu").map(ToString::to_string)
    };
    let one = Some("1".to_owned());
    assert_eq!(needs(&workload("Deployment", &json!({"template": template}))), one, "the default");
    assert_eq!(needs(&workload("DaemonSet", &json!({"template": template}))), one, "at least");
    let mut daemons = workload("DaemonSet", &json!({"template": template}));
    daemons["status"] = json!({"desiredNumberScheduled": 7});
    assert_eq!(needs(&daemons).as_deref(), Some("7"));
    assert_eq!(needs(&workload("Job", &job(&json!({"parallelism": 5, "completions": 2})))).as_deref(), Some("2"));
    assert_eq!(needs(&workload("Job", &job(&json!({"suspend": true})))).as_deref(), Some("0"));
    let cron = |spec: &Value| workload("CronJob", spec);
    assert_eq!(needs(&cron(&json!({"jobTemplate": {"spec": job(&json!({"parallelism": 3}))}}))).as_deref(), Some("3"));
    assert_eq!(needs(&cron(&json!({"suspend": true, "jobTemplate": {"spec": job(&json!({}))}}))).as_deref(), Some("0"));
    assert!(!starts_pods(&create(&workload("ControllerRevision", &json!({"template": template})))));
    let claim = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    let set = workload("StatefulSet", &json!({"replicas": 3, "template": template, "volumeClaimTemplates": [claim]}));
    let more = more(&create(&set), &Defaults::default());
    let of = |name: &str| more[name].to_string();
    assert_eq!(
        (of("requests.storage"), of("persistentvolumeclaims"), of("pods")),
        ("6Gi".into(), "3".into(), "3".into())
    );
}

/// B22+: a quota for limits refuses each pod that has none, unless a `LimitRange` gives it one.
#[test]
fn what_a_quota_asks_of_each_container_is_told_of() {
    let (quota, web) = (quota("limits.memory", "4Gi", "0"), create(&deployment(1, "1")));
    let range = json!({"metadata": {"name": "range"}, "spec": {"limits": [{"type": "Container",
        "default": {"memory": "1Gi"}}]}});
    let said = warned(&quota, Some(&[]), &mut [web.clone()]);
    insta::assert_snapshot!(said.join("\n"), @"Its pods would be refused: the quota small of the namespace shop requires limits.memory of each container, and the container app does not set it. Set it, or add a LimitRange with a default");
    assert_eq!(warned(&quota, None, &mut [web.clone()]).len(), 0, "what fills it is not known");
    assert_eq!(warned(&quota, Some(std::slice::from_ref(&range)), &mut [web.clone()]).len(), 0);
    let five = create(&deployment(5, "1"));
    assert_eq!(warned(&quota, Some(std::slice::from_ref(&range)), &mut [five]).len(), 1, "the default counts");
    let brought = create(&json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "range",
        "namespace": "shop"}, "spec": range["spec"]}));
    let ranges = with_changed_ranges(Vec::new(), "shop", std::slice::from_ref(&brought));
    assert_eq!(warned(&quota, Some(&ranges), &mut [web]).len(), 0);
    assert!(with_changed_ranges(Vec::new(), "other", &[brought]).is_empty());
}
