use super::*;
use crate::manifest::ObjectKey;
use crate::plan::Desired;

fn create(kind: &str, name: &str, spec: &Value) -> Change {
    let object =
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec});
    let change = Change::new(ObjectKey::of(&object).expect("a name"), Action::Create, Verdict::Accepted);
    Change { desired: Some(Desired { object, hash: String::new() }), ..change }
}

fn rejected(quota: &Value, changes: &mut [Change], plural: &str) -> usize {
    let takings: Vec<_> = (0..changes.len()).map(|at| Taking { at, plural: plural.to_owned() }).collect();
    refuse_beyond(changes, std::slice::from_ref(quota), &takings);
    changes.iter().filter(|change| change.is_rejected()).count()
}

fn quota(resource: &str, hard: &str, used: &str) -> Value {
    json!({"metadata": {"name": "small", "namespace": "shop"}, "status": {"hard": {resource: hard},
        "used": {resource: used}}})
}

/// X7+: what is counted by a quota in any way.
#[test]
fn what_a_quota_counts_is_known() {
    let quota = |resource: &str| json!({"spec": {"hard": {resource: "1"}}});
    let map = create("ConfigMap", "a", &json!({}));
    assert!(is_counted(&map, "configmaps", &quota("count/configmaps")));
    assert!(is_counted(&map, "configmaps", &quota("configmaps")));
    assert!(!is_counted(&map, "configmaps", &quota("count/secrets")) && !is_counted(&map, "configmaps", &json!({})));
    let claim = create("PersistentVolumeClaim", "a", &json!({}));
    assert!(is_counted(&claim, "persistentvolumeclaims", &quota("requests.storage")));
    assert!(is_counted(&create("Pod", "a", &json!({})), "pods", &quota("requests.cpu")));
    let service = create("Service", "a", &json!({"type": "NodePort", "ports": [{"port": 1}]}));
    assert!(is_counted(&service, "services", &quota("services.nodeports")));
    assert!(!is_counted(&service, "services", &quota("services.loadbalancers")));
}

/// H6: each of them has room, and all of them have not.
#[test]
fn what_is_created_together_is_counted_together() {
    let maps = || [create("ConfigMap", "a", &json!({})), create("ConfigMap", "b", &json!({}))];
    let mut changes = maps();
    assert_eq!(rejected(&quota("count/configmaps", "3", "2"), &mut changes, "configmaps"), 2);
    let Verdict::Rejected { message, .. } = &changes[0].verdict else { panic!("{changes:?}") };
    insta::assert_snapshot!(message, @"The quota small of the namespace shop has room for 1 more count/configmaps (2 of 3 used), and this change creates 2. Raise the quota, or create fewer.");
    assert_eq!(rejected(&quota("configmaps", "3", "2"), &mut maps(), "configmaps"), 2);
    assert_eq!(rejected(&quota("count/configmaps", "1k", "998"), &mut maps(), "configmaps"), 0);
    assert_eq!(rejected(&quota("count/secrets", "1", "0"), &mut maps(), "configmaps"), 0);
    let mut scoped = quota("pods", "1", "0");
    scoped["spec"] = json!({"scopes": ["BestEffort"]});
    assert_eq!(rejected(&scoped, &mut [create("Pod", "a", &json!({})), create("Pod", "b", &json!({}))], "pods"), 0);
    let spec = json!({"type": "NodePort", "ports": [{"port": 1}, {"port": 2}]});
    let services = || [create("Service", "a", &spec), create("Service", "b", &json!({}))];
    assert_eq!(rejected(&quota("services.nodeports", "1", "0"), &mut services(), "services"), 1);
    assert_eq!(rejected(&quota("services.nodeports", "2", "0"), &mut services(), "services"), 0);
}

fn update(name: &str, before: &Value, after: &Value) -> Change {
    let object = |spec: &Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"}, "spec": spec});
    let change = create("Service", name, after);
    Change { action: Action::Update, before: Some(object(before)), after: Some(object(after)), ..change }
}

/// H6+: an update counts by what it adds.
#[test]
fn an_update_takes_what_it_adds() {
    let plain = json!({"type": "ClusterIP", "ports": [{"port": 1}]});
    let open = json!({"type": "NodePort", "ports": [{"port": 1}]});
    let wider = json!({"type": "NodePort", "ports": [{"port": 1}, {"port": 2}]});
    let balanced = json!({"type": "LoadBalancer", "ports": [{"port": 1}]});
    let bare = json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 1}]});
    let two = |before: &Value, after: &Value| [update("a", before, after), update("b", before, after)];
    let ports = |hard: &str, used: &str| quota("services.nodeports", hard, used);
    let mut changes = two(&plain, &open);
    assert_eq!(rejected(&ports("1", "0"), &mut changes, "services"), 2);
    let Verdict::Rejected { message, .. } = &changes[0].verdict else { panic!("{changes:?}") };
    insta::assert_snapshot!(message, @"The quota small of the namespace shop has room for 1 more services.nodeports (0 of 1 used), and this change adds 2. Raise the quota, or add fewer.");
    assert_eq!(rejected(&ports("2", "0"), &mut two(&plain, &open), "services"), 0);
    assert_eq!(rejected(&ports("3", "2"), &mut two(&open, &wider), "services"), 2);
    assert_eq!(rejected(&ports("2", "2"), &mut two(&open, &balanced), "services"), 0);
    assert_eq!(rejected(&ports("0", "0"), &mut two(&plain, &bare), "services"), 0);
    assert_eq!(rejected(&quota("services.loadbalancers", "1", "0"), &mut two(&open, &balanced), "services"), 2);
    assert_eq!(rejected(&quota("services", "2", "2"), &mut two(&plain, &open), "services"), 0);
    let mut unseen = two(&plain, &open).map(|change| Change { before: None, ..change });
    assert_eq!(rejected(&ports("1", "0"), &mut unseen, "services"), 0, "nobody knows what it adds");
    let limits = |resource: &str| json!({"spec": {"hard": {resource: "1"}}});
    let opened = update("a", &plain, &open);
    assert!(is_counted(&opened, "services", &limits("services.nodeports")));
    assert!(!is_counted(&opened, "services", &limits("services")));
}

