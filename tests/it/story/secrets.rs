//! A Secret's value is shown nowhere.

use base64::Engine as _;
use driftless::store::runs::{RunRow, RunState};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::manifests::{deployment, kustomization};
use super::push::shop;
use crate::support::world::{Files, Setup, World};
use crate::support::{logs, policy};

const CANARIES: [&str; 4] = ["CANARY-alpha-7781", "CANARY-beta-7782", "90210777", "CANARY-gamma-7783"];

fn secret(text: &str, number: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: keys\nstringData:\n  password: {text}\n  pin: {number}\n")
}

/// What the server's socket answers.
async fn api(world: &World, path: &str) -> String {
    let mut socket = tokio::net::UnixStream::connect(world.socket()).await.expect("the socket");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_a_secret_leaves() {
    let world = World::with("canary", Setup { give_up: "2s", ..Setup::default() }).await;
    let with_secret = kustomization(&["web.yaml", "service.yaml", "settings.yaml", "secret.yaml"]);
    let files = shop(&world)
        .file("deploy/kustomization.yaml", with_secret)
        .file("deploy/secret.yaml", secret(CANARIES[0], "\"1\""));
    let base = world.push(files).await;
    world.healthy("shop", &base).await;
    let live = world.live("v1 Secret", "keys").await.expect("applied");
    assert_eq!(
        live["data"]["password"],
        base64::engine::general_purpose::STANDARD.encode(CANARIES[0]),
        "it is really applied"
    );

    let mut shown = Vec::new();
    // Changed; a number where a text has to be; a value that the server refuses; and one that breaks the render.
    let bad = secret(CANARIES[3], "\"1\"").replace("metadata:", "type: kubernetes.io/tls\nmetadata:");
    let unreadable = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: keys\nstringData:\n  password: {{{}: [\n",
        CANARIES[3]
    );
    for (branch, text) in [
        ("changed", secret(CANARIES[1], "\"2\"")),
        ("number", secret("fine", CANARIES[2])),
        ("refused", bad),
        ("unreadable", unreadable),
    ] {
        let pull = world.open_pull(branch, Files::new().file("deploy/secret.yaml", text)).await;
        let status = world.status(&pull.head).await;
        let comment = world.comment(pull.number, "").await;
        shown.push((branch, status.state.clone(), format!("{status:?}\n{comment}")));
        shown.push((branch, String::new(), api(&world, &format!("/api/v1/previews/shop/{}", pull.number)).await));
    }
    assert_eq!(shown[0].1, "success", "{}", shown[0].2);
    assert_eq!(shown[4].1, "failure", "{}", shown[4].2);
    // And a sync of what is refused.
    let next = world
        .push(
            Files::new()
                .file("deploy/secret.yaml", secret("fine", CANARIES[2]))
                .file("deploy/web.yaml", deployment("web", "x", 2)),
        )
        .await;
    world
        .eventually("an end of the sync", async || {
            world
                .runs("/shop")
                .await
                .into_iter()
                .find(|run| run.revision.as_deref() == Some(next.as_str()) && run.finished.is_some())
        })
        .await;
    // And a sync whose refusal of another object quotes what the Secret holds.
    let quoting = format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  selector: {{app: web}}\n  ports:\n    - port: \
         80\n      name: {}\n",
        CANARIES[0]
    );
    let next = world
        .push(
            Files::new().file("deploy/secret.yaml", secret(CANARIES[0], "\"1\"")).file("deploy/service.yaml", quoting),
        )
        .await;
    let refused = world
        .eventually("a refused Service", async || {
            let runs = world.runs("/shop").await;
            runs.into_iter().find(|run| run.revision.as_deref() == Some(next.as_str()) && run.finished.is_some())
        })
        .await;
    shown.push(("a refused sync", String::new(), format!("{refused:?}")));
    assert!(format!("{refused:?}").contains("(hidden)"), "{refused:?}");
    // And one that quotes what the Secret holds in the cluster alone, as Git has another value by now.
    let live = world.live("v1 Secret", "keys").await.expect("still there");
    assert_eq!(live["data"]["password"], base64::engine::general_purpose::STANDARD.encode(CANARIES[0]));
    let next = world.push(Files::new().file("deploy/secret.yaml", secret("another-value-4", "\"1\""))).await;
    let refused = world
        .eventually("a refused Service beside a live Secret", async || {
            let runs = world.runs("/shop").await;
            runs.into_iter().find(|run| run.revision.as_deref() == Some(next.as_str()) && run.finished.is_some())
        })
        .await;
    shown.push(("a refused sync beside a live Secret", String::new(), format!("{refused:?}")));
    assert!(format!("{refused:?}").contains("(hidden)"), "{refused:?}");
    for path in ["/api/v1/apps", "/api/v1/runs", "/api/v1/jobs", "/api/v1/deliveries"] {
        shown.push((path, String::new(), api(&world, path).await));
    }
    shown.push(("the history", String::new(), world.story().await));
    let log = logs::kept();
    assert!(log.contains(&world.namespace), "the log is kept");
    shown.push(("the log", String::new(), log));
    for canary in CANARIES {
        let encoded = base64::engine::general_purpose::STANDARD.encode(canary);
        for (place, _, text) in &shown {
            for hidden in [canary, encoded.as_str()] {
                let at =
                    text.find(hidden).map(|at| text[at.saturating_sub(300)..(at + 100).min(text.len())].to_owned());
                assert_eq!(at, None, "{place} shows a secret");
            }
        }
    }
}

/// S1+: what a template makes of an inline value (a part of a text, a hash) is not the value any more: only its key is
/// shown.
#[tokio::test(flavor = "multi_thread")]
async fn inline_values_of_a_chart_that_makes_a_secret_stay_hidden() {
    let world = World::with("inline", Setup::default()).await;
    let app = |password: &str, replicas: u32| {
        let spec = "source: {path: chart}\n  destination: {cluster: prod, namespace: NAMESPACE}"
            .replace("NAMESPACE", &world.namespace);
        let values = format!("{{db: {{password: {password}}}, replicas: {replicas}}}");
        format!(
            "apiVersion: driftless.dev/v1\nkind: App\nmetadata: {{name: shop}}\nspec:\n  {spec}\n  helm:\n    values: \
             {values}\n"
        )
    };
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData:\n  url: postgres://shop:{{ \
                  .Values.db.password }}@db\n";
    let files = Files::new()
        .file("apps/shop.yaml", app(CANARIES[0], 1))
        .file("chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n")
        .file("chart/templates/secret.yaml", secret);
    let base = world.push(files).await;
    world.healthy("shop", &base).await;
    let pull = world.open_pull("rotate", Files::new().file("apps/shop.yaml", app(CANARIES[1], 2))).await;
    assert_eq!(world.status(&pull.head).await.state, "success");
    let comment = world.comment(pull.number, "").await;
    for canary in &CANARIES[..2] {
        assert!(!comment.contains(canary), "{comment}");
    }
    for shown in [
        "-        password: (hidden, old value)",
        "+        password: (hidden, new value)",
        "+      replicas: (hidden, new value)",
    ] {
        assert!(comment.contains(shown), "{comment}");
    }
}

