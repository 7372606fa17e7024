//! The control plane that everything else is tested on: it serves, pods become ready on it, and it leaves
//! nothing behind however its owner ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use driftless::dev::{ControlPlane, ControlPlaneError, Programs};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::api::PostParams;
use serde_json::json;

use crate::support::{cluster, tool};

/// Set for the copy of this test that is killed.
const HOLDER: &str = "DRIFTLESS_TEST_HOLDS_CONTROL_PLANE";

#[tokio::test]
async fn deployments_become_available_and_load_balancers_get_an_address() {
    let client = cluster::client().await;
    let version = client.apiserver_version().await.expect("the version");
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "36"), "clients read these numbers");
    let namespace = cluster::namespace("control-plane").await;

    let deployments = kube::Api::<Deployment>::namespaced(client.clone(), &namespace);
    let deployment = serde_json::from_value(json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 3,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "web", "image": "example.test/web:1" }] },
            },
        },
    }))
    .expect("a deployment");
    deployments.create(&PostParams::default(), &deployment).await.expect("created");

    let services = kube::Api::<Service>::namespaced(client, &namespace);
    let service = serde_json::from_value(json!({
        "metadata": { "name": "web" },
        "spec": { "type": "LoadBalancer", "selector": { "app": "web" }, "ports": [{ "port": 80 }] },
    }))
    .expect("a service");
    services.create(&PostParams::default(), &service).await.expect("created");

    eventually("three replicas available", async || {
        let deployment = deployments.get("web").await.expect("the deployment");
        deployment.status.and_then(|status| status.available_replicas) == Some(3)
    })
    .await;
    eventually("an address for the load balancer", async || {
        let service = services.get("web").await.expect("the service");
        service.status.and_then(|s| s.load_balancer).and_then(|l| l.ingress).is_some_and(|ingress| !ingress.is_empty())
    })
    .await;
}

/// Plays both parts: run by the test runner it starts a copy of itself, which starts a control plane and
/// hangs; the copy is killed, and nothing of the control plane may be left.
#[tokio::test]
async fn nothing_outlives_a_killed_owner() {
    if std::env::var_os(HOLDER).is_some() {
        let options = cluster::options();
        let _plane = ControlPlane::start(&options).await.expect("a control plane");
        // Not captured, unlike what the macro prints.
        writeln!(std::io::stdout(), "holding {}", options.directory.display()).expect("said");
        std::future::pending::<()>().await;
    }
    let mut holder = Command::new(std::env::current_exe().expect("this test binary"))
        .args(["--exact", "--nocapture", "control_plane::nothing_outlives_a_killed_owner"])
        .env(HOLDER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("a copy of this test");
    let output = BufReader::new(holder.stdout.take().expect("its output"));
    let directory = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("holding ").map(|(_, path)| PathBuf::from(path)))
        .expect("the copy says where its control plane is");
    let running = processes_that_name(&directory);
    holder.kill().expect("SIGKILL");
    holder.wait().expect("it is dead");
    assert!(running >= 3, "the API server, KWOK and the shell that holds it, not {running}");
    eventually("no process left", async || processes_that_name(&directory) == 0).await;
    eventually("the directory removed", async || !directory.exists()).await;
}

#[tokio::test]
async fn a_stop_waits_for_the_end() {
    let mut options = cluster::options();
    options.kwok = None;
    let plane = ControlPlane::start(&options).await.expect("a control plane");
    assert_eq!(processes_that_name(&options.directory), 1);
    plane.stop().await;
    assert_eq!(processes_that_name(&options.directory), 0);
    assert!(!options.directory.exists(), "an ephemeral directory goes with it");
}

#[tokio::test]
async fn a_server_that_can_not_start_says_why() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut options = cluster::options();
    options.port = Some(taken.local_addr().expect("its address").port());
    options.ephemeral = false;
    let error = ControlPlane::start(&options).await.expect_err("the port is taken");
    assert!(matches!(&error, ControlPlaneError::Ended { .. }), "{error:?}");
    assert!(error.to_string().contains("address already in use"), "{error}");
    std::fs::remove_dir_all(&options.directory).expect("removed");
}

#[tokio::test]
async fn a_kwok_that_ends_is_named_at_once() {
    let programs = tempfile::tempdir().expect("a directory");
    let broken = programs.path().join("kwok");
    std::os::unix::fs::symlink("/bin/false", &broken).expect("linked");
    let mut options = cluster::options();
    options.kwok = Some(broken);
    let error = ControlPlane::start(&options).await.expect_err("it ends");
    assert!(error.to_string().contains("kwok ended before it was ready (exit status: 1)"), "{error}");
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let mut options = cluster::options();
    options.programs = Programs::Bundled(PathBuf::from("/nowhere/apiserver"));
    let error = ControlPlane::start(&options).await.expect_err("it is not there");
    assert_eq!(error.to_string(), "/nowhere/apiserver is missing; build it with `make tools`");
    std::fs::remove_dir_all(&options.directory).expect("removed");
}

/// The programs are built here from the same modules; a folder of `KUBEBUILDER_ASSETS` has them as released.
#[tokio::test]
async fn programs_on_disk_serve_instead_of_the_bundled_one() {
    let etcd = tool::program("etcd");
    let server = tool::program("kube-apiserver");
    let assets = tempfile::tempdir().expect("a directory");
    let mut options = cluster::options();
    options.programs = Programs::Assets(assets.path().to_owned());

    std::os::unix::fs::symlink(etcd, assets.path().join("etcd")).expect("linked");
    let error = ControlPlane::start(&options).await.expect_err("half of it is missing");
    assert!(error.to_string().contains("kube-apiserver is missing; KUBEBUILDER_ASSETS must name a folder"), "{error}");

    std::os::unix::fs::symlink(server, assets.path().join("kube-apiserver")).expect("linked");
    let plane = ControlPlane::start(&options).await.expect("a control plane");
    assert!(!plane.has_controllers(), "there are none in the folder");
    let client = cluster::client_for(plane.kubeconfig()).await;
    let applied = cluster::create_namespace(client, "on-disk").await;
    assert_eq!(applied.metadata.name.as_deref(), Some("on-disk"));

    plane.stop().await;
    assert_eq!(processes_that_name(&options.directory), 0);
    assert!(!options.directory.exists());
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "not within 30 seconds: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How many processes have the directory in their arguments.
fn processes_that_name(directory: &Path) -> usize {
    let needle = directory.to_string_lossy().into_owned();
    let processes = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    processes
        .filter(|process| {
            std::fs::read(process.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&needle))
        })
        .count()
}
