//! Why the embedded forge doesn't do what it was asked.

use std::io;
use std::net::SocketAddr;

use super::git::GitError;

#[derive(Debug, thiserror::Error)]
pub enum DevForgeError {
    #[error("the embedded forge cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the embedded forge has no {0}")]
    Unknown(String),
    #[error(transparent)]
    Git(#[from] GitError),
}
