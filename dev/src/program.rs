//! The programs of a control plane: which are asked for, how each is started, and why one doesn't run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::{Access, AccessError};
use super::leash::{EndedBy, Leashed};
use super::node::NodeError;

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

/// Why there is no control plane.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    #[error("{program} is missing; build it with `make tools`")]
    NotBuilt { program: PathBuf },
    #[error("{program} is missing; KUBEBUILDER_ASSETS must name a folder with etcd and kube-apiserver")]
    NoAsset { program: PathBuf },
    #[error("cannot write to {path}")]
    Directory { path: PathBuf, source: std::io::Error },
    #[error("no free loopback port for the control plane")]
    Port(#[source] std::io::Error),
    #[error("the key for the tokens of service accounts cannot be made")]
    Key(#[source] rcgen::Error),
    #[error("cannot start {program}")]
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

/// Starts a part with its log in the directory.
pub(super) fn start_program(
    program: &Path,
    arguments: &[String],
    ended_by: EndedBy,
    options: &ControlPlaneOptions,
) -> Result<Leashed, ControlPlaneError> {
    let name = program.file_name().unwrap_or(program.as_os_str());
    let log = options.directory.join(name).with_extension("log");
    Leashed::start(program, arguments, ended_by, log)
        .map_err(|source| ControlPlaneError::Start { program: program.to_owned(), source })
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
    ControlPlaneError::Late {
        program: program.to_owned(),
        limit,
        log: process.log().to_owned(),
        last_words: process.last_words(),
    }
}
