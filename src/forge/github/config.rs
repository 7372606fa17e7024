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
