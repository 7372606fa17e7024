//! What a test sets otherwise, and the configuration that follows.

use std::path::Path;

use driftless::config::{Config, Environment};
use driftless::dev::forge::Dialect;

use super::{LIBRARY, PROJECT, REPO};
use crate::support::tool;

pub const HOOK_SECRET: &str = "the-hooks-own-secret";
pub const TOKEN: &str = "t0ken-of-the-bot";

/// How a world departs from the ordinary one.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a departure of its own")]
pub struct Setup {
    pub dialect: Dialect,
    /// Whether the forge tells of anything.
    pub webhooks: bool,
    /// Whether the namespace of the apps is there from the start.
    pub namespace: bool,
    /// As the administrator of the cluster, not with the rights of `deploy/base`.
    pub admin: bool,
    pub quiet: &'static str,
    pub maximum: &'static str,
    pub health: &'static str,
    pub give_up: &'static str,
    /// Whether the hook may ask the forge's API.
    pub credentials: bool,
    /// Entries of `allow.clusterScoped`.
    pub cluster_scoped: &'static str,
    /// What the configuration says under `destructive`.
    pub destructive: &'static str,
    /// Whether there is a second repository, which the first may read.
    pub with_library: bool,
    /// The namespaces that its apps may touch, behind the world's name.
    pub allows_library: &'static str,
    pub west: West,
    /// Whether the repo may touch its namespace.
    pub allows_namespace: bool,
    /// Whether a test begins once the looks that follow a start are over.
    pub first_looks: bool,
    /// Whether the server's process can be kept from writing files: [`super::World::limit_files`].
    pub limited: bool,
}

/// What the configuration says of a second cluster.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum West {
    /// Nothing.
    Unknown,
    /// That it is there, and that the repo may not touch it.
    Refused,
    Allowed,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            dialect: Dialect::GitHub,
            webhooks: true,
            namespace: true,
            admin: false,
            quiet: "100ms",
            maximum: "2s",
            health: "40s",
            give_up: "60s",
            credentials: true,
            cluster_scoped: "[]",
            destructive: "{}",
            with_library: false,
            allows_library: "*",
            west: West::Unknown,
            allows_namespace: true,
            first_looks: true,
            limited: false,
        }
    }
}

struct Secrets;

impl Environment for Secrets {
    fn var(&self, name: &str) -> Option<String> {
        match name {
            "HOOK_SECRET" => Some(HOOK_SECRET.to_owned()),
            "TOKEN" => Some(TOKEN.to_owned()),
            _ => None,
        }
    }
}

/// Read from YAML, as a server does.
pub fn config(setup: &Setup, folder: &Path, namespace: &str, api_url: &str, clone_url: &str) -> Config {
    let text = text(setup, namespace, api_url, clone_url);
    Config::parse(&folder.join("driftless.yaml"), &text, &Secrets).unwrap_or_else(|error| panic!("{error}"))
}

/// The configuration, to lie in a world's folder.
pub fn text(setup: &Setup, namespace: &str, api_url: &str, clone_url: &str) -> String {
    let Setup {
        dialect,
        quiet,
        maximum,
        health,
        give_up,
        cluster_scoped,
        credentials,
        destructive,
        with_library,
        allows_library,
        west,
        allows_namespace,
        ..
    } = setup;
    let kind = match dialect {
        Dialect::GitHub => "github",
        Dialect::GitLab => "gitlab",
    };
    let namespaces = if *allows_namespace { format!("{namespace}*") } else { "somewhere-else".to_owned() };
    let allowed = if *west == West::Allowed { "'prod*', west" } else { "'prod*'" };
    let west = if *west == West::Unknown { "" } else { "  - name: west\n    kubeconfig: kubeconfig-west\n" };
    let credentials = if *credentials { "    credentials: {token: {env: TOKEN}}\n" } else { "" };
    let library_url = clone_url.replace(PROJECT, LIBRARY);
    let definitions = "definitions: {branch: main, globs: ['apps/*.yaml']}";
    let its_allow = format!("allow: {{clusters: [prod], namespaces: ['{namespace}{allows_library}']}}");
    let second = format!(
        "  - name: library\n    hook: forge\n    project: {LIBRARY}\n    url: {library_url}\n    {definitions}\n    \
         {its_allow}\n"
    );
    let (second, may_read) = if *with_library { (second.as_str(), "    mayRead: [library]\n") } else { ("", "") };
    let renderer = tool::program("renderer");
    format!(
        "\
instance: {namespace}
listen: 127.0.0.1:0
probes: 127.0.0.1:0
data: data
renderer: {renderer}
ca: ca.pem
timing: {{quiet: {quiet}, maximum: {maximum}, resync: 1h, health: {health}, giveUp: {give_up}}}
destructive: {destructive}
hooks:
  - name: forge
    forge: {kind}
    url: {api_url}
    secrets: [{{env: HOOK_SECRET}}]
{credentials}repos:
  - name: {REPO}
    hook: forge
    project: {PROJECT}
    url: {clone_url}
    {definitions}
    allow: {{clusters: [{allowed}], namespaces: ['{namespaces}'], clusterScoped: {cluster_scoped}}}
{may_read}{second}clusters:
  - name: prod
    kubeconfig: kubeconfig
{west}",
        renderer = renderer.display(),
    )
}
