//! What Git drops and the cluster keeps all the same, as a default or a twin was made of it.

use super::*;

async fn remarks(words: &str, before: Value, after: Value) -> (Vec<String>, Action) {
    let mut app = Fixture::new(words).await;
    app.sync(std::slice::from_ref(&before)).await;
    let both = app.change(&[before], &[after]).await;
    let [change] = both.changes.changes.as_slice() else { panic!("{}", app.show(&both.changes)) };
    (change.remarks.clone(), change.action)
}

/// P4+: `serviceAccountName` goes from Git; its twin brings it back.
#[tokio::test]
async fn a_service_account_that_git_drops_is_told_to_stay() {
    let web = Fixture::bare(deployment("x", "web"));
    let mut with = web.clone();
    with["spec"]["template"]["spec"]["serviceAccountName"] = json!("bob");
    let (remarks, action) = remarks("keeps-account", with, web).await;
    assert_eq!(action, Action::None);
    let spec = "/spec/template/spec";
    let mut expected = ["serviceAccount", "serviceAccountName"]
        .map(|field| format!("{spec}/{field} keeps bob, which Git does not set; a new object would not have it"));
    let mut remarks = remarks;
    remarks.sort();
    expected.sort();
    assert_eq!(remarks, expected);
}

/// P4+: a policy that loses its egress rules goes on being one of egress, and denies it all.
#[tokio::test]
async fn policy_types_that_were_made_of_rules_are_told_to_stay() {
    let policy = |spec: Value| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"},
            "spec": spec})
    };
    let rules = json!({"podSelector": {}, "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}]});
    let (remarks, action) = remarks("keeps-egress", policy(rules), policy(json!({"podSelector": {}}))).await;
    assert_eq!(action, Action::Update);
    let said = "/spec/policyTypes keeps Egress, which Git does not set; a new object would have [Ingress]";
    assert_eq!(remarks, [said]);
}

/// P4+: another tag would have another policy to pull it.
#[tokio::test]
async fn a_pull_policy_of_an_older_tag_is_told_to_stay() {
    let of = |image: &str| {
        let mut web = Fixture::bare(deployment("x", "web"));
        let container = &mut web["spec"]["template"]["spec"]["containers"][0];
        container["image"] = json!(image);
        container.as_object_mut().expect("a container").remove("imagePullPolicy");
        web
    };
    let (said, _) = remarks("keeps-pull", of("example.test/a:1"), of("example.test/a:latest")).await;
    let kept = "/spec/template/spec/containers/0/imagePullPolicy keeps IfNotPresent, which Git does not set; a new \
                object would have Always";
    assert_eq!(said, [kept]);
    let (said, _) = remarks("keeps-nothing", of("example.test/a:1"), of("example.test/a:2")).await;
    assert!(said.is_empty(), "{said:?}");
}

/// A sibling of P4+ that must stay quiet: what the server gives to each object by itself, and what others set.
#[tokio::test]
async fn what_a_service_was_given_is_no_leftover() {
    let service =
        |spec: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": spec});
    let ports = json!([{"port": 80, "targetPort": 80, "protocol": "TCP", "name": "a"},
        {"port": 81, "targetPort": 81, "protocol": "TCP", "name": "b"}]);
    let one = json!([{"port": 80, "targetPort": 80, "protocol": "TCP", "name": "a"}]);
    let before = service(json!({"type": "NodePort", "selector": {"app": "db"}, "ports": ports}));
    let after = service(json!({"type": "NodePort", "selector": {"app": "db"}, "ports": one}));
    let (said, _) = remarks("keeps-service", before, after).await;
    assert!(said.is_empty(), "{said:?}");
}
