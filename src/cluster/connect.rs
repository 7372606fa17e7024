//! Opens a connection to a cluster from a kubeconfig or from inside a pod.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use secrecy::ExposeSecret;
use tokio::sync::{Mutex, RwLock};

use super::discovery::Cached;
use super::error::{ClusterError, chain};
use super::limiter::Limiter;
use super::propagation::Propagation;
use crate::ids::ClusterName;

/// An answer that takes longer than this is given up; kube itself would wait for ever.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
/// A watch is quiet for as long as nothing happens. Servers end one after 5 to 10 minutes, kube's watcher asks for 290
/// s.
const WATCH_TIMEOUT: Duration = Duration::from_secs(330);

/// How to reach a cluster.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    pub name: ClusterName,
    /// None: the file that kubectl would take (`KUBECONFIG`, else `~/.kube/config`).
    pub kubeconfig: Option<PathBuf>,
    /// None: the kubeconfig's current context.
    pub context: Option<String>,
    /// The service account of the pod that Driftless runs in, instead of a kubeconfig.
    pub in_cluster: bool,
    /// The most requests at once; at least one.
    pub concurrency: usize,
    /// How long a request waits for others before it: they may never be answered.
    pub wait: Duration,
    /// The field manager of server-side apply.
    pub field_manager: String,
    /// What becomes of the objects that a pruned one owns.
    pub propagation: Propagation,
}

impl ClusterConfig {
    /// A cluster by its kubeconfig, with the default concurrency and field manager.
    pub fn new(name: ClusterName, kubeconfig: Option<PathBuf>) -> Self {
        Self {
            name,
            kubeconfig,
            context: None,
            in_cluster: false,
            concurrency: 16,
            wait: Duration::from_mins(2),
            field_manager: "driftless".to_owned(),
            propagation: Propagation::Background,
        }
    }
}

/// A cluster that can be asked. Cheap to clone; all clones share the connections, what is known of the API, and the
/// limit of requests.
#[derive(Clone)]
pub struct Cluster {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) name: ClusterName,
    pub(super) field_manager: String,
    pub(super) wait: Duration,
    pub(super) propagation: Propagation,
    pub(super) client: Client,
    /// Its own client, because a watch may be silent for longer than any answer may take.
    pub(super) watches: Client,
    pub(super) limiter: Limiter,
    pub(super) discovery: RwLock<Option<Cached>>,
    /// Held while discovery is read, so that many who find it missing ask once.
    pub(super) discovering: Mutex<()>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Reads the configuration and builds the clients. Nothing is asked of the cluster yet.
    pub async fn connect(config: ClusterConfig) -> Result<Self, ClusterError> {
        let ClusterConfig { name, kubeconfig, context, in_cluster, concurrency, wait, field_manager, propagation } =
            config;
        let failed = |message| ClusterError::Configuration { cluster: name.clone(), message };
        let mut kube_config = load(kubeconfig, context, in_cluster).await.map_err(failed)?;
        // Repeating is decided here, by what the answer says, and not below us.
        kube_config.default_retry = false;
        kube_config.reset_reader_on_write = true;
        let client = |timeout| {
            let mut config = kube_config.clone();
            config.read_timeout = Some(timeout);
            Client::try_from(config).map_err(|error| failed(chain(&error)))
        };
        let (client, watches) = (client(READ_TIMEOUT)?, client(WATCH_TIMEOUT)?);
        let limiter = Limiter::new(concurrency);
        let inner = Inner {
            name,
            field_manager,
            wait,
            propagation,
            client,
            watches,
            limiter,
            discovery: RwLock::new(None),
            discovering: Mutex::new(()),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub fn name(&self) -> &ClusterName {
        &self.inner.name
    }

    /// The name under which our fields are kept in an object's `managedFields`.
    pub fn field_manager(&self) -> &str {
        &self.inner.field_manager
    }

    /// How many requests may run at once now: the configured number, or fewer while the cluster answers that there are
    /// too many.
    pub fn concurrency(&self) -> usize {
        self.inner.limiter.size()
    }
}

async fn load(path: Option<PathBuf>, context: Option<String>, in_cluster: bool) -> Result<Config, String> {
    if in_cluster {
        return Config::incluster().map_err(|error| chain(&error));
    }
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = match path {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(&path)
                .map_err(|error| format!("{}: {}", path.display(), kubeconfig_text(&error)))?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await
        }
        None => Config::from_kubeconfig(&options).await,
    };
    let config = config.map_err(|error| kubeconfig_text(&error))?;
    if config.auth_info.token.as_ref().is_some_and(|token| !fits_header(token.expose_secret())) {
        return Err(
            "the token of its user contains a line break or another control character. Write it on one line".into()
        );
    }
    Ok(config)
}

