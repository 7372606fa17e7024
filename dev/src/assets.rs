//! The control plane from programs that are on disk already, as `KUBEBUILDER_ASSETS` names them.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::net::TcpSocket;

use super::access::Access;
use super::leash::{EndedBy, Leashed};
use super::program::{ControlPlaneError, ControlPlaneOptions, Parts, ended, late, start_program};

/// Between two looks at whether the API server is ready.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the programs read.
struct Files {
    tokens: PathBuf,
    token: String,
    signing_key: PathBuf,
    public_key: PathBuf,
    certificates: PathBuf,
}

/// Starts etcd and the API server, and the controllers and the scheduler where they are there.
pub(super) async fn start(
    folder: &Path,
    options: &ControlPlaneOptions,
    kubeconfig: &Path,
) -> Result<Parts, ControlPlaneError> {
    let (etcd, server) = (asset(folder, "etcd")?, asset(folder, "kube-apiserver")?);
    let files = Files::write(options)?;
    let (client, peer) = (Reserved::new(0)?, Reserved::new(0)?);
    let serving = Reserved::new(options.port.unwrap_or(0))?;

    let arguments = etcd_arguments(&options.directory, client.port, peer.port);
    let mut processes = vec![start_program(&etcd, &arguments, EndedBy::Shell, options)?];
    let mut process =
        start_program(&server, &server_arguments(&files, client.port, serving.port), EndedBy::Shell, options)?;
    let waiting = wait_until_ready(&files, serving.port, &server, &mut process);
    let access = match tokio::time::timeout(options.ready_within, waiting).await {
        Ok(access) => access?,
        Err(_) => return Err(late(&server, &process, options.ready_within)),
    };
    processes.push(process);
    access.write_kubeconfig(kubeconfig)?;

    let behind = ["kube-controller-manager", "kube-scheduler"].map(|name| folder.join(name));
    let controllers = behind.iter().all(|program| program.is_file());
    for program in behind.iter().filter(|_| controllers) {
        let arguments = arguments_behind(program, &files, kubeconfig);
        processes.push(start_program(program, &arguments, EndedBy::Shell, options)?);
    }
    Ok(Parts { processes, access, controllers })
}

fn asset(folder: &Path, name: &str) -> Result<PathBuf, ControlPlaneError> {
    let program = folder.join(name);
    if program.is_file() { Ok(program) } else { Err(ControlPlaneError::NoAsset { program }) }
}

/// A loopback port that nobody else is given while this lives: bound but not listened on, and shared with the child.
struct Reserved {
    _socket: TcpSocket,
    port: u16,
}

impl Reserved {
    /// The port asked for, or a free one for 0.
    fn new(port: u16) -> Result<Self, ControlPlaneError> {
        let reserve = || {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseport(true)?;
            socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
            Ok(Self { port: socket.local_addr()?.port(), _socket: socket })
        };
        reserve().map_err(ControlPlaneError::Port)
    }
}

impl Files {
    fn write(options: &ControlPlaneOptions) -> Result<Self, ControlPlaneError> {
        let at = |name: &str| options.directory.join(name);
        let key = rcgen::KeyPair::generate().map_err(ControlPlaneError::Key)?;
        let files = Self {
            tokens: at("tokens.csv"),
            token: format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()),
            signing_key: at("service-accounts.key"),
            public_key: at("service-accounts.pub"),
            certificates: at("certificates"),
        };
        let contents = [
            (&files.tokens, format!("{},admin,admin,\"system:masters\"\n", files.token)),
            (&files.signing_key, key.serialize_pem()),
            (&files.public_key, key.public_key_pem()),
        ];
        for (path, text) in contents {
            super::access::write_private(path, &text)
                .map_err(|source| ControlPlaneError::Directory { path: path.clone(), source })?;
        }
        Ok(files)
    }
}

fn etcd_arguments(directory: &Path, client: u16, peer: u16) -> Vec<String> {
    vec![
        format!("--data-dir={}", directory.join("etcd-data").display()),
        format!("--listen-client-urls=http://127.0.0.1:{client}"),
        format!("--advertise-client-urls=http://127.0.0.1:{client}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
        "--log-level=error".to_owned(),
        "--unsafe-no-fsync".to_owned(),
        "--socket-reuse-port".to_owned(),
    ]
}

/// As `tests/apiserver` has them, and for the same reasons.
fn server_arguments(files: &Files, etcd: u16, port: u16) -> Vec<String> {
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        "--permit-port-sharing=true".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--cert-dir={}", files.certificates.display()),
        format!("--token-auth-file={}", files.tokens.display()),
        "--authorization-mode=RBAC".to_owned(),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", files.public_key.display()),
        format!("--service-account-signing-key-file={}", files.signing_key.display()),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--allow-privileged=true".to_owned(),
    ]
}

fn arguments_behind(program: &Path, files: &Files, kubeconfig: &Path) -> Vec<String> {
    let mut arguments = vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
    ];
    if program.ends_with("kube-controller-manager") {
        arguments.push(format!("--service-account-private-key-file={}", files.signing_key.display()));
        arguments.push(format!("--root-ca-file={}", files.certificates.join("apiserver.crt").display()));
    }
    arguments
}

/// Polls `/readyz`; the certificate, which is its own authority, appears shortly before.
async fn wait_until_ready(
    files: &Files,
    port: u16,
    program: &Path,
    process: &mut Leashed,
) -> Result<Access, ControlPlaneError> {
    loop {
        if let Some(error) = ended(program, process) {
            return Err(error);
        }
        if let Ok(authority) = std::fs::read_to_string(files.certificates.join("apiserver.crt")) {
            let server = format!("https://127.0.0.1:{port}");
            let access = Access { server, authority: Some(authority), token: files.token.clone().into() };
            if is_ready(&access).await {
                return Ok(access);
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A file that is half written makes no client: not ready either.
async fn is_ready(access: &Access) -> bool {
    let Ok(client) = access.client() else { return false };
    let request = client.get(format!("{}/readyz", access.server)).bearer_auth(access.token.expose_secret());
    request.send().await.is_ok_and(|answer| answer.status().is_success())
}
