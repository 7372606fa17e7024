//! How the embedded forge is set up.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::git_http::GitFaults;
use crate::tls::DevTls;

use super::dialect::Dialect;

/// How the embedded forge is set up.
pub struct DevForgeConfig {
    pub dialect: Dialect,
    /// Holds the repositories as `OWNER/NAME.git`.
    pub dir: PathBuf,
    /// `127.0.0.1:0` takes a free port.
    pub listen: SocketAddr,
    /// What the addresses in its answers begin with, if that is not where it listens: a proxy before it.
    pub public_url: Option<String>,
    pub webhook_url: Option<String>,
    pub webhook_secret: SecretString,
    pub token: SecretString,
    /// Who the token belongs to.
    pub login: String,
    pub app: Option<DevApp>,
    /// Serves Git over HTTPS with this certificate; else over HTTP.
    pub git_tls: Option<DevTls>,
    pub git_faults: GitFaults,
}

/// A GitHub App that is installed on every repository.
pub struct DevApp {
    pub id: u64,
    pub slug: String,
    /// PEM; the private half is the client's.
    pub public_key_pem: String,
}
