//! The sandbox of a worker: a launcher sets it up before the worker's first instruction.
//!
//! The launcher is this program again, started as `driftless sandbox WORKER`. It limits memory, gives up all access to
//! files except reading and executing the worker, keeps only the system calls that a Go program needs to compute and to
//! use its three open pipes, and executes the worker with an empty environment.
//!
//! There are two layers. seccomp is the same on every kernel: no call that opens a file, makes a socket, starts a
//! process or reaches another one works. Landlock covers what the kernel's version of it supports: files since Linux
//! 5.13, TCP since 6.7, devices since 6.10, signals and abstract sockets since 6.12. The rest is covered by seccomp
//! alone. The required version is configuration; a kernel with an older one is an error, never a weaker sandbox.

mod calls;
mod error;

use std::convert::Infallible;
use std::fmt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rlimit::Resource;

pub use error::SandboxError;

/// The exit status of a launcher that could not close the box; its standard error says why.
pub const NOT_BOXED: u8 = 126;

/// Data of a worker, in bytes: 256 MiB holds a Go program of some 70 MiB, 128 does not.
pub const MEMORY: u64 = 256 << 20;

/// What a worker may write to a file: its standard error is one, and keeps the beginning of a crash.
const WRITTEN: u64 = 64 << 10;

const OPEN_FILES: u64 = 32;

/// The versions of Landlock that a box may use, each a subset of the next.
const VERSIONS: [ABI; 6] = [ABI::V1, ABI::V2, ABI::V3, ABI::V4, ABI::V5, ABI::V6];

/// Which version of Landlock a box needs, and the newest that it uses of what the kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landlock {
    /// A kernel with less is refused. The renderer needs 1: files.
    pub required: u8,
    /// Only lower than [`Landlock::NEWEST`] to try how a box on an older kernel holds.
    pub newest: u8,
}

impl Landlock {
    /// The newest version that is used.
    pub const NEWEST: u8 = 6;

    pub fn require(required: u8) -> Self {
        Self { required, newest: Self::NEWEST }
    }
}

impl Default for Landlock {
    fn default() -> Self {
        Self::require(1)
    }
}

/// What a box on this kernel consists of, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enforced {
    /// The version of Landlock.
    pub landlock: u8,
}

impl fmt::Display for Enforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_version = [(1, "files"), (4, "TCP"), (5, "devices"), (6, "signals, abstract sockets")];
        let names = |has: bool| {
            let chosen = by_version.iter().filter(|(since, _)| (self.landlock >= *since) == has);
            chosen.map(|(_, what)| *what).collect::<Vec<_>>().join(", ")
        };
        write!(f, "Landlock ABI {} ({}) and seccomp", self.landlock, names(true))?;
        match names(false) {
            without if without.is_empty() => Ok(()),
            without => write!(f, "; {without} by seccomp alone, as this kernel's Landlock does not cover them"),
        }
    }
}

/// What a box would enforce here, without closing one.
pub fn enforced(landlock: Landlock) -> Result<Enforced, SandboxError> {
    Ok(ruleset(landlock)?.1)
}

/// Closes the box around this process and becomes the worker. It only returns when that failed.
pub fn enter_and_exec(worker: &Path, landlock: Landlock) -> SandboxError {
    match enter(worker, landlock) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn enter(worker: &Path, landlock: Landlock) -> Result<Infallible, SandboxError> {
    let mut command = Command::new(worker);
    command.env_clear();
    std::env::set_current_dir("/").map_err(SandboxError::Exec)?;
    limit()?;
    give_up_files(worker, landlock)?;
    seccompiler::apply_filter(&calls::allowed()?)?;
    Err(SandboxError::Exec(command.exec()))
}

fn limit() -> Result<(), SandboxError> {
    let limits = [
        ("memory", Resource::DATA, MEMORY),
        ("what is written to files", Resource::FSIZE, WRITTEN),
        ("open files", Resource::NOFILE, OPEN_FILES),
        ("core dumps", Resource::CORE, 0),
    ];
    for (what, resource, most) in limits {
        resource.set(most, most).map_err(|error| SandboxError::Limit(what, error))?;
    }
    Ok(())
}

fn give_up_files(worker: &Path, landlock: Landlock) -> Result<(), SandboxError> {
    let opened = PathFd::new(worker).map_err(|error| SandboxError::Worker(worker.display().to_string(), error))?;
    let (ruleset, _) = ruleset(landlock)?;
    let status = ruleset.add_rule(PathBeneath::new(opened, AccessFs::Execute | AccessFs::ReadFile))?.restrict_self()?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        weaker => Err(SandboxError::NotEnforced(weaker)),
    }
}

/// The newest rules that the kernel enforces in full.
fn ruleset(landlock: Landlock) -> Result<(RulesetCreated, Enforced), SandboxError> {
    let usable = (1u8..).zip(VERSIONS).take_while(|(number, _)| *number <= landlock.newest);
    let found = usable.collect::<Vec<_>>().into_iter().rev().find_map(|(number, abi)| Some((rules(abi).ok()?, number)));
    match found {
        None => Err(SandboxError::NoLandlock),
        Some((_, found)) if found < landlock.required => {
            Err(SandboxError::TooOld { found, required: landlock.required })
        }
        Some((ruleset, found)) => Ok((ruleset, Enforced { landlock: found })),
    }
}

/// The rules of one version. An error where the kernel knows only a part of them.
fn rules(abi: ABI) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset =
        Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::from_all(abi))?;
    if abi >= ABI::V4 {
        ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
    }
    if abi >= ABI::V6 {
        ruleset = ruleset.scope(Scope::from_all(abi))?;
    }
    ruleset.create()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_enforced_is_said_in_words() {
        let said: Vec<_> = [1, 4, 6].map(|landlock| Enforced { landlock }.to_string()).into();
        insta::assert_snapshot!(said.join("\n"), @r"
        Landlock ABI 1 (files) and seccomp; TCP, devices, signals, abstract sockets by seccomp alone, as this kernel's Landlock does not cover them
        Landlock ABI 4 (files, TCP) and seccomp; devices, signals, abstract sockets by seccomp alone, as this kernel's Landlock does not cover them
        Landlock ABI 6 (files, TCP, devices, signals, abstract sockets) and seccomp
        ");
    }

    #[test]
    fn a_kernel_with_less_than_is_required_is_refused() {
        let error = enforced(Landlock { required: 3, newest: 2 }).expect_err("2 is less than 3");
        insta::assert_snapshot!(error, @"this kernel's Landlock is ABI 2, and the configuration requires 3. Use a newer kernel, or lower `landlock` in the configuration");
        let error = enforced(Landlock { required: 1, newest: 0 }).expect_err("nothing is less than 1");
        insta::assert_snapshot!(error, @"this kernel has no Landlock, which the renderer's sandbox needs. Use Linux 5.13 or newer, with landlock in /sys/kernel/security/lsm: add it to the kernel's lsm= parameter");
    }
}
