//! A whole Driftless: the shared control plane, a forge of its own with one repository, and a server in this process
//! between them.
//!
//! Each world has an instance name and a namespace of its own, so that tests run beside each other. Whatever is waited
//! for is bounded, and what does not come ends the test with all that the server's history knows.

mod git;
mod look;
mod process;
mod relay;
mod setup;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use driftless::clock::SystemClock;
use driftless::dev::fault_proxy::FaultProxy;
use driftless::dev::forge::{DevForge, DevForgeConfig, Dialect};
use driftless::dev::git_http::GitFaults;
use driftless::dev::tls::DevTls;
use driftless::ids::{AppId, ClusterName, RepoName};
use driftless::jobs::Context;
use driftless::lifecycle::Tasks;
use driftless::queue::{Key, Manual, Request, Trigger};
use driftless::serve::{self, Running};

pub use git::{Files, Pull};
pub use setup::{Setup, TOKEN, West};

use self::process::Process;
use self::relay::Relay;
use super::git::Work;
use super::{cluster, deployed, logs};

pub const PROJECT: &str = "acme/shop";
pub const REPO: &str = "shop";
/// The project of the second repository, if there is one.
pub const LIBRARY: &str = "acme/library";

pub struct World {
    pub forge: DevForge,
    /// Before the API server: counts what Driftless asks, and misbehaves on demand.
    pub proxy: FaultProxy,
    /// The same before a second cluster, if there is one.
    pub west: Option<FaultProxy>,
    /// How the forge's Git misbehaves.
    pub git_faults: GitFaults,
    pub namespace: String,
    setup: Setup,
    work: Work,
    relay: Relay,
    /// Everything around the server.
    _around: Tasks,
    server: Option<Running>,
    process: Option<Process>,
    folder: tempfile::TempDir,
}

impl World {
    pub async fn start(words: &str) -> Self {
        Self::with(words, Setup::default()).await
    }

    pub async fn with(words: &str, setup: Setup) -> Self {
        let mut world = Self::without_server(words, setup).await;
        world.start_server().await;
        // What a start looks for would else come between a test's own steps.
        if world.setup.first_looks {
            world.first_looks().await;
        }
        world
    }

    async fn without_server(words: &str, setup: Setup) -> Self {
        cluster::install_crypto();
        logs::keep();
        let namespace = if setup.namespace { cluster::namespace(words).await } else { cluster::namespace_name(words) };
        let access = if setup.admin { cluster::control_plane().await.access() } else { deployed::identity().await };
        let (around, folder) = (Tasks::new(), tempfile::tempdir().expect("a directory"));
        let proxy = FaultProxy::start(access, &around).await.expect("a proxy");
        proxy.write_kubeconfig(&folder.path().join("kubeconfig")).expect("a kubeconfig");
        let west = west(&setup, &namespace, &around, folder.path()).await;
        let relay = Relay::start(&around).await;
        let webhook_url = setup.webhooks.then(|| format!("http://{}/webhooks/forge", relay.address));
        let git_faults = GitFaults::default();
        let forge = forge(setup.dialect, folder.path(), webhook_url, git_faults.clone(), &around).await;
        if setup.with_library {
            forge.create_repo(LIBRARY).await.expect("a repository");
        }
        let work = Work::new();
        Self {
            forge,
            proxy,
            west,
            git_faults,
            namespace,
            setup,
            work,
            relay,
            _around: around,
            server: None,
            process: None,
            folder,
        }
    }

    async fn start_server(&mut self) {
        let (api, clone) = (self.forge.api_url(), self.forge.clone_url(PROJECT));
        let config = setup::config(&self.setup, self.folder.path(), &self.namespace, &api, &clone);
        let environment = serve::Environment {
            clock: Arc::new(SystemClock),
            seed: 7,
            launcher: env!("CARGO_BIN_EXE_driftless").into(),
            first_looks: Duration::ZERO,
            between_writes: Some(Duration::from_millis(5)),
        };
        let running = serve::start(config, environment, &Tasks::new()).await.expect("the server starts");
        self.relay.lead_to(Some(running.address));
        self.server = Some(running);
    }

    /// Stops the server as a signal does.
    pub async fn stop(&mut self) {
        self.relay.lead_to(None);
        if let Some(Running { tasks, context, .. }) = self.server.take() {
            tasks.stop(Duration::from_secs(10)).await;
            // A file that is still open must not be taken away, nor written over.
            context.store.close().await;
        }
    }

    /// Stops the server and starts another one on the same store.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    /// Starts a server on what [`World::stop`] has left, or on what was made of it.
    pub async fn start_again(&mut self) {
        self.start_server().await;
    }

