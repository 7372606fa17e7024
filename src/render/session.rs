//! One render with one worker: the server's responses to its requests, its end, and the limits.

use std::io::{BufReader, Read, Write};

use super::error::{Failure, RenderError};
use super::paths::{Found, Paths, Place, Refusal};
use super::request::WireRequest;
use super::wire::{Answer, Name, NoFrame, Said, Volatile, receive, send};
use crate::redact::{rebuilt, rebuilt_warnings};
use crate::tree::{Mode, TreeError};

/// What one render may use, besides what the box allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub output: usize,
    pub questions: usize,
    /// Whether the texts of libraries are passed on as they are: to a reader who has all the files himself.
    pub full_texts: bool,
}

/// A worker's own words at the end of a render.
#[derive(Debug)]
pub(super) struct Ended {
    pub renderer: String,
    pub warnings: Vec<String>,
    pub volatile: Vec<Volatile>,
    /// The objects as a JSON array.
    pub body: Vec<u8>,
}

/// How a render ended otherwise.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The input is at fault. The worker is as good as new, unless `worker_lost`.
    Input {
        failure: Failure,
        worker_lost: bool,
    },
    /// The pipe ended: the exit status tells more.
    Ended,
    /// What came is no message of this protocol.
    Garbage(String),
    Broken(RenderError),
}

impl From<TreeError> for Trouble {
    fn from(error: TreeError) -> Self {
        Trouble::Broken(error.into())
    }
}

impl From<NoFrame> for Trouble {
    fn from(none: NoFrame) -> Self {
        match none {
            NoFrame::Ended => Trouble::Ended,
            NoFrame::TooLarge => Trouble::Input {
                failure: Failure::new("renders to more than the limit of one render"),
                worker_lost: true,
            },
            NoFrame::Garbage(what) => Trouble::Garbage(what),
            NoFrame::Io(error) => Trouble::Broken(error.into()),
        }
    }
}

/// Asks for a render and answers until it ends.
pub(super) fn render(
    input: &mut impl Write,
    output: &mut BufReader<impl Read>,
    request: &WireRequest<'_>,
    paths: &mut Paths,
    limits: Limits,
) -> Result<Ended, Trouble> {
    tell(input, request, &[])?;
    // Values may stand in the definition itself.
    let values_may = request.may_hold_secrets();
    let mut questions = 0;
    loop {
        let (said, body) = receive(output, limits.output)?;
        questions += 1;
        if questions > limits.questions {
            let failure = Failure::new(format!("asks for more than {} paths of the repository", limits.questions));
            return Err(Trouble::Input { failure, worker_lost: true });
        }
        match said {
            Said::Read { path } => {
                let (answer, bytes) = read(paths, &path)?;
                tell(input, &answer, &bytes)?;
            }
            Said::Stat { path } => tell(input, &stat(paths, &path)?, &[])?,
            Said::List { path } => tell(input, &list(paths, &path)?, &[])?,
            Said::Rendered { renderer, warnings, volatile } => {
                let hides = !limits.full_texts && (values_may || paths.may_hold_secrets());
                let warnings = if hides { rebuilt_warnings(&warnings) } else { warnings };
                return Ok(Ended { renderer, warnings, volatile, body });
            }
            Said::Failed { failure, panicked } => {
                let hides = !limits.full_texts && (values_may || paths.may_hold_secrets());
                let failure = if hides { concealed(failure) } else { failure };
                return Err(Trouble::Input { failure, worker_lost: panicked });
            }
            Said::Hello { .. } => return Err(Trouble::Garbage("a second hello".into())),
        }
    }
}

/// What is wrong in our own words. The place stays, and a hint where it is ours, as the message is.
fn concealed(failure: Failure) -> Failure {
    let message = rebuilt(&failure.message);
    let hint = failure.hint.filter(|_| message == failure.message);
    Failure { message, hint, ..failure }
}

fn tell(input: &mut impl Write, header: &impl serde::Serialize, body: &[u8]) -> Result<(), Trouble> {
    send(input, header, body).map_err(|error| NoFrame::from(error).into())
}

fn read(paths: &mut Paths, path: &str) -> Result<(Answer, Vec<u8>), TreeError> {
    Ok(match paths.read(path)? {
        Found::Here(path, bytes) => (Answer::File { path }, bytes),
        Found::Otherwise(path) => (Answer::Directory { path, entries: Vec::new() }, Vec::new()),
        Found::Missing => (Answer::Missing, Vec::new()),
        Found::Refused(Refusal { path, why }) => (Answer::Refused { path, message: why }, Vec::new()),
    })
}

fn stat(paths: &mut Paths, path: &str) -> Result<Answer, TreeError> {
    Ok(match paths.stat(path)? {
        Place::File { path, .. } => Answer::File { path },
        Place::Directory { path } => Answer::Directory { path, entries: Vec::new() },
        Place::Missing => Answer::Missing,
        Place::Refused(Refusal { path, why }) => Answer::Refused { path, message: why },
    })
}

fn list(paths: &mut Paths, path: &str) -> Result<Answer, TreeError> {
    Ok(match paths.list(path)? {
        Found::Here(path, names) => {
            let entries = names.into_iter().map(|(name, mode)| Name { name, kind: kind(mode) }).collect();
            Answer::Directory { path, entries }
        }
        Found::Otherwise(path) => Answer::File { path },
        Found::Missing => Answer::Missing,
        Found::Refused(Refusal { path, why }) => Answer::Refused { path, message: why },
    })
}

/// A submodule is called a link: whoever goes there is refused, and whoever ignores it is not.
fn kind(mode: Mode) -> &'static str {
    match mode {
        Mode::File | Mode::Executable => "file",
        Mode::Directory => "directory",
        Mode::Link | Mode::Submodule => "link",
    }
}
