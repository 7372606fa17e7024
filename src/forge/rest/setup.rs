//! Configurations of a client that cannot work.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("{given:?} is not the address of a {forge} API: use https:// and a host, as in {example}")]
    ApiUrl { given: String, forge: &'static str, example: &'static str },
    #[error("the private key of the GitHub App cannot be read: {0}. Use the PEM file that was downloaded from GitHub")]
    PrivateKey(String),
    #[error("the token contains a line break or another invalid character. Write it on one line")]
    Token,
    #[error("GitLab has no Apps like GitHub's: set `credentials.token`, not `credentials.app`")]
    NoApp,
    #[error("the certificate authorities in {} cannot be used: {reason}. Correct `ca` in the \
             configuration.", path.display())]
    Authorities { path: PathBuf, reason: String },
    #[error("the HTTPS client cannot be built: {0}")]
    Client(String),
}