/// What people, the store and the log are told.
async fn all_that_is_told(world: &World) -> String {
    let mut told = world.story().await;
    for path in ["/api/v1/apps", "/api/v1/runs", "/api/v1/jobs"] {
        told.push_str(&api(world, path).await);
    }
    for run in world.runs("/shop").await {
        told.push_str(&format!("{run:?}"));
    }
    told + &logs::kept()
}

async fn tells_no(world: &World, canary: &str) {
    let told = all_that_is_told(world).await;
    for hidden in [canary.to_owned(), base64::engine::general_purpose::STANDARD.encode(canary)] {
        let at = told.find(&hidden).map(|at| told[at.saturating_sub(300)..(at + 100).min(told.len())].to_owned());
        assert_eq!(at, None, "a secret is told");
    }
}

/// An app with a Secret that holds what Git does not have.
async fn with_a_live_value(words: &str, health: &'static str, canary: &str) -> World {
    let world = World::with(words, Setup { give_up: "2s", health, ..Setup::default() }).await;
    let all = kustomization(&["web.yaml", "service.yaml", "settings.yaml", "secret.yaml"]);
    let files = shop(&world)
        .file("deploy/kustomization.yaml", all)
        .file("deploy/secret.yaml", secret("one-in-git-5512", "\"1\""));
    let base = world.push(files).await;
    world.healthy("shop", &base).await;
    let patch = serde_json::json!({"stringData": {"rotated": canary}});
    let api = world.api("v1 Secret").await;
    api.patch("keys", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("patched");
    world
}

async fn failed_at(world: &World, revision: &str) -> RunRow {
    world
        .eventually("a failed sync", async || {
            let of_it = |run: &RunRow| run.revision.as_deref() == Some(revision) && run.state == RunState::Failed;
            world.runs("/shop").await.into_iter().find(of_it)
        })
        .await
}

/// X11+: what a policy says to a delete repeats what a Secret holds in the cluster alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_prune_tells_no_value_of_a_live_secret() {
    let canary = "CANARY-rotated-4471";
    let world = with_a_live_value("canary-prune", "40s", canary).await;
    let maps = world.api("v1 ConfigMap").await;
    let counts = async || {
        let params = DeleteParams { dry_run: true, ..DeleteParams::default() };
        maps.delete("settings", &params).await.is_err()
    };
    let message = format!("the database still knows {canary}");
    policy::deny(&world.namespace, "DELETE", "oldObject.metadata.name != 'settings'", &message, counts).await;
    let rest = kustomization(&["web.yaml", "service.yaml", "secret.yaml"]);
    let next = world.push(Files::new().file("deploy/kustomization.yaml", rest)).await;
    let run = failed_at(&world, next.as_str()).await;
    assert!(run.error.as_deref().unwrap_or_default().contains("the database still knows (hidden)"), "{run:?}");
    tells_no(&world, canary).await;
}

/// X11+: what a controller says of an object that does not become healthy repeats what a Secret holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_health_tells_no_value_of_a_live_secret() {
    let canary = "CANARY-rotated-4472";
    let world = with_a_live_value("canary-health", "14s", canary).await;
    let pods = world.api("v1 Pod").await;
    let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
        "spec": {"containers": [{"name": "a", "image": "example.test/a:1"}]}});
    let counts = async || {
        let params = PostParams { dry_run: true, ..PostParams::default() };
        pods.create(&params, &serde_json::from_value(pod.clone()).expect("a pod")).await.is_err()
    };
    let message = format!("the token {canary} is not known");
    policy::deny_kind(&world.namespace, "pods", "CREATE", "false", &message, counts).await;
    let next = world.push(Files::new().file("deploy/web.yaml", deployment("web", "x", 3))).await;
    world
        .eventually("what is waited for", async || {
            api(&world, "/api/v1/apps").await.contains("the token (hidden) is not known").then_some(())
        })
        .await;
    tells_no(&world, canary).await;
    let run = failed_at(&world, next.as_str()).await;
    assert!(run.error.as_deref().unwrap_or_default().contains("the token (hidden) is not known"), "{run:?}");
    tells_no(&world, canary).await;
}
