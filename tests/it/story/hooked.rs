//! Admission webhooks that an app brings and that do not answer.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::Api;

use super::manifests::{config_map, deployment};
use crate::support::cluster;
use crate::support::world::{Files, Setup, World};

/// A webhook for the `ConfigMap`s of the world's namespace. Nobody serves it.
fn hook(world: &World, policy: &str) -> String {
    let namespace = &world.namespace;
    format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata:\n  name: \
         {namespace}\nwebhooks:\n- name: check.{namespace}.example\n  admissionReviewVersions: [v1]\n  sideEffects: \
         None\n  failurePolicy: {policy}\n  namespaceSelector:\n    matchLabels: {{kubernetes.io/metadata.name: \
         {namespace}}}\n  rules:\n  - {{apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: \
         [configmaps]}}\n  clientConfig:\n    service: {{name: nobody, namespace: {namespace}}}\n"
    )
}

/// X6+: a webhook that does not answer is repaired and removed by Git, although the objects beside it cannot be asked
/// about before that.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_does_not_answer_is_repaired_by_git() {
    let setup = Setup { admin: true, cluster_scoped: "[{kind: ValidatingWebhookConfiguration}]", ..Setup::default() };
    let world = World::with("hooked", setup).await;
    let files = Files::new()
        .file("apps/own.yaml", world.app("own", "own"))
        .file("own/map.yaml", config_map("settings", "one"))
        .file("own/web.yaml", deployment("web", "example.test/web:1", 1))
        .file("own/hook.yaml", hook(&world, "Fail"));
    let base = world.push(files).await;
    world.healthy("own", &base).await;
    let hooks = Api::<ValidatingWebhookConfiguration>::all(cluster::client().await);
    let policy = async || {
        let hook = hooks.get_opt(&world.namespace).await.expect("an answer")?;
        hook.webhooks?.into_iter().next()?.failure_policy
    };
    assert_eq!(policy().await, Some("Fail".into()));

    // As the image of what serves it.
    let web = deployment("web", "example.test/web:2", 1);
    let pull = world.open_pull("serve", Files::new().file("own/web.yaml", web)).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    let merge = world.merge_pull(pull.number).await;
    world.healthy("own", &merge).await;

    let pull = world.open_pull("repair", Files::new().file("own/hook.yaml", hook(&world, "Ignore"))).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    let merge = world.merge_pull(pull.number).await;
    world.healthy("own", &merge).await;
    assert_eq!(policy().await, Some("Ignore".into()));

    let broken = world.push(Files::new().file("own/hook.yaml", hook(&world, "Fail"))).await;
    world.healthy("own", &broken).await;
    let pull = world.open_pull("remove", Files::new().without("own/hook.yaml")).await;
    world.status_is(&pull.head, "success", "1 to delete").await;
    let merge = world.merge_pull(pull.number).await;
    world.healthy("own", &merge).await;
    assert_eq!(policy().await, None);
}