/// H6+: a quota that the change brings counts by what it will be, and the others as they are.
#[test]
fn quotas_count_as_the_change_leaves_them() {
    let brought = |name: &str, hard: &Value| {
        let change = create("ResourceQuota", name, &json!({"hard": hard}));
        let after = change.desired.as_ref().map(|desired| desired.object.clone());
        Change { after, ..change }
    };
    let live = || vec![quota("count/configmaps", "4", "3")];
    let maps = [create("ConfigMap", "a", &json!({})), create("ConfigMap", "b", &json!({}))];
    let with = |change: Change| {
        let quotas = with_changed(live(), "shop", &[change]);
        let takings = [0, 1].map(|at| Taking { at, plural: "configmaps".to_owned() });
        let mut maps = maps.clone();
        refuse_beyond(&mut maps, &quotas, &takings);
        maps.iter().filter(|change| change.is_rejected()).count()
    };
    assert_eq!(with(brought("other", &json!({"count/secrets": "50"}))), 2, "it has nothing to do with it");
    assert_eq!(with(brought("small", &json!({"count/configmaps": 5}))), 0, "raised enough");
    assert_eq!(with(brought("small", &json!({"count/secrets": "1"}))), 0, "limits them no more");
    assert_eq!(with_changed(live(), "elsewhere", &[brought("small", &json!({}))]), live());
    let quotas = with_changed(Vec::new(), "shop", &[brought("new", &json!({"count/configmaps": "1"}))]);
    assert_eq!(rejected(&quotas[0], &mut maps.clone(), "configmaps"), 2);
}

/// B22+: CPU, memory and storage, of what the change itself creates.
#[test]
fn what_pods_and_claims_ask_for_together_is_summed() {
    let pod = |name: &str, cpu: &str| {
        create("Pod", name, &json!({"containers": [{"name": "a", "resources": {"requests": {"cpu": cpu}}}]}))
    };
    let pods = || [pod("a", "600m"), pod("b", "0.6")];
    let mut changes = pods();
    assert_eq!(rejected(&quota("requests.cpu", "2", "1"), &mut changes, "pods"), 2);
    let Verdict::Rejected { message, .. } = &changes[0].verdict else { panic!("{changes:?}") };
    insta::assert_snapshot!(message, @"The quota small of the namespace shop has room for 1 more requests.cpu (1 of 2 used), and this change requests 1200m. Raise the quota, or request less.");
    assert_eq!(rejected(&quota("cpu", "2", "1"), &mut pods(), "pods"), 2);
    assert_eq!(rejected(&quota("requests.cpu", "2200m", "1"), &mut pods(), "pods"), 0);
    assert_eq!(rejected(&quota("limits.cpu", "1", "1"), &mut pods(), "pods"), 0, "they have no limits");
    // The server has filled in what the manifest leaves out.
    let made = |change: Change| {
        let spec = json!({"containers": [{"name": "a", "resources": {"limits": {"memory": "1Gi"}}}]});
        Change { made: Some(json!({"spec": spec})), ..change }
    };
    assert_eq!(rejected(&quota("limits.memory", "1Gi", "0"), &mut pods().map(made), "pods"), 2);
    let claim = |name: &str, size: &str| {
        let spec = json!({"storageClassName": "fast", "resources": {"requests": {"storage": size}}});
        create("PersistentVolumeClaim", name, &spec)
    };
    let claims = || [claim("a", "1Gi"), claim("b", "512Mi")];
    let of =
        |resource: &str, hard: &str| rejected(&quota(resource, hard, "0"), &mut claims(), "persistentvolumeclaims");
    assert_eq!((of("requests.storage", "1Gi"), of("requests.storage", "1536Mi")), (2, 0));
    assert_eq!(of("fast.storageclass.storage.k8s.io/requests.storage", "1Gi"), 2);
    assert_eq!(of("slow.storageclass.storage.k8s.io/requests.storage", "0"), 0);
    assert_eq!(of("fast.storageclass.storage.k8s.io/persistentvolumeclaims", "1"), 2);
    // One that grows takes what it grows by.
    let grown = |name: &str| {
        let before = claim(name, "1Gi").desired.map(|desired| desired.object);
        Change { action: Action::Update, before, ..claim(name, "2Gi") }
    };
    let grow = |hard: &str| {
        rejected(&quota("requests.storage", hard, "2Gi"), &mut [grown("a"), grown("b")], "persistentvolumeclaims")
    };
    assert_eq!((grow("3Gi"), grow("4Gi")), (2, 0));
}
