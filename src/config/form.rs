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
    key("env", Text, Words("none"), "The name of an environment variable. It is read at the start."),
    key("file", Text, Words("none"), "A file, read again when it changes."),
];

const APP: &[Key] = &[
    key("id", Number(ANY), Required, "The App's id."),
    key("privateKey", Secret, Required, "The PEM file that GitHub gave for download."),
];

const CREDENTIALS: &[Key] = &[
    key("token", Secret, Words("none"), "A personal access token. Either this or `app`."),
    key("app", Map(APP), Words("none"), "A GitHub App, whose installation is looked up by repository."),
];

const HOOK: &[Key] = &[
    key("name", Text, Required, "The last segment of its path: deliveries come to `/webhooks/NAME`."),
    key("forge", Text, Required, "`github` (also Gitea, which speaks its language) or `gitlab`."),
    key(
        "url",
        Text,
        Words("the forge's public API"),
        "The forge's API, such as `https://HOST/api/v3` of a GitHub Enterprise Server.",
    ),
    key("secrets", Secrets, Required, "What deliveries may be signed with; several while one is changed for another."),
    key(
        "credentials",
        Map(CREDENTIALS),
        Words("none"),
        "Who reports and reads at the forge. Without them nothing is reported, and only public repositories can be \
         read. Not with `gitlab` yet.",
    ),
];

const DEFINITIONS: &[Key] = &[
    key("branch", Text, Required, "The branch whose definitions of apps count."),
    key("globs", Texts, Required, "Where they are. `*` stays within its folder, `**` goes deeper."),
];

const CLUSTER_SCOPED: &[Key] = &[
    key("group", Text, Words("any group"), "The API group; `\"\"` is the core group."),
    key("kind", Text, Required, "A kind, by pattern."),
    key("name", Text, Is("'*'"), "The names among its objects, by pattern."),
];

const ALLOW: &[Key] = &[
    key("clusters", Texts, Is("[]"), "Clusters, by pattern."),
    key(
        "namespaces",
        Texts,
        Is("[]"),
        "Namespaces, by pattern: of objects, and of an app's `destination`. A Namespace object counts as its own name.",
    ),
    key("clusterScoped", List("entry", CLUSTER_SCOPED), Is("[]"), "Cluster-scoped kinds."),
];

const REPO: &[Key] = &[
    key("name", Text, Required, "Our name of it, at most 80 bytes; no space, `/`, `+`, `#` or `:`."),
    key("hook", Text, Required, "The hook that tells of it."),
    key("project", Text, Required, "The forge's name of it, such as `acme/shop`."),
    key("url", Text, Required, "Where it is cloned from, over https."),
    key("definitions", Map(DEFINITIONS), Required, "Where the definitions of its apps are."),
    key(
        "allow",
        Map(ALLOW),
        Is("{}"),
        "What its apps may touch. Nothing in Git can widen it, and what is not listed is refused.",
    ),
    key("mayRead", Texts, Is("[]"), "Other repos that its apps may read."),
];

const CLUSTER: &[Key] = &[
    key("name", Text, Required, "The name by which apps and `allow` know it."),
    key("kubeconfig", Text, Words("none"), "A kubeconfig. Either this or `inCluster: true`."),
    key("context", Text, Words("its current context"), "The kubeconfig's context."),
    key("inCluster", Flag, Is("false"), "Whether it is the cluster that Driftless runs in."),
    key("concurrency", Number(AT_ONCE), Is("16"), "Requests at once."),
];

const TIMING: &[Key] = &[
    key("quiet", Span(Duration::ZERO), Is("1s"), "A job waits for this long after the last event."),
    key("maximum", Span(Duration::ZERO), Is("15s"), "And for this long after the first one at most."),
    key("resync", Span(SHORTEST_RESYNC), Is("10m"), "How often everything is looked at, whatever webhooks told."),
    key("health", Span(Duration::ZERO), Is("10m"), "How long a sync may take to become healthy before it has failed."),
    key(
        "giveUp",
        Span(Duration::ZERO),
        Is("10m"),
        "After this long of retrying, the status says `error`; retries go on.",
    ),
];

const DESTRUCTIVE: &[Key] = &[
    key("share", Share, Is("0.5"), "Pruning more than this part of an app needs confirmation,"),
    key("count", Number(ANY), Is("4"), "if the app has more than this many objects."),
];

const HEALING: &[Key] = &[key(
    "attempts",
    Number(ATTEMPTS),
    Is("3"),
    "If another controller keeps changing a field back, Driftless stops after so many heals, and names it.",
)];

const COMMENT: &[Key] = &[key(
    "parts",
    Number(PARTS),
    Is("10"),
    "A preview takes up at most so many comments. `driftless preview --pr` prints the rest.",
)];

const PRUNE: &[Key] = &[key(
    "propagation",
    Text,
    Is("background"),
    "`background`, or `foreground`: then an object stays until all that it owns is gone.",
)];

pub(super) const FILE: &[Key] = &[
    key(
        "instance",
        Text,
        Is("driftless"),
        "Tells instances apart that share a cluster or a forge: up to 40 letters, digits, `-`, `_`, `.`.",
    ),
    key("statusContext", Text, Is("driftless"), "The name of the commit status."),
    key("listen", Text, Is("0.0.0.0:8080"), "Where webhooks are taken."),
    key(
        "probes",
        Text,
        Words("the address of `listen`, with the next port"),
        "Where `/healthz`, `/readyz` and `/metrics` are served, whatever goes on at `listen`.",
    ),
    key("data", Text, Is("/var/lib/driftless"), "The store and the mirrors of repositories."),
    key("socket", Text, Words("`driftless.sock` in `data`"), "The Unix socket of the command line."),
    key("renderer", Text, Is("/usr/local/bin/driftless-renderer"), "The renderer's program."),
    key(
        "landlock",
        Number(LANDLOCK),
        Is("1"),
        "The Landlock ABI that the kernel must have for the renderer's sandbox.",
    ),
    key(
        "ca",
        Text,
        Words("none"),
        "A PEM file with certificate authorities to trust beside the system's, for the forges' Git and API.",
    ),
    key(
        "publicUrl",
        Text,
        Words("none"),
        "Where the forge reaches `listen`; `check --online` compares it with the webhooks.",
    ),
    key("workers", Number(AT_ONCE), Is("16"), "Jobs at once."),
    key("timing", Map(TIMING), Is("{}"), "When jobs run, and when they give up."),
    key("destructive", Map(DESTRUCTIVE), Is("{}"), "From when on pruning needs confirmation."),
    key("healing", Map(HEALING), Is("{}"), "How drift is healed."),
    key("comment", Map(COMMENT), Is("{}"), "The comment on a pull request."),
    key("prune", Map(PRUNE), Is("{}"), "How objects are deleted."),
    key("hooks", List("hook", HOOK), Words("none"), "The forges that send webhooks."),
    key("repos", List("repo", REPO), Words("none"), "The repositories that are followed."),
    key("clusters", List("cluster", CLUSTER), Words("none"), "The clusters that apps may be in."),
];

impl Form {
    /// What is expected, in words.
    pub(super) fn words(self) -> String {
        let words = match self {
            Text => "a text",
            Flag => "true or false",
            Number(ANY) => "a whole number that is not negative",
            Number(Range { least, most }) => return format!("a whole number from {least} to {most}"),
            Span(Duration::ZERO) => "a duration such as `10m` or `1s 500ms`, up to 30 days",
            Span(least) => return format!("a duration such as `10m`, from {} s to 30 days", least.as_secs()),
            Share => "a number from 0 to 1",
            Texts => "a list of texts",
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
