//! How pull requests may end: each way has a status that is final, and says why.

use driftless::store::jobs::State;

use super::manifests::{config_map, deployment, kustomization};
use super::push::shop;
use crate::support::world::{Files, PROJECT, REPO, Setup, World};

/// A world in which the shop is up.
async fn up(words: &str) -> World {
    up_with(words, Setup::default()).await
}

async fn up_with(words: &str, setup: Setup) -> World {
    let world = World::with(words, setup).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world
}

/// The state and text of the gate that a pull request with these files ends with, and its comment.
async fn end_of(world: &World, branch: &str, files: Files) -> (String, String, String) {
    let pull = world.open_pull(branch, files).await;
    let status = world.status(&pull.head).await;
    let comment =
        if status.description == "no app is affected" { String::new() } else { world.comment(pull.number, "").await };
    (status.state, status.description, comment)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_app_is_affected() {
    let world = up("gate-none").await;
    let pull = world.open_pull("words", Files::new().file("README", "words")).await;
    world.status_is(&pull.head, "success", "no app is affected").await;
    world.settled().await;
    assert_eq!(world.comments(pull.number), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_conflict() {
    let world = up("gate-conflict").await;
    let head = world.commit("ours", &Files::new().file("deploy/settings.yaml", config_map("settings", "ours")));
    let base = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "theirs"))).await;
    world.healthy("shop", &base).await;
    let number = world.forge.open_pull(PROJECT, "ours", "main", "Ours").await.expect("opened");
    world.status_is(&head, "failure", "conflicts with main in 1 file: deploy/settings.yaml").await;
    world.comment(number, "Merging would fail").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_render_error() {
    let world = up("gate-render").await;
    let files = Files::new().file("deploy/kustomization.yaml", kustomization(&["web.yaml", "missing.yaml"]));
    let (state, text, comment) = end_of(&world, "wrong", files).await;
    assert_eq!((state.as_str(), text.as_str()), ("failure", "1 render error (shop)"), "{comment}");
    assert!(comment.contains("missing.yaml"), "{comment}");
    // T2+: the history says so too, and never that there was nothing to change.
    let (told, _) = world.cli(&["runs", "shop#1"]).await;
    assert!(told.contains("failed") && told.contains("1 render error (shop)") && !told.contains("succeeded"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_not_allowed() {
    let world = up("gate-allow").await;
    let elsewhere =
        world.app("other", "other").replace(&format!("namespace: {}", world.namespace), "namespace: kube-system");
    let files = Files::new().file("apps/other.yaml", elsewhere).file("other/map.yaml", config_map("other", "x"));
    let (state, text, comment) = end_of(&world, "elsewhere", files).await;
    assert_eq!(state, "failure", "{text}\n{comment}");
    assert!(comment.contains("kube-system") && comment.contains("allow.namespaces"), "{comment}");
    // X4+: where the manifests name a namespace that is allowed, the destination is refused all the same.
    let own = config_map("own", "x").replace("  name: own", &format!("  name: own\n  namespace: {}", world.namespace));
    let typo = world.app("typo", "typo").replace(&format!("namespace: {}", world.namespace), "namespace: kube-system");
    let files = Files::new()
        .file("apps/typo.yaml", typo)
        .file("typo/map.yaml", own)
        .file("deploy/settings.yaml", config_map("settings", "two"));
    let (state, text, comment) = end_of(&world, "typo", files).await;
    assert_eq!(
        (state.as_str(), text.as_str()),
        ("failure", "destination not allowed (typo), 1 to update"),
        "{comment}"
    );
    assert!(comment.contains("destination namespace kube-system is not allowed"), "{comment}");
    // An object that names a namespace of others itself.
    let smuggled =
        config_map("smuggled", "x").replace("  name: smuggled", "  name: smuggled\n  namespace: kube-system");
    let files = Files::new()
        .file("deploy/kustomization.yaml", kustomization(&["web.yaml", "service.yaml", "settings.yaml", "more.yaml"]))
        .file("deploy/more.yaml", smuggled);
    let (state, text, comment) = end_of(&world, "smuggled", files).await;
    assert_eq!(state, "failure", "{text}\n{comment}");
    assert!(comment.contains("allow.namespaces"), "{comment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork() {
    let world = up("gate-fork").await;
    let files = Files::new().file("deploy/settings.yaml", config_map("settings", "fork"));
    let head = world.commit("stranger", &files);
    world.forge.fail_deliveries([driftless::dev::forge::DeliveryFault::Drop; 2]);
    let number = world.forge.open_pull(PROJECT, "stranger", "main", "From afar").await.expect("opened");
    world.forge.make_fork(PROJECT, number);
    world.forge.delivered().await;
    world.poll().await;
    world.status_is(&head, "failure", "not previewed: pull requests from forks are not previewed").await;
    world.comment(number, "Not previewed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_rejects() {
    let world = up("gate-typo").await;
    let typo = deployment("web", "example.test/web:1", 2).replace("replicas:", "replicaz:");
    let (state, text, comment) = end_of(&world, "typo", Files::new().file("deploy/web.yaml", typo)).await;
    assert_eq!(state, "failure", "{comment}");
    assert!(text.starts_with("1 rejected (shop)"), "{text}");
    assert!(comment.contains("replicaz"), "{comment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_none_is_the_fault_of_its_definition_alone() {
    let world = up("gate-nowhere").await;
    let nowhere = world.app("other", "other").replace("cluster: prod", "cluster: prod-typo");
    let files = Files::new()
        .file("apps/other.yaml", nowhere)
        .file("other/map.yaml", config_map("other", "x"))
        .file("deploy/settings.yaml", config_map("settings", "two"));
    let (state, text, comment) = end_of(&world, "nowhere", files).await;
    assert_eq!(
        (state.as_str(), text.as_str()),
        ("failure", "destination not allowed (other), 1 to update"),
        "{comment}"
    );
    assert!(comment.contains("cluster prod-typo is not in the configuration"), "{comment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_the_merge_queue_has_a_gate_of_its_own() {
    let world = up("gate-group").await;
    let branch = "gh-readonly-queue/main/pr-7-0123456789012345678901234567890123456789";
    let typo = deployment("web", "example.test/web:1", 2).replace("replicas:", "replicaz:");
    let groups = [
        (Files::new().file("deploy/settings.yaml", config_map("settings", "two")), "success", "1 to update"),
        (Files::new().file("deploy/web.yaml", typo), "failure", "1 rejected (shop)"),
    ];
    for (files, state, text) in groups {
        let head = world.commit(branch, &files);
        let (repo, ref_name) = (driftless::ids::RepoName::new("shop"), format!("refs/heads/{branch}"));
        let key = driftless::queue::Key::MergeGroup { repo, ref_name };
        let request = driftless::queue::Request::new(key, driftless::queue::Trigger::Poll).with_hint(head.as_str());
        world.context().queue.enqueue(&[request]).await.expect("queued");
        let status = world.status(&head).await;
        assert_eq!(status.state, state, "{}", status.description);
        assert!(status.description.starts_with(text), "{}", status.description);
        assert_eq!(world.states(&head).first().map(String::as_str), Some("pending"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_driftless_may_not_touch_hides_nothing_else() {
    let world = up("gate-kind").await;
    let lease =
        "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata:\n  name: lock\nspec: {holderIdentity: me}\n";
    let files = Files::new()
        .file("deploy/kustomization.yaml", kustomization(&["web.yaml", "service.yaml", "settings.yaml", "lease.yaml"]))
        .file("deploy/lease.yaml", lease)
        .file("deploy/settings.yaml", config_map("settings", "two"));
    let (state, text, comment) = end_of(&world, "lease", files).await;
    assert_eq!((state.as_str(), text.as_str()), ("failure", "1 rejected (shop)"), "{comment}");
    assert!(comment.contains("leases.coordination.k8s.io") && comment.contains("ConfigMap"), "{comment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_with_its_own_namespace_is_not_validated() {
    let world = up("gate-namespace").await;
    let namespace = format!("{}-new", world.namespace);
    let app = world
        .app("fresh", "fresh")
        .replace(&format!("namespace: {}", world.namespace), &format!("namespace: {namespace}"));
    let files = Files::new()
        .file("apps/fresh.yaml", app)
        .file("fresh/namespace.yaml", format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n"))
        .file("fresh/map.yaml", config_map("fresh", "x"));
    let pull = world.open_pull("fresh", files).await;
    world.status_is(&pull.head, "success", "2 to create, 1 not validated (fresh)").await;
    let comment = world.comment(pull.number, "not validated").await;
    assert!(!comment.contains("no change"), "{comment}");
    let merge = world.merge_pull(pull.number).await;
    world.healthy("fresh", &merge).await;
    world.comment(pull.number, "healthy after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_with_its_own_definition_is_not_validated() {
    let setup = Setup { admin: true, cluster_scoped: "[{kind: CustomResourceDefinition}]", ..Setup::default() };
    let world = up_with("gate-crd", setup).await;
    let group = format!("{}.example.test", world.namespace);
    let crd = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: \
         gadgets.{group}\nspec:\n  group: {group}\n  \
         scope: Namespaced\n  names: {{plural: gadgets, singular: gadget, kind: Gadget, listKind: GadgetList}}\n  \
         versions:\n    - name: v1\n      \
         served: true\n      storage: true\n      schema:\n        openAPIV3Schema:\n          type: object\n          \
         properties:\n            \
         spec: {{type: object, properties: {{size: {{type: integer}}}}}}\n"
    );
    let gadget = format!("apiVersion: {group}/v1\nkind: Gadget\nmetadata:\n  name: one\nspec: {{size: 1}}\n");
    let files = Files::new()
        .file("apps/gadgets.yaml", world.app("gadgets", "gadgets"))
        .file("gadgets/crd.yaml", crd)
        .file("gadgets/one.yaml", gadget);
    let pull = world.open_pull("gadgets", files).await;
    world.status_is(&pull.head, "success", "2 to create, 1 not validated (gadgets)").await;
    let merge = world.merge_pull(pull.number).await;
    world.healthy("gadgets", &merge).await;
    assert_eq!(
        world.inventory("gadgets").await,
        [format!("CustomResourceDefinition gadgets.{group}"), "Gadget one".to_owned()]
    );
    // H1+: nobody has said anything of the Gadget, so that `apps` calls the app no more healthy than its run does.
    world.settled().await;
    let (state, health, message) = world.stands("gadgets").await;
    assert_eq!((state.as_str(), health.as_str()), ("synced", "unknown"), "{message}");
    assert!(message.contains("health unknown: Gadget"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_the_change_breaks() {
    let world = up("gate-definition").await;
    let broken = world.app("shop", "deploy").replace("destination:", "destnation:");
    let (state, text, comment) = end_of(&world, "broken", Files::new().file("apps/shop.yaml", broken)).await;
    // The key that is not known, and the one that is missing.
    assert_eq!((state.as_str(), text.as_str()), ("failure", "2 errors in app definitions"), "{comment}");
    assert!(comment.contains("apps/shop.yaml:") && comment.contains("destnation"), "{comment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_away_is_an_error_and_then_mended() {
    let world = up_with("gate-away", Setup { give_up: "1s", ..Setup::default() }).await;
    world.proxy.add(driftless::dev::fault_proxy::Rule::all(driftless::dev::fault_proxy::Fault::status(
        http::StatusCode::SERVICE_UNAVAILABLE,
    )));
    let pull = world.open_pull("away", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    assert_eq!(world.status(&pull.head).await.state, "error");
    world.proxy.clear();
    world.status_is(&pull.head, "success", "1 to update").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_without_credentials_has_no_gate_and_nothing_to_be_tried_for_ever() {
    let world =
        World::with("gate-nobody-to-tell", Setup { credentials: false, first_looks: false, ..Setup::default() }).await;
    world.commit("main", &shop(&world));
    let pull =
        world.open_pull("untold", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    let store = &world.context().store;
    let key = format!("preview:{REPO}#{}", pull.number);
    world.eventually("the end of the preview", async || store.job(&key, State::Done).await.expect("the store")).await;
    assert!(world.gate(&pull.head).is_none());
    assert_eq!(store.queue_depth().await.expect("the store").failed, 0, "{}", world.story().await);
}

/// B2: the Namespace of one app comes with another app of the same pull request.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_app_of_the_pull_request_brings_fails_no_gate() {
    let world = up("gate-others").await;
    let inner = format!("{}-inner", world.namespace);
    let app =
        world.app("inner", "inner").replace(&format!("namespace: {}", world.namespace), &format!("namespace: {inner}"));
    let files = Files::new()
        .file("apps/inner.yaml", app)
        .file("inner/map.yaml", config_map("inside", "x"))
        .file("apps/ground.yaml", world.app("ground", "ground"))
        .file("ground/namespace.yaml", format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {inner}\n"));
    let (state, text, comment) = end_of(&world, "others", files).await;
    assert_eq!((state.as_str(), text.as_str()), ("success", "2 to create, 1 not validated (inner)"), "{comment}");
    assert!(comment.contains("is created by this change"), "{comment}");
}

/// L14 and P5: a pull request that changes nothing but how an app is looked after says what, and never that it changes
/// no object.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_is_said() {
    let world = up("gate-policy").await;
    let files =
        Files::new().file("apps/shop.yaml", world.app_with("shop", "deploy", "  onDelete: prune\n  drift: ignore\n"));
    let (state, text, comment) = end_of(&world, "policy", files).await;
    assert_eq!((state.as_str(), text.as_str()), ("success", "1 definition changed; no objects change"), "{comment}");
    assert!(comment.contains("**Merging changes the definition of 1 app.**"), "{comment}");
    assert!(comment.contains("Sets `onDelete: prune`") && comment.contains("+  drift: ignore"), "{comment}");
}

/// P5: the removal of an app reads as what it is.
#[tokio::test(flavor = "multi_thread")]
async fn the_removal_of_an_app_says_that_its_objects_stay() {
    let world = up("gate-removal").await;
    let (state, _, comment) = end_of(&world, "removal", Files::new().without("apps/shop.yaml")).await;
    assert_eq!(state, "success", "{comment}");
    assert!(comment.contains("**App `shop` stops being managed; its 3 objects stay.**"), "{comment}");
}

/// X15: what comes with an app that merging does not sync by itself is not there for the others.
#[tokio::test(flavor = "multi_thread")]
async fn x15_what_waits_for_a_person_brings_nothing_to_others() {
    let world = World::start("gates-brought").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let inner = format!("{}-new", world.namespace);
    let within = |app: String| app.replace(&format!("namespace: {}", world.namespace), &format!("namespace: {inner}"));
    let files = |ground: &str, needs: &str| {
        Files::new()
            .file("apps/ground.yaml", world.app_with("ground", "ground", ground))
            .file("ground/namespace.yaml", format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {inner}\n"))
            .file("apps/needs.yaml", within(world.app_with("needs", "needs", needs)))
            .file("needs/map.yaml", config_map("inside", "x"))
    };
    let manual = "  sync: manual\n";
    let pull = world.open_pull("half", files(manual, "")).await;
    world.status_is(&pull.head, "failure", "1 rejected (needs), 1 to create").await;
    let comment = world.comment(pull.number, "is part of app shop/ground").await;
    assert!(comment.contains("`sync: manual`") && comment.contains("sync that app first"), "{comment}");
    // Who syncs both by hand begins with the right one.
    let both = world.open_pull("both", files(manual, manual)).await;
    let status = world.status(&both.head).await;
    assert_eq!(status.state, "success", "{}", status.description);
    let all = world.open_pull("all", files("", "")).await;
    let status = world.status(&all.head).await;
    assert_eq!(status.state, "success", "{}", status.description);
}

/// X16: an app that renders neither before nor after is no "no app is affected" for whoever changes what it reads.
#[tokio::test(flavor = "multi_thread")]
async fn x16_what_was_broken_before_is_said_to_whoever_touches_it() {
    let world = World::start("broken-before").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.push(Files::new().file("deploy/web.yaml", "kind: [\n")).await;
    world.settled().await;
    let list = format!("# Sorted.\n{}", kustomization(&["web.yaml", "service.yaml", "settings.yaml"]));
    let touches = world.open_pull("touches", Files::new().file("deploy/kustomization.yaml", list)).await;
    world.status_is(&touches.head, "failure", "1 render error (shop)").await;
    assert!(world.comment(touches.number, "render error in").await.contains("deploy/web.yaml"));
    let elsewhere = world.open_pull("elsewhere", Files::new().file("notes.md", "x")).await;
    world.status_is(&elsewhere.head, "success", "no app is affected").await;
}

/// X16+: what the server refuses as the base has it holds up every merge of that app, and each of its pull requests
/// says so, unless it mends that.
#[tokio::test(flavor = "multi_thread")]
async fn x16_what_is_refused_on_the_base_is_said_to_whoever_changes_the_app() {
    let world = World::start("refused-before").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world
        .push(Files::new().file("deploy/settings.yaml", config_map("settings", "x").replace("\ndata:", "\ndta:")))
        .await;
    world.settled().await;
    let web = |image: &str| Files::new().file("deploy/web.yaml", deployment("web", image, 2));
    let beside = world.open_pull("beside", web("example.test/web:2")).await;
    world.status_is(&beside.head, "failure", "1 rejected (shop)").await;
    let comment = world.comment(beside.number, "rejected on the base as well").await;
    assert!(comment.contains("settings") && comment.contains("dta"), "{comment}");
    let mends = web("example.test/web:3").file("deploy/settings.yaml", config_map("settings", "three"));
    let mends = world.open_pull("mends", mends).await;
    world.status_is(&mends.head, "success", "2 to update").await;
}

/// A job that was lost leaves no pull request blocked for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_nobody_ends_is_ended_by_the_next_look() {
    let world = World::start("stuck").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.settled().await;
    let repo = driftless::ids::RepoName::new("shop");
    let pending = driftless::report::pending(&pull.head, "driftless", None);
    world.context().outbox.put_gate(&repo, pull.number, &pending).await.expect("put");
    world.status_is(&pull.head, "pending", "computing the preview").await;
    world.poll().await;
    world.status_is(&pull.head, "success", "1 to update").await;
}
