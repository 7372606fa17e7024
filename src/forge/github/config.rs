//! The address and the credential of GitHub.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::LiveSecret;

/// How to reach GitHub and as whom.
pub struct GitHubConfig {
    /// `https://api.github.com`, or `https://HOST/api/v3`.
    pub api_url: String,
    pub credentials: GitHubCredentials,
    /// A PEM file with authorities to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// For one request, its redirects and its body together.
    pub timeout: Duration,
}

pub enum GitHubCredentials {
    /// A personal access token, classic or fine-grained.
    Token(LiveSecret),
    /// A GitHub App. The installation is looked up by repository.
    App { id: u64, private_key_pem: LiveSecret },
}

/// A configuration that can't work.
#[derive(Debug, thiserror::Error)]
pub enum GitHubSetupError {
    #[error("{0:?} is not the address of a GitHub API: use https:// and a host, as in https://api.github.com")]
    ApiUrl(String),
    #[error("the private key of the GitHub App cannot be read: {0}. Use the PEM file that was downloaded from GitHub")]
    PrivateKey(String),
    #[error("the token contains a line break or another invalid character. Write it on one line")]
    Token,
    #[error("the certificate authorities in {} cannot be used: {reason}. Correct `ca` in the \
             configuration.", path.display())]
    Authorities { path: PathBuf, reason: String },
    #[error("the HTTPS client cannot be built: {0}")]
    Client(String),
}
