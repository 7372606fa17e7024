//! How to reach an API server with a token: what a kubeconfig of ours says, read and written.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use driftless_base::yaml;

/// Address, authority and token of an API server.
#[derive(Clone, Debug)]
pub struct Access {
    /// `https://127.0.0.1:PORT`, without a slash at the end.
    pub server: String,
    /// PEM certificates to trust; none for a plain-text address.
    pub authority: Option<String>,
    /// Bearer token.
    pub token: SecretString,
}

/// Why a kubeconfig can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("cannot read or write {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path} is not a usable kubeconfig: {reason}")]
    Shape { path: PathBuf, reason: String },
    #[error("no HTTP client for {server}")]
    Client { server: String, source: reqwest::Error },
}

#[derive(Deserialize)]
struct Kubeconfig {
    clusters: Vec<Cluster>,
    users: Vec<User>,
}

#[derive(Deserialize)]
struct Cluster {
    cluster: ClusterBody,
}

#[derive(Deserialize)]
struct ClusterBody {
    server: String,
    #[serde(rename = "certificate-authority-data")]
    authority: Option<String>,
}

#[derive(Deserialize)]
struct User {
    user: UserBody,
}

#[derive(Deserialize)]
struct UserBody {
    token: String,
}

impl Access {
    /// Reads a kubeconfig with one cluster and one user that has a token, as the control plane writes it.
    pub fn from_kubeconfig(path: &Path) -> Result<Self, AccessError> {
        let shape = |reason: String| AccessError::Shape { path: path.to_owned(), reason };
        let text =
            std::fs::read_to_string(path).map_err(|source| AccessError::File { path: path.to_owned(), source })?;
        let documents = yaml::documents(&text);
        let first = documents.first().copied().ok_or_else(|| shape("it is empty".into()))?;
        let config: Kubeconfig =
            yaml::parse(first).map_err(|_| shape("no cluster, or a user without a token".into()))?;
        let (Some(cluster), Some(user)) = (config.clusters.into_iter().next(), config.users.into_iter().next()) else {
            return Err(shape("it names no cluster or no user".into()));
        };
        let authority = cluster.cluster.authority.map(|data| decode_pem(&data)).transpose().map_err(shape)?;
        Ok(Self { server: cluster.cluster.server, authority, token: user.user.token.into() })
    }

    /// The kubeconfig that says the same.
    pub fn write_kubeconfig(&self, path: &Path) -> Result<(), AccessError> {
        use base64::Engine as _;
        let mut cluster = serde_json::json!({ "server": self.server });
        if let Some(authority) = &self.authority {
            cluster["certificate-authority-data"] = base64::engine::general_purpose::STANDARD.encode(authority).into();
        }
        // JSON is YAML, and needs no quoting of ours.
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "driftless", "cluster": cluster }],
            "users": [{ "name": "driftless", "user": { "token": self.token.expose_secret() } }],
            "contexts": [{ "name": "driftless", "context": { "cluster": "driftless", "user": "driftless" } }],
            "current-context": "driftless",
        });
        write_private(path, &config.to_string()).map_err(|source| AccessError::File { path: path.to_owned(), source })
    }

    /// A client that trusts the authority; the token is the caller's to send.
    pub(super) fn client(&self) -> Result<reqwest::Client, AccessError> {
        let failed = |source| AccessError::Client { server: self.server.clone(), source };
        let mut builder =
            reqwest::Client::builder().no_proxy().no_gzip().http1_only().redirect(reqwest::redirect::Policy::none());
        if let Some(authority) = &self.authority {
            let certificates = reqwest::Certificate::from_pem_bundle(authority.as_bytes()).map_err(failed)?;
            builder = builder.tls_certs_only(certificates);
        }
        builder.build().map_err(failed)
    }
}

fn decode_pem(data: &str) -> Result<String, String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(data.trim())
        .map_err(|e| format!("certificate-authority-data: {e}"))?;
    String::from_utf8(bytes).map_err(|e| format!("certificate-authority-data: {e}"))
}

/// The file holds a token, so nobody else may read it, from before the first byte.
pub(super) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
