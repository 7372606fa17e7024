//! From the form of the file to a configuration that holds together. Everything that is wrong is named at once.

mod checker;
mod hooks;
mod repos;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;

use super::file::{self, File, Text};
use super::form;
use super::secret::Environment;
use super::types::{Config, DestructiveLimits, Problem, Propagation, Timing};
use crate::command::{Permissions, Role, Verb};
use crate::render::sandbox::Landlock;
use checker::Checker;

/// `names`: of hooks and repos that are in the file, and not among what was read.
pub(super) fn check(
    file: File,
    folder: &Path,
    environment: &dyn Environment,
    names: &BTreeSet<String>,
) -> Result<Config, Vec<Problem>> {
    let mut checker = Checker { folder, environment, problems: Vec::new(), names };
    let config = checker.config(file);
    checker.problems.sort();
    match config {
        Some(config) if checker.problems.is_empty() => Ok(config),
        _ => Err(checker.problems),
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

impl Checker<'_> {
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
            commands,
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
        let landlock = self.within(landlock.as_ref(), "landlock", 1, form::LANDLOCK);
        let public_url = public_url.and_then(|text| self.url(&text, "publicUrl"));
        let timing = self.timing(&timing);
        let gate_destructive = self.gate(destructive.gate.as_ref());
        let commands = self.commands(&commands);
        let destructive = self.destructive(&destructive);
        let workers = self.within(workers.as_ref(), "workers", 16, form::AT_ONCE);
        let heals = self.within(healing.attempts.as_ref(), "healing.attempts", 3, form::ATTEMPTS);
        let comment_parts = self.within(comment.parts.as_ref(), "comment.parts", 10, form::PARTS);
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
            gate_destructive: gate_destructive?,
            commands: commands?,
            heals: heals?,
            comment_parts: comment_parts?,
            propagation: propagation?,
            hooks,
            repos,
            clusters,
        })
    }

    fn instance(&mut self, name: Text) -> Option<String> {
        let valid = (1..=40).contains(&name.value.len())
            && name.value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !valid {
            self.problem(&name, "instance: use up to 40 letters, digits, `-`, `_` and `.`");
            return None;
        }
        Some(name.value)
    }

    fn timing(&mut self, timing: &file::Timing) -> Option<Timing> {
        let mut duration = |text: &Option<Text>, what: &str, default: u64, least: Duration| match text {
            Some(text) => {
                let parsed = text.value.parse::<SignedDuration>().map_err(|error| error.to_string());
                let parsed = parsed.and_then(|span| Duration::try_from(span).map_err(|_| "it is negative".to_owned()));
                let parsed = parsed.and_then(|span| {
                    if span <= form::LONGEST { Ok(span) } else { Err("the maximum is 30 days".to_owned()) }
                });
                let few = || {
                    format!("the minimum is {}s; each resync queries every forge and every cluster", least.as_secs())
                };
                self.noted(text, what, parsed.and_then(|span| if span >= least { Ok(span) } else { Err(few()) }))
            }
            None => Some(Duration::from_secs(default)),
        };
        let quiet = duration(&timing.quiet, "timing.quiet", 1, Duration::ZERO);
        let maximum = duration(&timing.maximum, "timing.maximum", 15, Duration::ZERO);
        let resync = duration(&timing.resync, "timing.resync", 600, form::SHORTEST_RESYNC);
        let health = duration(&timing.health, "timing.health", 600, Duration::ZERO);
        let give_up = duration(&timing.give_up, "timing.giveUp", 600, Duration::ZERO);
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

    fn gate(&mut self, given: Option<&Text>) -> Option<bool> {
        match given.map(|text| (text, text.value.as_str())) {
            None | Some((_, "warn")) => Some(false),
            Some((_, "block")) => Some(true),
            Some((text, other)) => {
                self.problem(text, format!("destructive.gate: use warn or block, not {other:?}"));
                None
            }
        }
    }

    fn commands(&mut self, given: &file::Commands) -> Option<Permissions> {
        let mut permissions = Permissions::default();
        permissions.approve_own = given.approve_own.unwrap_or(permissions.approve_own);
        let mut is_sound = true;
        for (verb, text) in [
            (Verb::Preview, &given.preview),
            (Verb::Sync, &given.sync),
            (Verb::Approve, &given.approve),
            (Verb::Pause, &given.pause),
            (Verb::Resume, &given.resume),
        ] {
            let Some(text) = text else { continue };
            let role = Role::ALL.into_iter().find(|role| role.word() == text.value);
            if role.is_none() && text.value != "nobody" {
                let roles = Role::ALL.map(Role::word).join(", ");
                let (verb, given) = (verb.word(), &text.value);
                self.problem(text, format!("commands.{verb}: use one of {roles} or nobody, not {given:?}"));
                is_sound = false;
            }
            permissions.set(verb, role);
        }
        is_sound.then_some(permissions)
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
}
