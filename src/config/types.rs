//! A checked configuration.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::app::{Allow, Globs, Grants, Scope};
use crate::command::Permissions;
use crate::ids::{ClusterName, HookName, RepoName};
use crate::render::sandbox::Landlock;
use crate::secret::LiveSecret;

/// A configuration that was checked: every name that it refers to exists, every secret is there.
#[derive(Debug)]
pub struct Config {
    /// Tells instances apart that share a cluster or a forge; part of every mark and of the comment's marker.
    pub instance: String,
    pub status_context: String,
    /// Where webhooks are taken.
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are served, apart from the webhooks.
    pub probes: SocketAddr,
    /// Store, mirrors: everything that must survive a restart.
    pub data: PathBuf,
    /// The Unix socket of the command line.
    pub socket: PathBuf,
    /// The renderer's worker program.
    pub renderer: PathBuf,
    /// What the renderer's sandbox needs of the kernel.
    pub landlock: Landlock,
    /// A PEM file with authorities to trust beside the built-in ones, for forges within a company.
    pub ca: Option<PathBuf>,
    pub public_url: Option<Url>,
    pub workers: usize,
    pub timing: Timing,
    pub destructive: DestructiveLimits,
    /// Deletions that need confirmation keep a pull request from being merged until they are approved.
    pub gate_destructive: bool,
    /// Who may give which command in comments.
    pub commands: Permissions,
    /// After so many heals of the same fields by others, an object is left alone.
    pub heals: u32,
    /// A preview takes up at most so many comments.
    pub comment_parts: usize,
    pub propagation: Propagation,
    pub hooks: Vec<Hook>,
    pub repos: Vec<Repo>,
    pub clusters: Vec<ClusterEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    pub quiet: Duration,
    pub maximum: Duration,
    pub resync: Duration,
    pub health: Duration,
    pub give_up: Duration,
}

/// More than `count` objects and more than `share` of an app is too much to prune without confirmation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DestructiveLimits {
    pub share: f64,
    pub count: usize,
}

/// What becomes of the objects that a deleted one owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
}

#[derive(Debug)]
pub struct Hook {
    pub name: HookName,
    pub forge: ForgeKind,
    pub api: Url,
    /// Each can sign deliveries.
    pub secrets: Vec<LiveSecret>,
    pub credentials: Option<Credentials>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgeKind {
    GitHub,
    GitLab,
}

#[derive(Clone)]
pub enum Credentials {
    Token(LiveSecret),
    App { id: u64, private_key: LiveSecret },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(…)"),
            Self::App { id, .. } => write!(f, "App({id}, …)"),
        }
    }
}

#[derive(Debug)]
pub struct Repo {
    pub name: RepoName,
    pub hook: HookName,
    /// The forge's name of it, such as `org/shop`.
    pub project: String,
    pub url: Url,
    /// The branch whose definitions count, as a full ref.
    pub definitions_ref: String,
    pub definitions: Globs,
    pub allow: Allow,
    /// Other repos that its apps may read.
    pub may_read: Vec<RepoName>,
}

impl Repo {
    /// What its apps may do now.
    pub fn grants(&self) -> Grants<'_> {
        Grants { repo: &self.name, allow: &self.allow, may_read: &self.may_read }
    }

    /// Where its definitions are, and what they may ask for.
    pub fn scope(&self) -> Scope<'_> {
        Scope {
            repo: &self.name,
            definitions_ref: &self.definitions_ref,
            globs: &self.definitions,
            allow: &self.allow,
            may_read: &self.may_read,
        }
    }
}

#[derive(Debug, Clone)]
pub struct ClusterEntry {
    pub name: ClusterName,
    pub access: ClusterAccess,
    pub concurrency: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterAccess {
    InCluster,
    Kubeconfig { path: PathBuf, context: Option<String> },
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.iter().map(|problem| format!("{}:{problem}", .file.display())).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    pub file: PathBuf,
    pub problems: Vec<Problem>,
}

/// One thing that is wrong: the line (0 where none applies), what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub line: u32,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { write!(f, " {}", self.message) } else { write!(f, "{}: {}", self.line, self.message) }
    }
}

impl Config {
    pub fn hook(&self, name: &HookName) -> Option<&Hook> {
        self.hooks.iter().find(|hook| hook.name == *name)
    }

    pub fn repo(&self, name: &RepoName) -> Option<&Repo> {
        self.repos.iter().find(|repo| repo.name == *name)
    }
}
