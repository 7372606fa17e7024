//! Why a box could not be closed.

use std::io;

use landlock::{RulesetError, RulesetStatus};

/// Why the box could not be closed, or the worker not started in it.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("cannot limit {0}: {1}")]
    Limit(&'static str, io::Error),
    #[error("cannot open the worker {0}: {1}")]
    Worker(String, landlock::PathFdError),
    #[error(
        "this kernel has no Landlock, which the renderer's sandbox needs. Use Linux 5.13 or newer, with landlock in \
         /sys/kernel/security/lsm: add it to the kernel's lsm= parameter"
    )]
    NoLandlock,
    #[error(
        "this kernel's Landlock is ABI {found}, and the configuration requires {required}. Use a newer kernel, or \
         lower `landlock` in the configuration"
    )]
    TooOld { found: u8, required: u8 },
    #[error("Landlock: {0}")]
    Landlock(#[from] RulesetError),
    #[error("Landlock is only {0:?}")]
    NotEnforced(RulesetStatus),
    #[error("seccomp: {0}")]
    Seccomp(#[from] seccompiler::Error),
    #[error("seccomp: {0}")]
    Filter(#[from] seccompiler::BackendError),
    #[error("cannot execute the worker: {0}")]
    Exec(io::Error),
}
