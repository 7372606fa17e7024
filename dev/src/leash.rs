//! Child processes that end when we do, however we end: each holds our end of a pipe as its standard input and
//! takes its closing for the order to stop. The kernel closes it for us even on SIGKILL.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Runs a program that doesn't watch its standard input, and ends it when that closes. The program is given
/// ten seconds to obey.
const WATCH_INPUT: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
(cat <&3 >/dev/null; kill "$child"; sleep 10; kill -9 "$child") 2>/dev/null &
watcher=$!
exec 3<&-
trap 'kill "$child" 2>/dev/null' TERM INT
wait "$child"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"#;

/// How much of a log a message quotes, in bytes.
const QUOTED_LOG: u64 = 2_000;

/// Who ends the program when its standard input closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndedBy {
    Itself,
    Shell,
}

/// A running child; dropping it tells it to end, without waiting for that.
#[derive(Debug)]
pub(super) struct Leashed {
    child: Child,
    input: Option<ChildStdin>,
    log: PathBuf,
}

impl Leashed {
    /// Starts `program`; its standard error goes to the file `log`, and so does its standard output unless it ends
    /// itself.
    pub(super) fn start(
        program: &Path,
        arguments: &[String],
        ended_by: EndedBy,
        log: PathBuf,
    ) -> std::io::Result<Self> {
        let mut command = match ended_by {
            EndedBy::Itself => Command::new(program),
            EndedBy::Shell => {
                let mut shell = Command::new("/bin/sh");
                shell.arg("-c").arg(WATCH_INPUT).arg("leash").arg(program);
                shell
            }
        };
        let mut child =
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log)?).spawn()?;
        let input = child.stdin.take();
        Ok(Self { child, input, log })
    }

    /// The standard output of a program that ends itself; the first caller has it.
    pub(super) fn output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Resolves when it ends by itself.
    pub(super) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// The exit status of a child that has ended already.
    pub(super) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Tells it to end and waits; kills it when it takes longer than `within`.
    pub(super) async fn stop(mut self, within: Duration) {
        drop(self.input.take());
        if tokio::time::timeout(within, self.child.wait()).await.is_err() {
            tracing::warn!(log = %self.log.display(), "a child process did not end in time and was killed");
            let _ = self.child.kill().await;
        }
    }

    /// Where its standard error goes.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// The end of its log, for a message.
    pub(super) fn last_words(&self) -> String {
        tail(&self.log).unwrap_or_default()
    }
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(QUOTED_LOG)))?;
    let mut bytes = Vec::new();
    file.take(QUOTED_LOG).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}
