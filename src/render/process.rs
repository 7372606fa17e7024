//! One worker process: started in its sandbox, used over its pipes, and killed if necessary.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::{Failure, RenderError};
use super::sandbox::{self, Landlock};
use super::wire::{NoFrame, PROTOCOL, Said, receive};

/// A worker between two renders.
pub(super) struct Worker {
    pub input: ChildStdin,
    pub output: BufReader<ChildStdout>,
    pub renders: usize,
    pub killer: Killer,
    stderr: File,
}

/// Ends a worker from outside, while another thread waits for its answer. Dropping the last one kills it, too.
#[derive(Clone)]
pub(super) struct Killer(Arc<Mutex<Reaped>>);

struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Killer {
    pub(super) fn kill(&self) {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).0.kill();
    }

    /// Kills what has not ended by itself yet, and says how it ended.
    fn reap(&self) -> std::io::Result<ExitStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.wait()
    }
}

impl Worker {
    /// Starts `launcher sandbox worker` and waits for its hello. Blocks for some 100 ms.
    pub(super) fn start(launcher: &Path, worker: &Path, landlock: Landlock) -> Result<Self, RenderError> {
        let stderr = tempfile::tempfile()?;
        let mut child = Command::new(launcher)
            .arg("sandbox")
            .args(["--required", &landlock.required.to_string(), "--newest", &landlock.newest.to_string()])
            .arg(worker)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone()?)
            .spawn()
            .map_err(|error| RenderError::Start(format!("{}: {error}", launcher.display())))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(RenderError::Start("it has no pipes".to_owned()));
        };
        let killer = Killer(Arc::new(Mutex::new(Reaped(child))));
        let mut worker = Self { input, output: BufReader::with_capacity(64 << 10, output), renders: 0, killer, stderr };
        worker.greet()?;
        Ok(worker)
    }

    fn greet(&mut self) -> Result<(), RenderError> {
        match receive(&mut self.output, 0) {
            Ok((Said::Hello { protocol: PROTOCOL, libraries }, _)) => {
                tracing::debug!(?libraries, "a renderer's worker started");
                Ok(())
            }
            Ok((Said::Hello { protocol, .. }, _)) => Err(RenderError::Protocol(format!(
                "it speaks protocol version {protocol}, the server speaks version {PROTOCOL}"
            ))),
            Ok((said, _)) => Err(RenderError::Protocol(format!("its first message is not a hello: {said:?}"))),
            Err(NoFrame::Ended) => Err(self.not_started()),
            Err(other) => Err(RenderError::Protocol(format!("it sent no hello: {other:?}"))),
        }
    }

    fn not_started(&mut self) -> RenderError {
        let status = self.killer.reap();
        let said = self.last_words();
        match status {
            Ok(status) if status.code() == Some(sandbox::NOT_BOXED.into()) => RenderError::Start(said),
            Ok(status) => RenderError::Start(format!("{status}: {said}")),
            Err(error) => error.into(),
        }
    }

    /// Forgets what it wrote to its standard error so far: what one render made it write is not read as another one's
    /// end.
    pub(super) fn begin(&mut self) {
        if let Err(error) = self.stderr.set_len(0).and_then(|()| self.stderr.seek(SeekFrom::Start(0))) {
            tracing::debug!(%error, "cannot read a worker's standard error");
        }
    }

    /// Why a worker ended in the middle of a render: what the input did where it ran into a limit, else how it ended.
    pub(super) fn post_mortem(&mut self) -> Result<Result<Failure, String>, RenderError> {
        let status = self.killer.reap()?;
        let said = self.last_words();
        if said.contains("out of memory")
            || said.contains("cannot allocate memory")
            || said.contains("failed to reserve")
        {
            let most = sandbox::MEMORY >> 20;
            return Ok(Ok(Failure::new(format!("needs more than the {most} MiB of memory that a render may use"))
                .with_hint("look for a template or an alias that repeats itself, or split the app")));
        }
        if said.contains("stack exceeds") || said.contains("stack overflow") {
            return Ok(Ok(Failure::new("recurses without end").with_hint("look for a template that includes itself")));
        }
        // Only what the runtime says of itself: a panic's text may quote the input.
        let fatal = said.lines().find(|line| line.starts_with("fatal error: ") || line.starts_with("SIG"));
        Ok(Err(fatal.map_or_else(|| status.to_string(), |fatal| format!("{status}: {fatal}"))))
    }

    /// The beginning of what it wrote to its standard error: a crash says first what it is.
    fn last_words(&mut self) -> String {
        let mut said = Vec::new();
        let read = self.stderr.seek(SeekFrom::Start(0)).and_then(|_| (&self.stderr).take(2000).read_to_end(&mut said));
        match read {
            Ok(_) => String::from_utf8_lossy(&said).trim().to_owned(),
            Err(error) => format!("(its output is lost: {error})"),
        }
    }
}
