//! A control plane, a proxy before it that counts, and a forge: all on this machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use driftless::clock::SystemClock;
use driftless::dev::fault_proxy::FaultProxy;
use driftless::dev::forge::{DevForge, DevForgeConfig, Dialect};
use driftless::dev::git_http::GitFaults;
use driftless::dev::tls::DevTls;
use driftless::dev::{ControlPlane, ControlPlaneOptions, Programs};
use driftless::lifecycle::Tasks;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tempfile::TempDir;

use super::Outcome;
use super::changes::Changes;
use super::repos::Repo;

pub const TOKEN: &str = "t0ken";
pub const NAMESPACES: [&str; 2] = ["bench", "floor"];

pub struct World {
    control_plane: ControlPlane,
    pub proxy: FaultProxy,
    pub forge: DevForge,
    pub changes: Changes,
    pub client: kube::Client,
    pub tasks: Tasks,
    pub dir: TempDir,
    /// Where the server listens.
    pub port: u16,
}

impl World {
    pub async fn start() -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let tasks = Tasks::new();
        let options = ControlPlaneOptions {
            programs: Programs::Bundled(program("apiserver")?),
            kwok: None,
            directory: dir.path().join("control-plane"),
            ephemeral: true,
            port: None,
            ready_within: Duration::from_secs(90),
        };
        let control_plane = ControlPlane::start(&options).await?;
        let proxy = FaultProxy::start(control_plane.access(), &tasks).await?;
        proxy.write_kubeconfig(&dir.path().join("counted"))?;
        // Free a moment ago, which is good enough on one's own machine.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let forge = forge(dir.path(), port, &tasks).await?;
        let client = client(control_plane.kubeconfig()).await?;
        for name in NAMESPACES {
            let mut namespace = Namespace::default();
            namespace.metadata.name = Some(name.to_owned());
            kube::Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await?;
        }
        let changes = Changes::watch(client.clone(), &tasks);
        Ok(Self { control_plane, proxy, forge, changes, client, tasks, dir, port })
    }

    /// The administrator's, straight to the API server.
    pub fn kubeconfig(&self) -> &Path {
        self.control_plane.kubeconfig()
    }

    /// The same through the proxy that counts.
    pub fn counted_kubeconfig(&self) -> PathBuf {
        self.dir.path().join("counted")
    }

    /// Lets the forge process the push and send its webhook.
    pub async fn pushed(&self, repo: &Repo) -> Outcome<()> {
        Ok(self.forge.refs_changed(&repo.project()).await?)
    }

    pub async fn stop(self) {
        self.tasks.stop(Duration::from_secs(5)).await;
        self.control_plane.stop().await;
    }
}

async fn forge(dir: &Path, port: u16, tasks: &Tasks) -> Outcome<DevForge> {
    let tls = DevTls::new()?;
    std::fs::write(dir.join("ca.pem"), &tls.ca_pem)?;
    let config = DevForgeConfig {
        dialect: Dialect::default(),
        dir: dir.join("forge"),
        listen: ([127, 0, 0, 1], 0).into(),
        public_url: None,
        webhook_url: Some(format!("http://127.0.0.1:{port}/webhooks/forge")),
        webhook_secret: TOKEN.to_owned().into(),
        token: TOKEN.to_owned().into(),
        login: "driftless".to_owned(),
        app: None,
        git_tls: Some(tls),
        git_faults: GitFaults::default(),
    };
    Ok(DevForge::start(config, Arc::new(SystemClock), tasks).await?)
}

async fn client(kubeconfig: &Path) -> Outcome<kube::Client> {
    let config =
        kube::Config::from_custom_kubeconfig(Kubeconfig::read_from(kubeconfig)?, &KubeConfigOptions::default()).await?;
    Ok(kube::Client::try_from(config)?)
}

/// A program that `make bench` has built.
pub fn program(name: &str) -> Outcome<PathBuf> {
    let variable = format!("DRIFTLESS_{}", name.to_uppercase());
    if let Some(path) = std::env::var_os(&variable) {
        return Ok(path.into());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/tool");
    let output = Command::new(script).args(["--print", name]).output()?;
    let path = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    if path.is_file() { Ok(path) } else { Err(format!("{variable} names no program: run make bench").into()) }
}
