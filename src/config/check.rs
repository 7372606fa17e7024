//! From the form of the file to a configuration that holds together. Everything that is wrong is named at once.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::{GlobBuilder, GlobSetBuilder};
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use url::{Host, Url};

use super::file::{self, File, SecretRef, Text};
use super::{
    ClusterAccess, ClusterEntry, Config, Credentials, DestructiveLimits, Environment, ForgeKind, Hook, Problem, Propagation, Repo, Timing,
    branch, secret,
};
use crate::ids::{ClusterName, HookName, RepoName};
use crate::render::sandbox::Landlock;
use crate::secret::LiveSecret;
use crate::yaml::Spanned;

/// Longer than anybody waits, and short enough to be added to any time.
const LONGEST: Duration = Duration::from_hours(30 * 24);
const SHORTEST_RESYNC: Duration = Duration::from_secs(1);
/// Of jobs, and of requests to one cluster.
const MOST_AT_ONCE: usize = 1_000;
/// A mirror's directory bears the name of its repo.
const LONGEST_REPO_NAME: usize = 80;

/// Collects what is wrong while the rest is looked at.
struct Checker<'a> {
    folder: &'a Path,
    environment: &'a dyn Environment,
    problems: Vec<Problem>,
}

pub(super) fn check(file: File, folder: &Path, environment: &dyn Environment) -> Result<Config, Vec<Problem>> {
    let mut checker = Checker { folder, environment, problems: Vec::new() };
    let config = checker.config(file);
    checker.problems.sort();
    match config {
        Some(config) if checker.problems.is_empty() => Ok(config),
        _ => Err(checker.problems),
    }
}

/// What a text is that is no URL. Git's own short form of an SSH address is the usual one.
fn no_url(text: &str) -> String {
    let scp = text.split_once(':').filter(|(host, _)| !host.contains('/')).and_then(|(host, path)| Some((host.split_once('@')?.1, path)));
    match scp {
        Some((host, path)) => {
            format!(
                "this is an SSH address. Driftless clones over https, with the hook's credentials: https://{host}/{}",
                path.trim_start_matches('/')
            )
        }
        None => "this is not a URL; use https://HOST/PATH".to_owned(),
    }
}

/// Beside the webhooks. A port that the system chooses is followed by another such.
fn next_port(listen: SocketAddr) -> SocketAddr {
    let port = match listen.port() {
        0 => 0,
        u16::MAX => u16::MAX - 1,
        port => port + 1,
    };
    SocketAddr::new(listen.ip(), port)
}

fn line<T>(at: &Spanned<T>) -> u32 {
    u32::try_from(at.referenced.line()).unwrap_or(0)
}

