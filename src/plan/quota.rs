//! What a quota lets be created of what a change creates together. Pure. Only what counts whole objects: what pods use
//! is counted when they start.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::change::{Action, Change, RefusedBy, Verdict};

/// A change that takes something of a quota: it creates an object, or makes one that is there count for more.
pub struct Taking {
    /// Its place among the changes.
    pub at: usize,
    /// The name of its kind in the API.
    pub plural: String,
}

/// Refuses those of which a quota has room for some, but not for all.
pub fn refuse_beyond(changes: &mut [Change], quotas: &[Value], takings: &[Taking]) {
    let mut wanted: BTreeMap<String, (u64, Vec<usize>)> = BTreeMap::new();
    for taking in takings {
        for (name, number) in counted(&changes[taking.at], &taking.plural) {
            let entry = wanted.entry(name).or_default();
            entry.0 += number;
            entry.1.push(taking.at);
        }
    }
    for quota in quotas.iter().filter(|quota| !is_scoped(quota)) {
        let (name, namespace) = (text(quota, "/metadata/name"), text(quota, "/metadata/namespace"));
        for (resource, (number, places)) in &wanted {
            let of = |which: &str| quota.pointer(&format!("/status/{which}"))?.get(resource).and_then(whole);
            let (Some(hard), Some(used)) = (of("hard"), of("used")) else { continue };
            if used + number <= hard {
                continue;
            }
            let creates = places.iter().all(|at| changes[*at].action == Action::Create);
            let (takes, fewer) = if creates { ("creates", "create") } else { ("adds", "add") };
            let message = format!(
                "The quota {name} of the namespace {namespace} has room for {} more {resource} ({used} of {hard} \
                 used), and this change {takes} {number}. \
                 Raise the quota, or {fewer} fewer.",
                hard.saturating_sub(used)
            );
            for at in places {
                changes[*at].verdict = Verdict::Rejected { message: message.clone(), causes: Vec::new() };
                changes[*at].refused_by = RefusedBy::Driftless;
            }
        }
    }
}

/// The quotas of a namespace as the change leaves them. Of what a new one limits nothing is known to be used.
pub fn with_changed(mut quotas: Vec<Value>, namespace: &str, changes: &[Change]) -> Vec<Value> {
    for change in changes.iter().filter(|change| sets_limits(change, namespace)) {
        let Some(wanted) = &change.desired else { continue };
        let live = quotas.iter().position(|quota| text(quota, "/metadata/name") == change.key.name);
        let used = live.and_then(|at| quotas[at].pointer("/status/used").cloned()).unwrap_or_default();
        let hard = wanted.object.pointer("/spec/hard").cloned().unwrap_or_default();
        let known = |resource: &String| used.get(resource).cloned().unwrap_or_else(|| "0".into());
        let names = hard.as_object().into_iter().flat_map(|hard| hard.keys());
        let used: serde_json::Map<String, Value> = names.map(|name| (name.clone(), known(name))).collect();
        let quota = json!({"metadata": {"name": change.key.name, "namespace": namespace},
            "spec": wanted.object.get("spec"), "status": {"hard": hard, "used": used}});
        match live {
            Some(at) => quotas[at] = quota,
            None => quotas.push(quota),
        }
    }
    quotas
}

/// Whether a change brings a quota of the namespace, or changes what it limits.
pub fn sets_limits(change: &Change, namespace: &str) -> bool {
    let limits = |state: &Option<Value>| state.as_ref().and_then(|state| state.get("spec").cloned());
    change.key.kind == "ResourceQuota"
        && change.key.group.is_empty()
        && change.key.namespace.as_deref() == Some(namespace)
        && !change.is_rejected()
        && matches!(change.action, Action::Create | Action::Update | Action::Replace)
        && limits(&change.before) != limits(&change.after)
}

/// Whether a change can take anything of a quota.
pub fn may_take(change: &Change) -> bool {
    match change.action {
        Action::Create => true,
        // Of what is not known as it was it is not known what it adds.
        Action::Update | Action::Replace => {
            change.key.group.is_empty() && change.key.kind == "Service" && change.before.is_some()
        }
        Action::None | Action::Prune => false,
    }
}

/// Whether a quota has to do with how many objects of a kind there are: then whoever makes or deletes one of them
/// changes what is left of it.
pub fn is_counted(change: &Change, plural: &str, quota: &Value) -> bool {
    let names = counted(change, plural);
    let is_made = change.action == Action::Create;
    let of_storage = change.key.group.is_empty() && plural == "persistentvolumeclaims";
    let of_pods = change.key.group.is_empty() && plural == "pods";
    let hard = quota.pointer("/spec/hard").and_then(Value::as_object);
    hard.into_iter().flat_map(|hard| hard.keys()).any(|name| {
        names.iter().any(|(counted, _)| counted == name)
            || (is_made && of_storage && name.contains("storage"))
            || (is_made && of_pods && !name.starts_with("count/"))
    })
}

/// Its scopes are of pods.
fn is_scoped(quota: &Value) -> bool {
    quota.pointer("/spec/scopes").is_some() || quota.pointer("/spec/scopeSelector").is_some()
}

/// What a quota counts an object as, beyond what it counts it as now.
fn counted(change: &Change, plural: &str) -> Vec<(String, u64)> {
    let desired = change.desired.as_ref().map(|desired| &desired.object);
    if change.action == Action::Create {
        return counted_as(change, plural, desired);
    }
    if !may_take(change) {
        return Vec::new();
    }
    let before = counted_as(change, plural, change.before.as_ref());
    let had = |name: &str| before.iter().find(|(had, _)| had == name).map_or(0, |(_, number)| *number);
    let after = counted_as(change, plural, change.after.as_ref().or(desired));
    let more = after.into_iter().map(|(name, number)| {
        let more = number.saturating_sub(had(&name));
        (name, more)
    });
    more.filter(|(_, more)| *more > 0).collect()
}

fn counted_as(change: &Change, plural: &str, object: Option<&Value>) -> Vec<(String, u64)> {
    const OLD_NAMES: [&str; 7] = [
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
    ];
    let group = if change.key.group.is_empty() { String::new() } else { format!(".{}", change.key.group) };
    let mut counted = vec![(format!("count/{plural}{group}"), 1)];
    if group.is_empty() && OLD_NAMES.contains(&plural) {
        counted.push((plural.to_owned(), 1));
    }
    if let Some(service) = object.filter(|_| group.is_empty() && plural == "services") {
        let ports = || service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
        let chosen = |port: &&Value| port.get("nodePort").is_some_and(|port| *port != 0);
        let gets_none = service.pointer("/spec/allocateLoadBalancerNodePorts") == Some(&Value::Bool(false));
        let node_ports = |number: usize| ("services.nodeports".to_owned(), number as u64);
        match text(service, "/spec/type") {
            "NodePort" => counted.push(node_ports(ports().count())),
            "LoadBalancer" => {
                let number = if gets_none { ports().filter(chosen).count() } else { ports().count() };
                counted.extend([node_ports(number), ("services.loadbalancers".to_owned(), 1)]);
            }
            _ => {}
        }
    }
    counted
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// `12`, `"12"` or `"2k"`.
fn whole(quantity: &Value) -> Option<u64> {
    let Some(quantity) = quantity.as_str() else { return quantity.as_u64() };
    match quantity.strip_suffix('k') {
        Some(thousands) => thousands.parse::<u64>().ok()?.checked_mul(1000),
        None => quantity.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
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
        assert!(
            !is_counted(&map, "configmaps", &quota("count/secrets")) && !is_counted(&map, "configmaps", &json!({}))
        );
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
}
