//! What a check has found, and what it looks at.

use std::path::PathBuf;

use serde::Serialize;

use crate::app::App;
use crate::ids::RepoName;
use crate::inspect::{ClusterRights, Findings};

#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub findings: Findings,
    /// What each cluster that was asked grants.
    pub clusters: Vec<ClusterRights>,
}

/// The apps that a checkout defines.
pub(super) struct Checkout {
    pub repo: RepoName,
    pub dir: PathBuf,
    /// None: not all of its definitions can be read.
    pub apps: Option<Vec<App>>,
}