impl Checker<'_> {
    fn problem<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        self.problems.push(Problem { line: line(at), message: message.into() });
    }

    /// Notes the error, and goes on without the value.
    fn noted<T, V, E: Display>(&mut self, at: &Spanned<V>, what: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.problem(at, format!("{what}: {error}"))).ok()
    }

    fn config(&mut self, file: File) -> Option<Config> {
        let File {
            instance,
            status_context,
            listen,
            probes,
            data,
            socket,
            renderer,
            landlock,
            ca,
            public_url,
            workers,
            timing,
            destructive,
            healing,
            comment,
            prune,
            hooks,
            repos,
            clusters,
        } = file;
        self.unique("hook", hooks.iter().map(|hook| &hook.name));
        self.unique("repo", repos.iter().map(|repo| &repo.name));
        self.unique("cluster", clusters.iter().map(|cluster| &cluster.name));
        self.references(&hooks, &repos);
        let data = data.unwrap_or_else(|| PathBuf::from("/var/lib/driftless"));
        let instance = instance.map_or_else(|| Some("driftless".to_owned()), |name| self.instance(name));
        let listen = match &listen {
            Some(text) => self.address(text, "listen"),
            None => Some(([0, 0, 0, 0], 8080).into()),
        };
        let probes_text = probes;
        let probes = match &probes_text {
            Some(text) => self.address(text, "probes"),
            None => listen.map(next_port),
        };
        if let (Some(text), Some(listen), Some(probes)) = (&probes_text, listen, probes)
            && listen == probes
            && listen.port() != 0
        {
            self.problem(text, "probes: the webhooks are served at this address; choose another port");
        }
        let landlock = landlock.map_or(Some(1), |required| {
            let known = (1..=Landlock::NEWEST).contains(&required.value);
            let checked =
                known.then_some(required.value).ok_or_else(|| format!("{} is no version from 1 to {}", required.value, Landlock::NEWEST));
            self.noted(&required, "landlock", checked)
        });
        let public_url = public_url.and_then(|text| self.url(&text, "publicUrl"));
        let timing = self.timing(&timing);
        let destructive = self.destructive(&destructive);
        let workers = self.within(workers.as_ref(), "workers", 16, 1..=MOST_AT_ONCE);
        let heals = self.within(healing.attempts.as_ref(), "healing.attempts", 3, 1..=1_000);
        let comment_parts = self.within(comment.parts.as_ref(), "comment.parts", 10, 1..=50);
        let propagation = self.propagation(prune.propagation.as_ref());
        let hooks: Vec<_> = hooks.into_iter().filter_map(|hook| self.hook(hook)).collect();
        let repos: Vec<_> = repos.into_iter().filter_map(|repo| self.repo(repo)).collect();
        let clusters: Vec<_> = clusters.into_iter().filter_map(|cluster| self.cluster(cluster)).collect();
        let instance = instance?;
        Some(Config {
            status_context: status_context.unwrap_or_else(|| "driftless".to_owned()),
            instance,
            listen: listen?,
            probes: probes?,
            socket: self.path(socket.unwrap_or_else(|| data.join("driftless.sock"))),
            data: self.path(data),
            renderer: self.path(renderer.unwrap_or_else(|| PathBuf::from("/usr/local/bin/driftless-renderer"))),
            landlock: Landlock::require(landlock?),
            ca: ca.map(|ca| self.path(ca)),
            public_url,
            workers: workers?,
            timing: timing?,
            destructive: destructive?,
            heals: heals?,
            comment_parts: comment_parts?,
            propagation: propagation?,
            hooks,
            repos,
            clusters,
        })
    }

    fn address(&mut self, text: &Text, what: &str) -> Option<SocketAddr> {
        let parsed = text.value.parse().map_err(|_| format!("{:?} is not an address with a port, such as 0.0.0.0:8080", text.value));
        self.noted(text, what, parsed)
    }

    /// Paths in the file count from its folder.
    fn path(&self, path: PathBuf) -> PathBuf {
        self.folder.join(path)
    }

    fn unique<'t>(&mut self, what: &str, names: impl Iterator<Item = &'t Text>) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name.value.to_lowercase()) {
                self.problem(name, format!("another {what} is already called {:?}; names must be unique", name.value));
            }
        }
    }

    fn references(&mut self, hooks: &[file::Hook], repos: &[file::Repo]) {
        let mut projects = BTreeSet::new();
        for repo in repos {
            if !hooks.iter().any(|hook| hook.name.value == repo.hook.value) {
                self.problem(&repo.hook, format!("no hook is called {:?}; list it under hooks", repo.hook.value));
            }
            if !projects.insert((repo.hook.value.clone(), repo.project.value.to_lowercase())) {
                self.problem(&repo.project, format!("{:?} is listed twice for one hook; one repo can have many apps", repo.project.value));
            }
            for other in &repo.may_read {
                if other.value == repo.name.value {
                    self.problem(other, format!("mayRead: repo {:?} may always read itself. Remove it", other.value));
                }
                if !repos.iter().any(|candidate| candidate.name.value == other.value) {
                    self.problem(other, format!("no repo is called {:?}; list it under repos", other.value));
                }
            }
        }
    }

    fn instance(&mut self, name: Text) -> Option<String> {
        let valid = (1..=40).contains(&name.value.len()) && name.value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !valid {
            self.problem(&name, "instance: use up to 40 letters, digits, `-`, `_` and `.`");
            return None;
        }
        Some(name.value)
    }

    fn url(&mut self, text: &Text, what: &str) -> Option<Url> {
        let Ok(url) = text.value.parse::<Url>() else {
            self.problem(text, format!("{what}: {}", no_url(&text.value)));
            return None;
        };
        if url.password().is_some() || !url.username().is_empty() {
            self.problem(text, format!("{what}: the URL contains a credential; put it under the hook's `credentials`"));
            return None;
        }
        if !matches!(url.scheme(), "https" | "http") {
            let hint = if url.scheme() == "ssh" { "; Driftless clones over https, with the hook's credentials" } else { "" };
            self.problem(text, format!("{what}: use https, not {}{hint}", url.scheme()));
            return None;
        }
        Some(url)
    }

    /// Said at the start rather than by the first fetch: a credential goes along with it.
    fn clone_url(&mut self, text: &Text) -> Option<Url> {
        let url = self.url(text, "url")?;
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        if url.scheme() == "http" && !is_here {
            self.problem(text, "url: http:// is accepted only for this machine; use https://");
            return None;
        }
        Some(url)
    }

    fn timing(&mut self, timing: &file::Timing) -> Option<Timing> {
        let mut duration = |text: &Option<Text>, what: &str, default: u64| match text {
            Some(text) => {
                let parsed = text.value.parse::<SignedDuration>().map_err(|error| error.to_string());
                let parsed = parsed.and_then(|span| Duration::try_from(span).map_err(|_| "it is negative".to_owned()));
                let parsed = parsed.and_then(|span| if span <= LONGEST { Ok(span) } else { Err("the maximum is 30 days".to_owned()) });
                self.noted(text, what, parsed)
            }
            None => Some(Duration::from_secs(default)),
        };
        let quiet = duration(&timing.quiet, "timing.quiet", 1);
        let maximum = duration(&timing.maximum, "timing.maximum", 15);
        let resync = duration(&timing.resync, "timing.resync", 600);
        let health = duration(&timing.health, "timing.health", 600);
        let give_up = duration(&timing.give_up, "timing.giveUp", 600);
        if let (Some(text), Some(span)) = (&timing.resync, resync)
            && span < SHORTEST_RESYNC
        {
            self.problem(text, "timing.resync: the minimum is 1s; each resync queries every forge and every cluster");
        }
        Some(Timing { quiet: quiet?, maximum: maximum?, resync: resync?, health: health?, give_up: give_up? })
    }

    fn destructive(&mut self, given: &file::Destructive) -> Option<DestructiveLimits> {
        let share = match &given.share {
            Some(share) if !(0.0..=1.0).contains(&share.value) => {
                self.problem(share, format!("destructive.share: use a number from 0 to 1, not {}", share.value));
                return None;
            }
            share => share.as_ref().map_or(0.5, |share| share.value),
        };
        Some(DestructiveLimits { share, count: given.count.unwrap_or(4) })
    }

    fn within<T>(&mut self, given: Option<&Spanned<T>>, what: &str, default: T, range: RangeInclusive<T>) -> Option<T>
    where
        T: Copy + PartialOrd + Display,
    {
        let Some(number) = given else { return Some(default) };
        if range.contains(&number.value) {
            return Some(number.value);
        }
        self.problem(number, format!("{what}: use a number from {} to {}, not {}", range.start(), range.end(), number.value));
        None
    }

    fn propagation(&mut self, given: Option<&Text>) -> Option<Propagation> {
        match given.map(|text| text.value.as_str()) {
            None | Some("background") => Some(Propagation::Background),
            Some("foreground") => Some(Propagation::Foreground),
            Some(other) => {
                if let Some(text) = given {
                    self.problem(text, format!("prune.propagation: use background or foreground, not {other:?}"));
                }
                None
            }
        }
    }

    fn secret(&mut self, reference: &Spanned<SecretRef>, what: &str) -> Option<LiveSecret> {
        let read = secret::read(&reference.value, self.folder, self.environment);
        self.noted(reference, what, read)
    }

    fn hook(&mut self, hook: file::Hook) -> Option<Hook> {
        let file::Hook { name, forge, url, secrets, credentials } = hook;
        if !name.value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) || name.value.is_empty() {
            self.problem(&name, "a hook's name is part of its path: use letters, digits, `-`, `_` and `.`");
        }
        if secrets.is_empty() {
            self.problem(&name, format!("hook {:?} has no secrets, so anybody could send events. List at least one", name.value));
        }
        let (kind, api) = match forge.value.as_str() {
            "github" => (Some(ForgeKind::GitHub), "https://api.github.com"),
            "gitlab" => (Some(ForgeKind::GitLab), "https://gitlab.com"),
            other => {
                self.problem(&forge, format!("unknown forge {other:?}: use github or gitlab"));
                (None, "https://invalid")
            }
        };
        let url = match &url {
            Some(text) => self.url(text, "url").filter(|url| self.fits(text, url, kind)),
            None => api.parse().ok(),
        };
        let secrets: Vec<_> = secrets.iter().filter_map(|reference| self.hook_secret(reference)).collect();
        if credentials.is_some() && kind == Some(ForgeKind::GitLab) {
            let message = "credentials: GitLab's API is not supported yet. Remove them; GitLab's webhooks are accepted without them";
            self.problem(&name, format!("hook {:?}: {message}", name.value));
        }
        let credentials = match credentials {
            Some(given) => Some(self.credentials(&name, &given)?),
            None => None,
        };
        Some(Hook { name: HookName::new(name.value), forge: kind?, api: url?, secrets, credentials })
    }

    /// Whether the address can be one of the forge: the public ones, and the usual names of one's own, are known.
    fn fits(&mut self, text: &Text, url: &Url, kind: Option<ForgeKind>) -> bool {
        let host = url.host_str().unwrap_or_default();
        let is_of = |name: &str| host.split('.').any(|label| label.eq_ignore_ascii_case(name));
        let (forge, other) = match kind {
            Some(ForgeKind::GitHub) if is_of("gitlab") => ("github", "gitlab"),
            Some(ForgeKind::GitLab) if is_of("github") => ("gitlab", "github"),
            _ => return true,
        };
        self.problem(text, format!("url: {host} looks like {other}, but forge is {forge}. Correct one of them"));
        false
    }

    fn hook_secret(&mut self, reference: &Spanned<SecretRef>) -> Option<LiveSecret> {
        let live = self.secret(reference, "secrets")?;
        let secret = driftless_webhooks::Secret::new(live.get().expose_secret().as_bytes());
        let secret = self.noted(reference, "secrets", secret)?;
        self.noted(reference, "secrets", secret.check())?;
        Some(live)
    }

    fn credentials(&mut self, hook: &Text, given: &file::CredentialsRef) -> Option<Credentials> {
        match (&given.token, &given.app) {
            (Some(token), None) => self.secret(token, "credentials.token").map(Credentials::Token),
            (None, Some(app)) => {
                let private_key = self.secret(&app.private_key, "credentials.app.privateKey")?;
                Some(Credentials::App { id: app.id, private_key })
            }
            _ => {
                self.problem(hook, "credentials: set either `token` or `app`");
                None
            }
        }
    }

    fn repo(&mut self, repo: file::Repo) -> Option<Repo> {
        let file::Repo { name, hook, project, url, definitions, allow, may_read } = repo;
        if name.value.is_empty() || name.value.contains(['/', '+', '#', ':']) || name.value.chars().any(char::is_whitespace) {
            self.problem(&name, "a repo's name is part of job keys: it must not contain a space, `/`, `+`, `#` or `:`");
        }
        if name.value.len() > LONGEST_REPO_NAME {
            self.problem(&name, format!("a repo's name has {} bytes; the limit is {LONGEST_REPO_NAME}", name.value.len()));
        }
        let segments: Vec<&str> = project.value.split('/').collect();
        if segments.len() < 2 || segments.iter().any(|segment| segment.trim().is_empty() || segment.contains(char::is_whitespace)) {
            self.problem(&project, "project: use the forge's full name, such as OWNER/NAME: deliveries are matched by it");
        }
        if let Some(why) = branch::fault(&definitions.branch.value) {
            self.problem(&definitions.branch, format!("definitions.branch: {:?} {why}. Use a branch's name", definitions.branch.value));
        }
        if definitions.globs.is_empty() {
            self.problem(&definitions.branch, "definitions.globs is empty, so no app would be found. List at least one");
        }
        let mut globs = GlobSetBuilder::new();
        for glob in &definitions.globs {
            // A star stays within its folder, as in a shell; `**` goes deeper.
            let built = GlobBuilder::new(&glob.value).literal_separator(true).build();
            if let Some(glob) = self.noted(glob, "definitions.globs", built) {
                globs.add(glob);
            }
        }
        let url = self.clone_url(&url);
        let branch = definitions.branch.value;
        Some(Repo {
            name: RepoName::new(name.value),
            hook: HookName::new(hook.value),
            project: project.value,
            url: url?,
            definitions_ref: if branch.starts_with("refs/") { branch } else { format!("refs/heads/{branch}") },
            definitions: globs.build().ok()?,
            allow,
            may_read: may_read.into_iter().map(|other| RepoName::new(other.value)).collect(),
        })
    }

    fn cluster(&mut self, cluster: file::Cluster) -> Option<ClusterEntry> {
        let file::Cluster { name, kubeconfig, context, in_cluster, concurrency } = cluster;
        let concurrency = self.within(concurrency.as_ref(), "concurrency", 16, 1..=MOST_AT_ONCE);
        let access = match (kubeconfig, in_cluster) {
            (Some(path), false) => ClusterAccess::Kubeconfig { path: self.path(path), context },
            (None, true) => ClusterAccess::InCluster,
            _ => {
                self.problem(&name, "set either `kubeconfig: PATH` or `inCluster: true`");
                return None;
            }
        };
        Some(ClusterEntry { name: ClusterName::new(name.value), access, concurrency: concurrency? })
    }
}
