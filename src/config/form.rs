//! What may stand where in the configuration file: every key with its form, its default and what it is for. One table,
//! from which the structure of a file is checked, with everything that is wrong named at once, and from which
//! `docs/configuration.md` is written.

use std::time::Duration;

use crate::render::sandbox::Landlock;

/// Whole numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub least: u64,
    pub most: u64,
}

impl Range {
    const fn new(least: u64, most: u64) -> Self {
        Self { least, most }
    }

    pub(super) fn contains(self, number: u64) -> bool {
        (self.least..=self.most).contains(&number)
    }
}

/// Of jobs, and of requests to one cluster.
pub(super) const AT_ONCE: Range = Range::new(1, 1_000);
pub(super) const ATTEMPTS: Range = Range::new(1, 1_000);
pub(super) const PARTS: Range = Range::new(1, 50);
pub(super) const LANDLOCK: Range = Range::new(1, Landlock::NEWEST as u64);
/// No limit that means anything.
const ANY: Range = Range::new(0, u32::MAX as u64);

/// Longer than anybody waits, and short enough to be added to any time.
pub(super) const LONGEST: Duration = Duration::from_hours(30 * 24);
pub(super) const SHORTEST_RESYNC: Duration = Duration::from_secs(1);

/// What a value looks like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Text,
    /// true or false.
    Flag,
    /// A whole number.
    Number(Range),
    /// A duration of at least so much, and at most [`LONGEST`].
    Span(Duration),
    /// A number from 0 to 1.
    Share,
    Texts,
    /// Where a secret is.
    Secret,
    Secrets,
    Map(&'static [Key]),
    /// A list of maps, each of which is called this.
    List(&'static str, &'static [Key]),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub name: &'static str,
    pub form: Form,
    pub default: Preset,
    pub about: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preset {
    Required,
    /// As it would be written in the file.
    Is(&'static str),
    /// In words.
    Words(&'static str),
}

use Form::{Flag, List, Map, Number, Secret, Secrets, Share, Span, Text, Texts};
use Preset::{Is, Required, Words};

const fn key(name: &'static str, form: Form, default: Preset, about: &'static str) -> Key {
    Key { name, form, default, about }
}

pub(super) const SECRET: &[Key] = &[
    key("env", Text, Words("none"), "The name of an environment variable. Read at startup."),
    key("file", Text, Words("none"), "The path of a file. Read again when it changes."),
];

const APP: &[Key] = &[
    key("id", Number(ANY), Required, "The App's ID."),
    key("privateKey", Secret, Required, "The private key that GitHub generated for the App, as PEM."),
];

const CREDENTIALS: &[Key] = &[
    key(
        "token",
        Secret,
        Words("none"),
        "An access token: at GitHub a personal one, at GitLab a personal, project or group one. Set either this or `app`.",
    ),
    key(
        "app",
        Map(APP),
        Words("none"),
        "A GitHub App. Its installation is looked up for each repository. Not for `gitlab`.",
    ),
];

const HOOK: &[Key] = &[
    key("name", Text, Required, "The last part of the webhook's path: `/webhooks/NAME`."),
    key("forge", Text, Required, "`github` (also for Gitea, which is compatible) or `gitlab`."),
    key(
        "url",
        Text,
        Words("the forge's public API"),
        "The URL of the forge's API, such as `https://HOST/api/v3` for GitHub Enterprise Server, or `https://HOST` for a \
         self-managed GitLab.",
    ),
    key("secrets", Secrets, Required, "The secrets that sign the deliveries. List two during a rotation."),
    key(
        "credentials",
        Map(CREDENTIALS),
        Words("none"),
        "The credentials for the forge. Without them Driftless posts no comments or statuses, and can only read public \
         repositories. See [Forges](forges.md) for what they must allow.",
    ),
];

const DEFINITIONS: &[Key] = &[
    key("branch", Text, Required, "The branch with the definitions of apps."),
    key("globs", Texts, Required, "The files with definitions. `*` matches within a folder, `**` matches any depth."),
];

const CLUSTER_SCOPED: &[Key] = &[
    key("group", Text, Words("any group"), "The API group. `\"\"` is the core group."),
    key("kind", Text, Required, "A pattern for the kind."),
    key("name", Text, Is("'*'"), "A pattern for the names of the objects."),
];

const ALLOW: &[Key] = &[
    key("clusters", Texts, Is("[]"), "Patterns for the clusters."),
    key(
        "namespaces",
        Texts,
        Is("[]"),
        "Patterns for the namespaces of objects and of an app's `destination`. A Namespace object counts by its name.",
    ),
    key("clusterScoped", List("entry", CLUSTER_SCOPED), Is("[]"), "The cluster-scoped kinds."),
];

const REPO: &[Key] = &[
    key(
        "name",
        Text,
        Required,
        "The name of the repo in Driftless: at most 80 bytes, without spaces, `/`, `+`, `#` or `:`.",
    ),
    key("hook", Text, Required, "The hook that sends its webhooks."),
    key("project", Text, Required, "The name of the repository at the forge, such as `acme/shop`."),
    key("url", Text, Required, "The https URL to clone it from."),
    key("definitions", Map(DEFINITIONS), Required, "Where to find the definitions of its apps."),
    key(
        "allow",
        Map(ALLOW),
        Is("{}"),
        "What its apps may touch. Everything else is refused, and nothing in Git can extend it.",
    ),
    key("mayRead", Texts, Is("[]"), "Other repos that its apps may use as their source."),
];

const CLUSTER: &[Key] = &[
    key("name", Text, Required, "The name of the cluster in apps and in `allow`."),
    key("kubeconfig", Text, Words("none"), "The path of a kubeconfig. Set either this or `inCluster: true`."),
    key("context", Text, Words("its current context"), "The context in the kubeconfig."),
    key("inCluster", Flag, Is("false"), "Use the cluster that Driftless runs in."),
    key("concurrency", Number(AT_ONCE), Is("16"), "The maximum number of concurrent requests."),
];

const TIMING: &[Key] = &[
    key("quiet", Span(Duration::ZERO), Is("1s"), "How long a job waits after the last event."),
    key("maximum", Span(Duration::ZERO), Is("15s"), "The maximum time that a job waits after the first event."),
    key(
        "resync",
        Span(SHORTEST_RESYNC),
        Is("10m"),
        "How often every repository and cluster is checked, with or without webhooks.",
    ),
    key("health", Span(Duration::ZERO), Is("10m"), "How long an app may take to become healthy before its sync fails."),
    key(
        "giveUp",
        Span(Duration::ZERO),
        Is("10m"),
        "How long a job is retried before the commit status becomes `error`. Retries continue.",
    ),
];

const DESTRUCTIVE: &[Key] = &[
    key(
        "share",
        Share,
        Is("0.5"),
        "The share of an app's objects above which pruning needs confirmation. Pruning all of them always does.",
    ),
    key("count", Number(ANY), Is("4"), "`share` does not apply to apps with at most this many objects."),
    key(
        "gate",
        Text,
        Is("warn"),
        "`warn` or `block`. With `block`, a pull request that deletes something which needs confirmation keeps its commit \
         status pending (at GitLab: failed) until it is approved with `/driftless approve`.",
    ),
];

const COMMANDS: &[Key] = &[
    key("preview", Text, Is("triage"), "The least role at the forge for `/driftless preview`. See below."),
    key("sync", Text, Is("write"), "The same for `sync`."),
    key("approve", Text, Is("maintain"), "The same for `approve` and `unapprove`."),
    key("pause", Text, Is("write"), "The same for `pause`."),
    key("resume", Text, Is("write"), "The same for `resume`."),
    key("approveOwn", Flag, Is("true"), "Whether authors may approve their own pull requests."),
];

const HEALING: &[Key] = &[key(
    "attempts",
    Number(ATTEMPTS),
    Is("3"),
    "How often Driftless reverts a field that another controller keeps changing. Then it stops and names the \
     controller.",
)];

const COMMENT: &[Key] = &[key(
    "parts",
    Number(PARTS),
    Is("10"),
    "The maximum number of comments for one preview. `driftless preview --pr` prints the rest.",
)];

const PRUNE: &[Key] = &[key(
    "propagation",
    Text,
    Is("background"),
    "`background` or `foreground`. With `foreground`, an object stays until everything that it owns is deleted.",
)];

pub(super) const FILE: &[Key] = &[
    key(
        "instance",
        Text,
        Is("driftless"),
        "The name of this instance, if several share a cluster or a forge: up to 40 letters, digits, `-`, `_` and `.`.",
    ),
    key("statusContext", Text, Is("driftless"), "The name of the commit status."),
    key("listen", Text, Is("0.0.0.0:8080"), "The address for webhooks."),
    key(
        "probes",
        Text,
        Words("the address of `listen`, with the next port"),
        "The address for `/healthz`, `/readyz` and `/metrics`. Load at `listen` does not affect it.",
    ),
    key("data", Text, Is("/var/lib/driftless"), "The folder for the database and the mirrors of repositories."),
    key("socket", Text, Words("`driftless.sock` in `data`"), "The Unix socket for the command line."),
    key("renderer", Text, Is("/usr/local/bin/driftless-renderer"), "The path of the renderer's program."),
    key(
        "landlock",
        Number(LANDLOCK),
        Is("1"),
        "The lowest Landlock ABI that the kernel must support for the renderer's sandbox.",
    ),
    key(
        "ca",
        Text,
        Words("none"),
        "A PEM file with certificate authorities for the forges' Git and API, in addition to the system's.",
    ),
    key(
        "publicUrl",
        Text,
        Words("none"),
        "The URL at which the forge reaches `listen`. `check --online` compares it with the webhooks.",
    ),
    key("workers", Number(AT_ONCE), Is("16"), "The maximum number of concurrent jobs."),
    key("timing", Map(TIMING), Is("{}"), "When jobs run, and how long they wait."),
    key("destructive", Map(DESTRUCTIVE), Is("{}"), "When pruning needs confirmation."),
    key("healing", Map(HEALING), Is("{}"), "How drift is healed."),
    key("comment", Map(COMMENT), Is("{}"), "The comment on a pull request or merge request."),
    key(
        "commands",
        Map(COMMANDS),
        Is("{}"),
        "Who may give commands in comments: the least role at the forge, one of `read`, `triage`, `write`, `maintain` and \
         `admin`, or `nobody`. GitLab's Guest counts as `read`, Reporter as `triage`, Developer as `write`, Maintainer as \
         `maintain`, and Owner as `admin`.",
    ),
    key("prune", Map(PRUNE), Is("{}"), "How objects are deleted."),
    key("hooks", List("hook", HOOK), Words("none"), "The forges that send webhooks."),
    key("repos", List("repo", REPO), Words("none"), "The repositories to follow."),
    key("clusters", List("cluster", CLUSTER), Words("none"), "The clusters that apps can use."),
];

impl Form {
    /// What is expected, in words.
    pub(super) fn words(self) -> String {
        let words = match self {
            Text => "a string",
            Flag => "true or false",
            Number(ANY) => "a whole number that is not negative",
            Number(Range { least, most }) => return format!("a whole number from {least} to {most}"),
            Span(Duration::ZERO) => "a duration such as `10m` or `1s 500ms`, up to 30 days",
            Span(least) => return format!("a duration such as `10m`, from {} s to 30 days", least.as_secs()),
            Share => "a number from 0 to 1",
            Texts => "a list of strings",
            Secret => "{env: NAME} or {file: PATH}, never the secret itself",
            Secrets => "a list of {env: NAME} or {file: PATH}, never of secrets themselves",
            Map(_) => "a map",
            List(..) => "a list of maps",
        };
        words.to_owned()
    }

    /// The keys of what is in it.
    pub(super) fn keys(self) -> &'static [Key] {
        match self {
            Map(keys) | List(_, keys) => keys,
            Secret | Secrets => SECRET,
            _ => &[],
        }
    }
}
