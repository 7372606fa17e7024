//! The only place of this module that starts a process: `git`, for results that must be exactly those of Git.
//!
//! It runs with fixed arguments, an empty environment, and no configuration except the mirror's own, which Driftless
//! wrote: no foreign hook, filter or merge driver can run. Callers can cancel it, and it never runs longer than its
//! deadline.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// Where programs are looked for, as nothing of our own environment is passed on.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Settings that a mirror's configuration can't change.
const SETTINGS: [&str; 8] = [
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.attributesFile=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "gc.auto=0",
];

/// The first version with `git merge-tree --write-tree`.
const OLDEST: (u32, u32) = (2, 38);

/// One call of `git` in a bare repository.
pub(super) struct Call<'a> {
    pub(super) git: &'a Path,
    pub(super) dir: &'a Path,
    pub(super) args: &'a [&'a str],
    /// Where new objects go, if not into the repository.
    pub(super) objects: Option<&'a Path>,
    pub(super) deadline: Duration,
}

pub(super) struct Answer {
    /// None where a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Answer {
    #[cfg(test)]
    pub(super) fn of(stdout: &str) -> Self {
        Self { code: Some(0), stdout: stdout.as_bytes().to_vec(), stderr: Vec::new() }
    }

    /// What it complained of, in few words.
    pub(super) fn complaint(&self) -> String {
        let text: String = String::from_utf8_lossy(&self.stderr).trim().chars().take(400).collect();
        match self.code {
            Some(_) if !text.is_empty() => text,
            Some(code) => format!("it ended with code {code}"),
            None => "it was killed".to_owned(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("{0} was not found")]
    Missing(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("it took longer than {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("it was cancelled")]
    Cancelled,
}

pub(super) async fn run(call: &Call<'_>, cancel: &CancellationToken) -> Result<Answer, ProgramError> {
    let mut command = command(call.git);
    command.current_dir(call.dir).env("GIT_DIR", ".").args(SETTINGS).args(call.args);
    if let Some(objects) = call.objects {
        command.env("GIT_OBJECT_DIRECTORY", objects);
    }
    // Dropped with the child in it, the future kills the child.
    let work = output(call.git, &mut command);
    tokio::select! {
        answer = tokio::time::timeout(call.deadline,
            work) => answer.map_err(|_| ProgramError::TimedOut(call.deadline))?,
        () = cancel.cancelled() => Err(ProgramError::Cancelled),
    }
}

/// Which version `git` is, when it is there and new enough; else why it can't be used.
pub(super) async fn version(git: &Path) -> Result<String, String> {
    let mut command = command(git);
    command.arg("--version");
    let answer = tokio::time::timeout(Duration::from_secs(10), output(git, &mut command)).await;
    let answer = answer
        .map_err(|_| "it did not report its version within 10 s".to_owned())?
        .map_err(|error| error.to_string())?;
    judge(&String::from_utf8_lossy(&answer.stdout))
}

/// `git version 2.39.5 (Apple Git-154)`.
fn judge(said: &str) -> Result<String, String> {
    let version =
        said.trim().strip_prefix("git version ").and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST => Ok(version.to_owned()),
        (Some(_), Some(_)) => Err(format!("it is version {version}")),
        _ => Err("it does not report its version".to_owned()),
    }
}

fn command(git: &Path) -> Command {
    let mut command = Command::new(git);
    command.env_clear();
    let settings: [(&str, &OsStr); 9] = [
        ("PATH", OsStr::new(PATH)),
        ("LC_ALL", OsStr::new("C")),
        ("GIT_CONFIG_NOSYSTEM", OsStr::new("1")),
        ("GIT_CONFIG_GLOBAL", OsStr::new("/dev/null")),
        ("GIT_ATTR_NOSYSTEM", OsStr::new("1")),
        ("GIT_NO_REPLACE_OBJECTS", OsStr::new("1")),
        ("GIT_NO_LAZY_FETCH", OsStr::new("1")),
        ("GIT_TERMINAL_PROMPT", OsStr::new("0")),
        ("GIT_OPTIONAL_LOCKS", OsStr::new("0")),
    ];
    command.envs(settings);
    command
}

async fn output(git: &Path, command: &mut Command) -> Result<Answer, ProgramError> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let child = child.map_err(|error| match error.kind() {
        ErrorKind::NotFound => ProgramError::Missing(git.display().to_string()),
        _ => ProgramError::Io(error),
    })?;
    let output = child.wait_with_output().await?;
    Ok(Answer { code: output.status.code(), stdout: output.stdout, stderr: output.stderr })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_git_that_cannot_merge_trees_is_too_old() {
        for good in [
            "git version 2.38.0\n",
            "git version 2.39.5 (Apple Git-154)",
            "git version 3.0",
            "git version 2.47.1.windows.2",
        ] {
            assert!(judge(good).is_ok(), "{good}");
        }
        assert_eq!(judge("git version 2.37.9"), Err("it is version 2.37.9".to_owned()));
        assert_eq!(judge("hub version 1"), Err("it does not report its version".to_owned()));
    }

    #[tokio::test]
    async fn what_is_cancelled_or_too_slow_is_killed() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("git");
        std::fs::write(&script, "#!/bin/sh\nsleep 60\n").expect("a script");
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
        let call = |deadline| Call { git: &script, dir: folder.path(), args: &[], objects: None, deadline };
        let slow = run(&call(Duration::from_millis(50)), &CancellationToken::new()).await;
        assert!(matches!(slow, Err(ProgramError::TimedOut(_))));
        let cancel = CancellationToken::new();
        cancel.cancel();
        let cancelled = run(&call(Duration::from_mins(1)), &cancel).await;
        assert!(matches!(cancelled, Err(ProgramError::Cancelled)));
        let missing = Call { git: Path::new("/nowhere/git"), ..call(Duration::from_secs(1)) };
        assert!(matches!(run(&missing, &CancellationToken::new()).await, Err(ProgramError::Missing(_))));
    }
}