/// What is wrong with a kubeconfig. What is not its form but its content is told by the library's own words; a parser
/// would quote it, and it holds tokens and keys.
fn kubeconfig_text(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::CurrentContextNotSet
        | KubeconfigError::LoadContext(_)
        | KubeconfigError::LoadClusterOfContext(_)
        | KubeconfigError::FindPath
        | KubeconfigError::ReadConfig(..)
        | KubeconfigError::MissingClusterUrl => chain(error),
        KubeconfigError::Parse(error) => {
            let place = error.location().map(|at| format!(" (line {})", at.line())).unwrap_or_default();
            format!("it is not a valid kubeconfig{place}. Check it with `kubectl config view`")
        }
        KubeconfigError::LoadCertificateAuthority(_) | KubeconfigError::ParseCertificates(_) => {
            "the certificate authority of its cluster cannot be read. Check certificate-authority and \
             certificate-authority-data"
                .to_owned()
        }
        KubeconfigError::LoadClientCertificate(_) => "the client certificate of its user cannot be read".to_owned(),
        KubeconfigError::LoadClientKey(_) => "the client key of its user cannot be read".to_owned(),
        KubeconfigError::ParseClusterUrl(_) => "the server of its cluster is not a valid URL".to_owned(),
        KubeconfigError::ParseNoProxy(_) => "the environment variable NO_PROXY is invalid".to_owned(),
        KubeconfigError::ParseProxyUrl(_) => "the proxy-url of its cluster is not a valid URL".to_owned(),
        _ => "it is not a valid kubeconfig. Check it with `kubectl config view`".to_owned(),
    }
}

/// kube panics on a token that cannot stand in a header.
fn fits_header(token: &str) -> bool {
    http::HeaderValue::from_str(token).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters:\n- name: a\n  cluster: {{server: \
             'https://127.0.0.1:1'}}\ncontexts:\n- name: a\n  \
             context: {{cluster: a, user: a}}\nusers:\n- name: a\n  user: {user}\n"
        )
    }

    async fn refused(text: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, text).expect("written");
        let config = ClusterConfig::new(ClusterName::new("prod"), Some(path));
        Cluster::connect(config).await.expect_err("refused").to_string()
    }

    /// L10: a line break in a token is told, and does not panic.
    #[tokio::test]
    async fn a_token_with_a_line_break_is_told_of() {
        let error = refused(&kubeconfig(r#"{token: "hunter2\nhunter2"}"#)).await;
        assert!(error.contains("line break") && !error.contains("hunter2"), "{error}");
    }

    /// X11: no slip in a kubeconfig prints what it holds.
    #[tokio::test]
    async fn a_kubeconfig_with_a_slip_tells_the_line_and_no_value() {
        let slips = [
            kubeconfig("{token: *hunter2}"),
            kubeconfig("{token: !!int hunter2}"),
            kubeconfig("hunter2"),
            kubeconfig("{token: [hunter2]}"),
            kubeconfig("{client-key-data: hunter2, client-certificate-data: hunter2}"),
            kubeconfig("{token: hunter2").replace("current-context", "  current-context"),
            "hunter2".to_owned(),
        ];
        for text in slips {
            let error = refused(&text).await;
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