    /// Takes the store of a stopped server away: what was remembered is lost.
    pub fn lose_store(&self) {
        for file in ["driftless.db", "driftless.db-wal", "driftless.db-shm"] {
            let path = self.folder.path().join("data").join(file);
            if path.exists() {
                std::fs::remove_file(path).expect("removed");
            }
        }
    }

    /// What the next server finds in its configuration about the second cluster.
    pub fn say_of_west(&mut self, west: West) {
        self.setup.west = west;
    }

    /// Whether the next server finds the apps' namespace in `allow`.
    pub fn allow_namespace(&mut self, allows: bool) {
        self.setup.allows_namespace = allows;
    }

    /// The namespaces that the next server lets the library's apps touch.
    pub fn allow_library(&mut self, allows: &'static str) {
        self.setup.allows_library = allows;
    }

    /// The store of a stopped server, to be put back later.
    pub fn copy_store(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("data/driftless.db")).expect("a store")
    }

    pub fn put_store_back(&self, copy: &[u8]) {
        self.lose_store();
        std::fs::write(self.folder.path().join("data/driftless.db"), copy).expect("written");
    }

    /// Whether the forge tells of anything.
    pub fn has_webhooks(&self) -> bool {
        self.setup.webhooks
    }

    pub fn context(&self) -> &Context {
        &self.server.as_ref().expect("the server runs").context
    }

    pub fn socket(&self) -> std::path::PathBuf {
        self.context().config.socket.clone()
    }

    /// The periodic look at the repository, now.
    pub async fn poll(&self) {
        self.enqueue(Key::Poll(RepoName::new(REPO)), Trigger::Resync).await;
    }

    /// The periodic look for deliveries that never came, now.
    pub async fn look_for_deliveries(&self) {
        self.enqueue(Key::Deliveries(RepoName::new(REPO)), Trigger::Resync).await;
    }

    /// The periodic look at the cluster, now.
    pub async fn resync(&self) {
        self.resync_of("prod").await;
    }

    pub async fn resync_of(&self, cluster: &str) {
        self.enqueue(Key::Resync(ClusterName::new(cluster)), Trigger::Resync).await;
    }

    /// `driftless sync APP`, perhaps with `--allow-destructive`.
    pub async fn sync_by_hand(&self, app: &str, allow_destructive: bool) {
        self.sync_as(app, Manual { by: "ada".into(), allow_destructive, ..Manual::default() }).await;
    }

    /// The same with whatever may be asked for.
    pub async fn sync_as(&self, app: &str, manual: Manual) {
        self.enqueue(Key::Sync(app_id(app)), Trigger::Manual(manual)).await;
    }

    /// The program itself, against the server's socket: what it says on both streams, and its code.
    pub async fn cli(&self, args: &[&str]) -> (String, i32) {
        let program = tokio::process::Command::new(env!("CARGO_BIN_EXE_driftless"))
            .args(args)
            .env("DRIFTLESS_SOCKET", self.folder.path().join("data/driftless.sock"))
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_mins(1), program).await.expect("it ends").expect("it starts");
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8(said).expect("text"), output.status.code().expect("a code"))
    }

    async fn enqueue(&self, key: Key, cause: Trigger) {
        self.context().queue.enqueue(&[Request::new(key, cause)]).await.expect("queued");
    }
}

pub fn app_id(name: &str) -> AppId {
    AppId::new(&RepoName::new(REPO), name)
}

/// A second cluster with the same namespace, if the configuration is to know one; its administrator is who asks there.
async fn west(setup: &Setup, namespace: &str, around: &Tasks, folder: &Path) -> Option<FaultProxy> {
    if setup.west == West::Unknown {
        return None;
    }
    let plane = cluster::west().await;
    cluster::create_namespace(cluster::client_for(plane.kubeconfig()).await, namespace).await;
    let proxy = FaultProxy::start(plane.access(), around).await.expect("a proxy");
    proxy.write_kubeconfig(&folder.join("kubeconfig-west")).expect("a kubeconfig");
    Some(proxy)
}

async fn forge(
    dialect: Dialect,
    folder: &Path,
    webhook_url: Option<String>,
    git_faults: GitFaults,
    tasks: &Tasks,
) -> DevForge {
    let tls = DevTls::new().expect("a certificate");
    tls.write(folder).expect("its files");
    let config = DevForgeConfig {
        dialect,
        dir: folder.join("forge"),
        listen: ([127, 0, 0, 1], 0).into(),
        public_url: None,
        webhook_url,
        webhook_secret: setup::HOOK_SECRET.to_owned().into(),
        token: TOKEN.to_owned().into(),
        login: "driftless-bot".into(),
        app: None,
        git_tls: Some(tls),
        git_faults,
    };
    let forge = DevForge::start(config, Arc::new(SystemClock), tasks).await.expect("the forge starts");
    forge.create_repo(PROJECT).await.expect("a repository");
    forge
}
