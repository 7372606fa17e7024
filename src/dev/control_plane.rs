//! A Kubernetes control plane as child processes, with a node on which pods become ready.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::{Access, AccessError};
use super::leash::{EndedBy, Leashed};
use super::node::{self, NodeError};
use super::{assets, bundled};

/// Programs and places of a control plane.
#[derive(Clone, Debug)]
pub struct ControlPlaneOptions {
    pub programs: Programs,
    /// The program built from `tests/kwok`, with `stages.yaml` beside it. Without it no pod ever gets ready; it is
    /// not started where there are no controllers, which would make the pods.
    pub kwok: Option<PathBuf>,
    /// Where data, keys, logs and the kubeconfig go.
    pub directory: PathBuf,
    /// Whether `directory` is removed at the end.
    pub ephemeral: bool,
    /// Loopback port of the API server; none takes a free one.
    pub port: Option<u16>,
    /// How long it may take until all is ready.
    pub ready_within: Duration,
}

/// Where the parts come from.
#[derive(Clone, Debug)]
pub enum Programs {
    /// All in one: the program built from `tests/apiserver`.
    Bundled(PathBuf),
    /// A folder with `etcd` and `kube-apiserver`, as `KUBEBUILDER_ASSETS` names one. The controllers and the
    /// scheduler run too where `kube-controller-manager` and `kube-scheduler` lie beside them.
    Assets(PathBuf),
}

/// How long an orderly end may take before the child is killed.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Why there is no control plane.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    #[error("{program} is missing; build it with `make tools`")]
    NotBuilt { program: PathBuf },
    #[error("{program} is missing; KUBEBUILDER_ASSETS must name a folder with etcd and kube-apiserver")]
    NoAsset { program: PathBuf },
    #[error("can't write to {path}")]
    Directory { path: PathBuf, source: std::io::Error },
    #[error("no free loopback port for the control plane")]
    Port(#[source] std::io::Error),
    #[error("no key for the tokens of service accounts")]
    Key(#[source] rcgen::Error),
    #[error("can't start {program}")]
    Start { program: PathBuf, source: std::io::Error },
    #[error("{program} ended before it was ready ({status}); its log {log} ends with:\n{last_words}")]
    Ended { program: PathBuf, status: String, log: PathBuf, last_words: String },
    #[error("{program} was not ready within {limit:?}; its log {log} ends with:\n{last_words}")]
    Late { program: PathBuf, limit: Duration, log: PathBuf, last_words: String },
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// The parts that run, whichever way they were started.
pub(super) struct Parts {
    /// In the order of their start.
    pub(super) processes: Vec<Leashed>,
    pub(super) access: Access,
    pub(super) controllers: bool,
}

/// A running control plane. Dropping it tells its processes to end; `stop` waits for them too.
#[derive(Debug)]
pub struct ControlPlane {
    kubeconfig: PathBuf,
    access: Access,
    controllers: bool,
    processes: Vec<Leashed>,
    remove_at_stop: Option<PathBuf>,
}

impl ControlPlane {
    /// Starts it and waits until it is ready: the API server answers; its controllers, if there are any, have set
    /// up the namespace `default`; and, with them and KWOK, one node is there and ready. The process must have a
    /// crypto provider of rustls installed.
    pub async fn start(options: &ControlPlaneOptions) -> Result<Self, ControlPlaneError> {
        if let Some(kwok) = options.kwok.as_deref().filter(|kwok| !kwok.is_file()) {
            return Err(ControlPlaneError::NotBuilt { program: kwok.to_owned() });
        }
        let directory = &options.directory;
        std::fs::create_dir_all(directory).map_err(|source| ControlPlaneError::Directory { path: directory.clone(), source })?;
        let kubeconfig = directory.join("kubeconfig");
        let parts = match &options.programs {
            Programs::Bundled(program) => bundled::start(program, options, &kubeconfig).await?,
            Programs::Assets(folder) => assets::start(folder, options, &kubeconfig).await?,
        };
        let Parts { mut processes, access, controllers } = parts;
        if let Some(kwok) = options.kwok.as_deref().filter(|_| controllers) {
            processes.push(start_with_node(kwok, &access, &kubeconfig, options).await?);
        }
        let remove_at_stop = options.ephemeral.then(|| directory.clone());
        Ok(Self { kubeconfig, access, controllers, processes, remove_at_stop })
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The same as values.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Whether anything makes pods of a Deployment: without controllers no workload ever gets healthy.
    pub fn has_controllers(&self) -> bool {
        self.controllers
    }

    /// Ends the processes, the last started first, and waits for each.
    pub async fn stop(self) {
        for process in self.processes.into_iter().rev() {
            process.stop(STOP_WITHIN).await;
        }
        if let Some(directory) = self.remove_at_stop {
            // The bundled program removes it itself, so it may be gone.
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

async fn start_with_node(
    program: &Path,
    access: &Access,
    kubeconfig: &Path,
    options: &ControlPlaneOptions,
) -> Result<Leashed, ControlPlaneError> {
    let stages = program.with_file_name("stages.yaml");
    let arguments = [
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--config={}", stages.display()),
        "--manage-all-nodes=true".to_owned(),
        "--node-lease-duration-seconds=40".to_owned(),
    ];
    let mut kwok = start_program(program, &arguments, EndedBy::Shell, options)?;
    node::create(access).await?;
    tokio::select! {
        ready = node::wait_until_ready(access, options.ready_within) => ready?,
        _ = kwok.ended() => {}
    }
    ended(program, &mut kwok).map_or(Ok(kwok), Err)
}

/// Starts a part with its log in the directory.
pub(super) fn start_program(
    program: &Path,
    arguments: &[String],
    ended_by: EndedBy,
    options: &ControlPlaneOptions,
) -> Result<Leashed, ControlPlaneError> {
    let name = program.file_name().unwrap_or(program.as_os_str());
    let log = options.directory.join(name).with_extension("log");
    Leashed::start(program, arguments, ended_by, log).map_err(|source| ControlPlaneError::Start { program: program.to_owned(), source })
}

/// The error for a part that has ended though nobody asked it to.
pub(super) fn ended(program: &Path, process: &mut Leashed) -> Option<ControlPlaneError> {
    let status = process.has_ended()?;
    Some(ControlPlaneError::Ended {
        program: program.to_owned(),
        status: status.to_string(),
        log: process.log().to_owned(),
        last_words: process.last_words(),
    })
}

/// The error for a part that takes too long.
pub(super) fn late(program: &Path, process: &Leashed, limit: Duration) -> ControlPlaneError {
    ControlPlaneError::Late { program: program.to_owned(), limit, log: process.log().to_owned(), last_words: process.last_words() }
}
