//! The box that a worker runs in: closed by a launcher of ours before the worker's first instruction.
//!
//! The launcher is this program again, started as `driftless sandbox WORKER`. It limits memory, gives up every file save reading and
//! executing the worker, keeps only the system calls that a Go program needs to compute and to use its three open pipes, and turns into the
//! worker with an empty environment. What can't be enforced in full is an error, never a weaker box.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope,
};
use rlimit::Resource;
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch};

/// The exit status of a launcher that could not close the box; its standard error says why.
pub const NOT_BOXED: u8 = 126;

/// Data of a worker, in bytes: 256 MiB holds a Go program of some 70 MiB, 128 does not.
pub const MEMORY: u64 = 256 << 20;

/// What a worker may write to a file: its standard error is one, and keeps the beginning of a crash.
const WRITTEN: u64 = 64 << 10;

const OPEN_FILES: u64 = 32;

/// Why the box could not be closed, or the worker not started in it.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("cannot limit {0}: {1}")]
    Limit(&'static str, io::Error),
    #[error("cannot open the worker {0}: {1}")]
    Worker(String, landlock::PathFdError),
    #[error("Landlock: {0}: Linux 6.12 or newer is needed, with landlock among its security modules")]
    Landlock(#[from] landlock::RulesetError),
    #[error("Landlock is only {0:?}: Linux 6.12 or newer is needed, with landlock among its security modules")]
    NotEnforced(RulesetStatus),
    #[error("seccomp: {0}")]
    Seccomp(#[from] seccompiler::Error),
    #[error("seccomp: {0}")]
    Filter(#[from] seccompiler::BackendError),
    #[error("cannot execute the worker: {0}")]
    Exec(io::Error),
}

/// Closes the box around this process and becomes the worker. It only returns when that failed.
pub fn enter_and_exec(worker: &Path) -> SandboxError {
    match enter(worker) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn enter(worker: &Path) -> Result<Infallible, SandboxError> {
    let mut command = Command::new(worker);
    command.env_clear();
    std::env::set_current_dir("/").map_err(SandboxError::Exec)?;
    limit()?;
    give_up_files(worker)?;
    seccompiler::apply_filter(&system_calls()?)?;
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

fn give_up_files(worker: &Path) -> Result<(), SandboxError> {
    let abi = ABI::V6;
    let opened = PathFd::new(worker).map_err(|error| SandboxError::Worker(worker.display().to_string(), error))?;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rule(PathBeneath::new(opened, AccessFs::Execute | AccessFs::ReadFile))?
        .restrict_self()?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        weaker => Err(SandboxError::NotEnforced(weaker)),
    }
}

/// The only system calls that work; any other answers EPERM. There is none to make a socket, a process or a file.
fn system_calls() -> Result<BpfProgram, SandboxError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().chain(ARCHITECTURE).map(|call| (*call, Vec::new())).collect();
    let same_process = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let thread = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(same_process), same_process)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![thread])?]);
    // Its own limits it may read and lower; those of another process of the same user are no business of a worker.
    let itself = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![itself])?]);
    let here = TargetArch::try_from(std::env::consts::ARCH)?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    Ok(SeccompFilter::new(rules, refuse, SeccompAction::Allow, here)?.try_into()?)
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: &[i64] = &[libc::SYS_arch_prctl, libc::SYS_dup2, libc::SYS_epoll_wait, libc::SYS_pipe, libc::SYS_poll, libc::SYS_time];

#[cfg(not(target_arch = "x86_64"))]
const ARCHITECTURE: &[i64] = &[];

/// What the Go runtime uses, and what this launcher still needs between the filter and the exec.
const ALLOWED: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_execve,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mincore,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_openat,
    libc::SYS_pipe2,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_timer_create,
    libc::SYS_timer_delete,
    libc::SYS_timer_settime,
    libc::SYS_write,
    libc::SYS_writev,
];
