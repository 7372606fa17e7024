//! A Kubernetes control plane as child processes, with a node on which pods become ready.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::Access;
use super::leash::{EndedBy, Leashed};
use super::program::{ControlPlaneError, ControlPlaneOptions, Parts, Programs, ended, start_program};
use super::{assets, bundled, node};

/// How long an orderly end may take before the child is killed.
const STOP_WITHIN: Duration = Duration::from_secs(15);

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
        std::fs::create_dir_all(directory)
            .map_err(|source| ControlPlaneError::Directory { path: directory.clone(), source })?;
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
