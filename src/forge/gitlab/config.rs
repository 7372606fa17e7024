//! The address and the credential of a GitLab.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::LiveSecret;

/// How to reach a GitLab and as whom.
pub struct GitLabConfig {
    /// `https://gitlab.com`, or the address of another GitLab, with or without `/api/v4`.
    pub api_url: String,
    /// A personal, project or group access token.
    pub token: LiveSecret,
    /// A PEM file with authorities to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// For one request, its redirects and its body together.
    pub timeout: Duration,
}
