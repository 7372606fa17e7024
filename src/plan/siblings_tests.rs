use serde_json::json;

use super::*;

fn id(kind: &str, namespace: Option<&str>, name: &str) -> ObjectId {
    ObjectId {
        group: String::new(),
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    }
}

fn key(kind: &str, name: &str) -> ObjectKey {
    ObjectKey {
        group: String::new(),
        version: "v1".into(),
        kind: kind.into(),
        namespace: Some("shop".into()),
        name: name.into(),
    }
}

fn needs(siblings: &[(ObjectId, bool)], key: &ObjectKey, refusal: &str) -> Option<String> {
    let mut all = Siblings::default();
    for (id, changes) in siblings {
        all.insert(id.clone(), *changes);
    }
    let object = json!({"roleRef": {"kind": "Role", "name": "reader"}});
    all.needed_by(key, &object, refusal).map(|id| id.to_string())
}

/// B1: the server's own texts, as Kubernetes 1.30 to 1.36 has them.
#[test]
fn what_is_missing_and_comes_with_the_change_is_found_by_the_servers_text() {
    let account = (id("ServiceAccount", Some("shop"), "runner"), true);
    let class = (id("PriorityClass", None, "shop-high"), true);
    let runtime = (id("RuntimeClass", Some("shop"), "gvisor"), true);
    let role = (id("Role", Some("shop"), "reader"), true);
    let quota = (id("ResourceQuota", Some("shop"), "small"), true);
    let range = (id("LimitRange", Some("shop"), "range"), true);
    let (pod, binding) = (key("Pod", "once"), key("RoleBinding", "reads"));
    let cases = [
        (
            &account,
            &pod,
            r#"pods "once" is forbidden: error looking up service account shop/runner: serviceaccount "runner" not found"#,
        ),
        (&class, &pod, r#"pods "once" is forbidden: no PriorityClass with name shop-high was found"#),
        (&runtime, &pod, r#"pods "once" is forbidden: pod rejected: RuntimeClass "gvisor" not found"#),
        (&role, &binding, r#"roles "reader" not found"#),
        (&role, &binding, r#"rolebindings "reader" not found"#),
        (
            &role,
            &binding,
            r#"rolebindings.rbac.authorization.k8s.io "reads" is forbidden: user "x" is attempting to grant RBAC permissions not currently held: …"#,
        ),
        (
            &quota,
            &pod,
            r#"pods "once" is forbidden: exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0"#,
        ),
        (&range, &pod, r#"pods "once" is forbidden: maximum cpu usage per Container is 1, but limit is 2"#),
    ];
    for (sibling, key, refusal) in cases {
        assert_eq!(needs(std::slice::from_ref(sibling), key, refusal), Some(sibling.0.to_string()), "{refusal}");
        assert_eq!(needs(&[], key, refusal), None, "{refusal}");
    }
}

/// B1: a mistake of the object's own stays one, whatever comes beside it.
#[test]
fn another_refusal_is_no_siblings_fault() {
    let web = (id("ServiceAccount", Some("shop"), "web"), true);
    let pod = key("Pod", "web");
    for refusal in [
        r#"pods "web" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod or container "web" must set it)"#,
        r#"pods "web" is forbidden: error looking up service account shop/web-2: serviceaccount "web-2" not found"#,
        r#"admission webhook "policy" denied the request: image web is not signed"#,
    ] {
        assert_eq!(needs(std::slice::from_ref(&web), &pod, refusal), None, "{refusal}");
    }
    let elsewhere = (id("ServiceAccount", Some("other"), "web"), true);
    let lacks =
        r#"pods "web" is forbidden: error looking up service account other/web: serviceaccount "web" not found"#;
    assert_eq!(needs(&[elsewhere], &pod, lacks), None);
    let same = (id("ResourceQuota", Some("shop"), "small"), false);
    assert_eq!(
        needs(&[same], &pod, "exceeded quota: small, requested: pods=1"),
        None,
        "a quota that stays explains nothing"
    );
}

/// B1+: a policy, a webhook and a manifest can use the server's words as well.
#[test]
fn what_only_quotes_the_servers_words_is_no_siblings_fault() {
    let account = (id("ServiceAccount", Some("shop"), "runner"), true);
    let quota = (id("ResourceQuota", Some("shop"), "small"), true);
    let role = (id("Role", Some("shop"), "reader"), true);
    let pod = key("Pod", "web");
    for refusal in [
        r#"Service "web" is invalid: spec.type: Unsupported value: "serviceaccount runner not found""#,
        r#"pods "web" is forbidden: ValidatingAdmissionPolicy 'a' with binding 'a' denied request: serviceaccount "runner" not found"#,
        r#"admission webhook "a.b.c" denied the request: pods "web" is forbidden: exceeded quota: small, requested: pods=1"#,
        r#"admission webhook "a.b.c" denied the request: roles "reader" not found"#,
        r#"pods "web" is forbidden: ValidatingAdmissionPolicy 'a' with binding 'a' denied request: exceeded quota: small, requested: pods=1"#,
        r#"pods "web" is forbidden: no: maximum cpu usage per Container is 1"#,
        r#"pods "x" is forbidden: exceeded quota: small, requested: pods=1"#,
        r#"admission webhook "a" denied the request: failed calling webhook "x": Post "https://hooks.shop.svc:443/check""#,
    ] {
        assert_eq!(needs(&[account.clone(), quota.clone(), role.clone()], &pod, refusal), None, "{refusal}");
    }
}

#[test]
fn a_webhook_whose_server_comes_is_waited_for() {
    let refusal = r#"Internal error occurred: failed calling webhook "check.shop": failed to call webhook: Post "https://hooks.shop.svc:443/check?timeout=10s": service "hooks" not found"#;
    let service = |changes| (id("Service", Some("shop"), "hooks"), changes);
    assert_eq!(needs(&[service(false)], &key("ConfigMap", "a"), refusal), None, "it stays as it is");
    assert_eq!(needs(&[service(true)], &key("ConfigMap", "a"), refusal).as_deref(), Some("Service shop/hooks"));
    let server = (id("Deployment", Some("shop"), "server"), true);
    assert_eq!(
        needs(&[server], &key("ConfigMap", "a"), &refusal.replace("not found", "")).as_deref(),
        Some("Deployment shop/server")
    );
    assert_eq!(
        needs(
            &[(id("Deployment", Some("shop"), "server"), false)],
            &key("ConfigMap", "a"),
            &refusal.replace("not found", "")
        ),
        None
    );
}

#[test]
fn what_another_app_brings_is_known_by_its_full_name() {
    let mut all = Siblings::default();
    let object = |kind: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "shop"}});
    let manifests =
        [object("Namespace"), object("ServiceAccount")].map(|object| Manifest::new(object, None).expect("a name"));
    all.add(&manifests, "base", |_| true);
    assert!(all.has_namespace("shop"));
    assert!(all.first(|found| *found == id("ServiceAccount", Some("base"), "shop")).is_some());
}

/// B20+: a label on what limits others explains no refusal of theirs; its limits do.
#[test]
fn only_the_part_that_decides_counts_as_a_change() {
    let manifest = |object: Value| Manifest::new(object, None).expect("it has a name");
    let quota = |label: &str, most: &str| {
        manifest(
            json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "labels": {"team": label}},
                "spec": {"hard": {"pods": most}}}),
        )
    };
    assert!(!decides_otherwise(&quota("a", "1"), &quota("b", "1")));
    assert!(decides_otherwise(&quota("a", "1"), &quota("a", "2")));
    let namespace = |label: &str, level: &str| {
        let labels = json!({"team": label, "pod-security.kubernetes.io/enforce": level});
        manifest(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": labels}}))
    };
    assert!(!decides_otherwise(&namespace("a", "restricted"), &namespace("b", "restricted")));
    assert!(decides_otherwise(&namespace("a", "restricted"), &namespace("a", "baseline")));
    let map = |value: &str| {
        manifest(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": value}}))
    };
    assert!(decides_otherwise(&map("1"), &map("2")) && !decides_otherwise(&map("1"), &map("1")));
}
