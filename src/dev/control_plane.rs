//! A Kubernetes control plane as a child process, with a node on which pods become ready.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::access::{Access, AccessError};
use super::leash::{EndedBy, Leashed};
use super::node::{self, NodeError};

/// Programs and places of a control plane.
#[derive(Clone, Debug)]
pub struct ControlPlaneOptions {
    /// The program built from `tests/apiserver`.
    pub apiserver: PathBuf,
    /// The program built from `tests/kwok`, with `stages.yaml` beside it. Without it no pod ever starts.
    pub kwok: Option<PathBuf>,
    /// Where data, keys, logs and the kubeconfig go.
    pub directory: PathBuf,
    /// Whether `directory` is removed at the end; it must be absent or empty then.
    pub ephemeral: bool,
    /// Loopback port of the API server; none takes a free one.
    pub port: Option<u16>,
    /// Static tokens beside the administrator's: `token,user,uid,"group,group"` a line.
    pub token_file: Option<PathBuf>,
    /// How long it may take until all is ready.
    pub ready_within: Duration,
}

/// How long an orderly end may take before the child is killed.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Why there is no control plane.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    #[error("{program} is not there; build it with `make tools`")]
    NotBuilt { program: PathBuf },
    #[error("can't make {path}")]
    Directory { path: PathBuf, source: std::io::Error },
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

/// A running control plane. Dropping it tells its processes to end; `stop` waits for them too.
#[derive(Debug)]
pub struct ControlPlane {
    kubeconfig: PathBuf,
    access: Access,
    server: Leashed,
    kwok: Option<Leashed>,
}

impl ControlPlane {
    /// Starts it and waits until it is ready: the API server answers, its controllers have set up the
    /// namespace `default`, and, with KWOK, one node is there and ready.
    pub async fn start(options: &ControlPlaneOptions) -> Result<Self, ControlPlaneError> {
        for program in std::iter::once(&options.apiserver).chain(&options.kwok) {
            if !program.is_file() {
                return Err(ControlPlaneError::NotBuilt { program: program.clone() });
            }
        }
        // The program's own directory is below ours, which holds what is written before it starts.
        let logs = options.directory.clone();
        std::fs::create_dir_all(&logs).map_err(|source| ControlPlaneError::Directory { path: logs.clone(), source })?;
        let kubeconfig = logs.join("kubeconfig");
        let mut server = start_server(options, &kubeconfig)?;
        wait_for_ready_line(&mut server, options).await?;
        let access = Access::from_kubeconfig(&kubeconfig)?;
        let mut plane = Self { kubeconfig, access, server, kwok: None };
        if let Some(kwok) = &options.kwok {
            plane.kwok = Some(start_kwok(kwok, &plane.kubeconfig, logs.join("kwok.log"))?);
            node::create(&plane.access).await?;
            node::wait_until_ready(&plane.access, options.ready_within).await.map_err(|error| plane.explain(kwok, error))?;
        }
        Ok(plane)
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The same as values.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Ends the processes and waits for them.
    pub async fn stop(self) {
        if let Some(kwok) = self.kwok {
            kwok.stop(STOP_WITHIN).await;
        }
        self.server.stop(STOP_WITHIN).await;
    }

    /// A node that never gets ready is most often KWOK having ended: say that then.
    fn explain(&mut self, program: &Path, error: NodeError) -> ControlPlaneError {
        let Some(kwok) = &mut self.kwok else { return error.into() };
        match kwok.has_ended() {
            Some(status) => ControlPlaneError::Ended {
                program: program.to_owned(),
                status: status.to_string(),
                log: kwok.log().to_owned(),
                last_words: kwok.last_words(),
            },
            None => error.into(),
        }
    }
}

fn start_server(options: &ControlPlaneOptions, kubeconfig: &Path) -> Result<Leashed, ControlPlaneError> {
    let directory = &options.directory;
    let mut arguments = vec![
        format!("--data-dir={}", directory.join("data").display()),
        format!("--kubeconfig-out={}", kubeconfig.display()),
        format!("--ready-timeout={}s", options.ready_within.as_secs()),
    ];
    if let Some(port) = options.port {
        arguments.push(format!("--port={port}"));
    }
    if let Some(tokens) = &options.token_file {
        arguments.push(format!("--token-auth-file={}", tokens.display()));
    }
    if options.ephemeral {
        arguments.push(format!("--remove-at-end={}", directory.display()));
    }
    Leashed::start(&options.apiserver, &arguments, EndedBy::Itself, directory.join("apiserver.log"))
        .map_err(|source| ControlPlaneError::Start { program: options.apiserver.clone(), source })
}

/// The program says one line when it is ready, and nothing else on its standard output.
async fn wait_for_ready_line(server: &mut Leashed, options: &ControlPlaneOptions) -> Result<(), ControlPlaneError> {
    let output = server.output();
    let line = async {
        let mut lines = BufReader::new(output?).lines();
        lines.next_line().await.ok().flatten()
    };
    let said = tokio::time::timeout(options.ready_within, line).await;
    let (program, log) = (options.apiserver.clone(), server.log().to_owned());
    match said {
        Ok(Some(_)) => Ok(()),
        Ok(None) => {
            let status = server.ended().await.map_or_else(|error| error.to_string(), |status| status.to_string());
            Err(ControlPlaneError::Ended { program, status, log, last_words: server.last_words() })
        }
        Err(_) => Err(ControlPlaneError::Late { program, limit: options.ready_within, log, last_words: server.last_words() }),
    }
}

fn start_kwok(program: &Path, kubeconfig: &Path, log: PathBuf) -> Result<Leashed, ControlPlaneError> {
    let stages = program.with_file_name("stages.yaml");
    let arguments = [
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--config={}", stages.display()),
        "--manage-all-nodes=true".to_owned(),
        "--node-lease-duration-seconds=40".to_owned(),
    ];
    Leashed::start(program, &arguments, EndedBy::Shell, log)
        .map_err(|source| ControlPlaneError::Start { program: program.to_owned(), source })
}
