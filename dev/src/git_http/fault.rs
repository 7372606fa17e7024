//! How the Git server misbehaves on demand.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use axum::response::Response;
use futures::{StreamExt, stream};

/// What one request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitFault {
    /// This answer, whatever was asked.
    Status(StatusCode),
    /// The same, to what follows the greeting.
    Refuse(StatusCode),
    /// No answer at all.
    Hang,
    /// This many bytes of the answer at once, with a pause after each.
    Slow { bytes: usize, pause: Duration },
    /// The connection breaks after this many bytes of the answer.
    ResetAfter(usize),
}

/// The faults of a server; clones share them. Statuses strike the greeting, the others what follows it.
#[derive(Clone, Debug, Default)]
pub struct GitFaults(Arc<Mutex<Faults>>);

#[derive(Debug, Default)]
struct Faults {
    once: VecDeque<GitFault>,
    always: Option<GitFault>,
    requests: usize,
}

impl GitFaults {
    /// Strikes the next request that it fits, once.
    pub fn once(&self, fault: GitFault) {
        self.with(|faults| faults.once.push_back(fault));
    }

    /// Strikes each request that it fits, until it is set otherwise.
    pub fn always(&self, fault: Option<GitFault>) {
        self.with(|faults| faults.always = fault);
    }

    /// Takes back all that has not struck yet.
    pub fn clear(&self) {
        self.with(|faults| {
            faults.once.clear();
            faults.always = None;
        });
    }

    /// How many requests were let in so far.
    pub fn requests(&self) -> usize {
        self.with(|faults| faults.requests)
    }

    pub(super) fn strike(&self, service: &str) -> Option<GitFault> {
        self.with(|faults| {
            faults.requests += 1;
            if faults.once.front().is_some_and(|fault| fault.fits(service)) {
                return faults.once.pop_front();
            }
            faults.always.filter(|fault| fault.fits(service))
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Faults) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl GitFault {
    fn fits(self, service: &str) -> bool {
        match self {
            Self::Status(_) => service == "info/refs",
            Self::Refuse(_) | Self::Hang | Self::Slow { .. } | Self::ResetAfter(_) => service == "git-upload-pack",
        }
    }
}

pub(super) fn through(response: Response, fault: Option<GitFault>) -> Response {
    match fault {
        Some(GitFault::Slow { bytes, pause }) => response.map(|body| slow(body, bytes, pause)),
        Some(GitFault::ResetAfter(bytes)) => response.map(|body| cut(body, bytes)),
        _ => response,
    }
}

fn slow(body: Body, bytes: usize, pause: Duration) -> Body {
    let pieces = body.into_data_stream().flat_map(move |chunk| {
        let pieces: Vec<_> = match chunk {
            Ok(chunk) => {
                (0..chunk.len()).step_by(bytes).map(|at| Ok(chunk.slice(at..chunk.len().min(at + bytes)))).collect()
            }
            Err(error) => vec![Err(error)],
        };
        stream::iter(pieces)
    });
    Body::from_stream(pieces.then(move |piece| async move {
        tokio::time::sleep(pause).await;
        piece
    }))
}

fn cut(body: Body, bytes: usize) -> Body {
    let start = (body.into_data_stream(), bytes);
    Body::from_stream(stream::try_unfold(start, |(mut body, left): (BodyDataStream, usize)| async move {
        if left == 0 {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "broken off as it was told to"));
        }
        let Some(chunk) = body.next().await.transpose().map_err(io::Error::other)? else { return Ok(None) };
        let piece = chunk.slice(..chunk.len().min(left));
        let left = left - piece.len();
        Ok(Some((piece, (body, left))))
    }))
}
