//! One control plane for the whole test run, and a namespace of its own for each test.

use std::path::Path;
use std::time::Duration;

use driftless::dev::{Access, ControlPlane, ControlPlaneOptions, Programs};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::sync::OnceCell;

use super::tool;

/// Statics are not dropped: the control plane ends, and removes its directory, when the kernel closes the pipe
/// that this process holds.
static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

/// The control plane that all tests share.
pub async fn control_plane() -> &'static ControlPlane {
    CONTROL_PLANE
        .get_or_init(|| async { ControlPlane::start(&options()).await.expect("a control plane for the tests") })
        .await
}

static WEST: OnceCell<ControlPlane> = OnceCell::const_new();

/// A second cluster, for what goes from one to the other.
pub async fn west() -> &'static ControlPlane {
    WEST.get_or_init(|| async { ControlPlane::start(&options()).await.expect("a second control plane for the tests") })
        .await
}

/// How the tests start a control plane: in a new directory that goes with it.
pub fn options() -> ControlPlaneOptions {
    install_crypto();
    ControlPlaneOptions {
        programs: Programs::Bundled(tool::program("apiserver")),
        kwok: Some(tool::program("kwok")),
        directory: tempfile::Builder::new().prefix("driftless-").tempdir().expect("a temporary directory").keep(),
        ephemeral: true,
        port: None,
        ready_within: Duration::from_secs(90),
    }
}

/// A client of the administrator. Each test has its own: a client lives on the runtime that made it.
pub async fn client() -> kube::Client {
    client_for(control_plane().await.kubeconfig()).await
}

/// A client as the kubeconfig says.
pub async fn client_for(kubeconfig: &Path) -> kube::Client {
    install_crypto();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a usable kubeconfig");
    kube::Client::try_from(config).expect("a client")
}

/// A client with the identity of a service account, by a token that the API server issues.
pub async fn client_as(namespace: &str, account: &str) -> kube::Client {
    let access = Access {
        token: service_account_token(namespace, account).await.into(),
        ..control_plane().await.access().clone()
    };
    let directory = tempfile::tempdir().expect("a directory");
    let kubeconfig = directory.path().join("kubeconfig");
    access.write_kubeconfig(&kubeconfig).expect("written");
    client_for(&kubeconfig).await
}

/// A token of a service account, which its controller may be about to make.
pub async fn service_account_token(namespace: &str, account: &str) -> String {
    let accounts = kube::Api::<ServiceAccount>::namespaced(client().await, namespace);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while accounts.get_opt(account).await.expect("an answer").is_none() {
        assert!(tokio::time::Instant::now() < deadline, "no service account {account} in {namespace}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = accounts
        .create_token_request(account, &PostParams::default(), &TokenRequest::default())
        .await
        .expect("a token");
    answer.status.expect("a status").token
}

/// A namespace name that no other test has: the test's own words and a random end.
pub fn namespace_name(words: &str) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{words}-{}", &random[..8])
}

/// Creates a namespace with such a name and returns the name.
pub async fn namespace(words: &str) -> String {
    let name = namespace_name(words);
    create_namespace(client().await, &name).await;
    name
}

/// Creates a namespace.
pub async fn create_namespace(client: kube::Client, name: &str) -> Namespace {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    kube::Api::<Namespace>::all(client).create(&PostParams::default(), &namespace).await.expect("a namespace")
}

/// The first caller wins; later ones change nothing.
pub fn install_crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
