//! One HTTP request and its response, read as a stream.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Client;
use reqwest::header::HeaderMap;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::failure::{Failure, Limits, Outcome};
use super::handshake::HandshakeCache;

/// What Git's side wants to send; a fetch sends a few kilobytes, so it is gathered first.
pub(super) struct PostBody(Arc<Mutex<Vec<u8>>>);

impl PostBody {
    pub(super) fn into(buffer: Arc<Mutex<Vec<u8>>>) -> Self {
        Self(buffer)
    }
}

impl Write for PostBody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct Request {
    pub(super) url: String,
    /// The part of the URL after the repo's own.
    pub(super) tail: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Arc<Mutex<Vec<u8>>>>,
}

/// A request that is sent when its answer is first looked at.
pub(super) struct Exchange {
    request: Option<Request>,
    response: Option<reqwest::Response>,
    wait: Wait,
    client: Client,
    base: Arc<Mutex<Option<String>>>,
    left: u64,
    greeting: Arc<HandshakeCache>,
    /// Parts of the answer that came already.
    read_ahead: VecDeque<Bytes>,
}

impl Exchange {
    /// The request is sent once one of these is read.
    pub(super) fn begin(
        request: Request,
        client: Client,
        base: Arc<Mutex<Option<String>>>,
        greeting: Arc<HandshakeCache>,
        wait: Wait,
    ) -> (Headers, Body) {
        let left = wait.limits.bytes;
        let (request, read_ahead) = (Some(request), VecDeque::new());
        let exchange = Self { request, response: None, wait, client, base, left, greeting, read_ahead };
        let exchange = Arc::new(Mutex::new(exchange));
        (Headers { exchange: Arc::clone(&exchange), lines: None }, Body { exchange, chunk: Bytes::new() })
    }

    fn send(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(request) = self.request.take() else { return Ok(None) };
        let greets = request.body.is_none() && HandshakeCache::is_at(&request.tail);
        if greets && let Some((lines, body)) = self.greeting.find(&request.url) {
            self.read_ahead.push_back(body);
            return Ok(Some(lines));
        }
        let url = request.url.clone();
        let builder = match request.body {
            Some(body) => {
                let bytes = std::mem::take(&mut *body.lock().unwrap_or_else(PoisonError::into_inner));
                self.client.post(&request.url).body(bytes)
            }
            None => self.client.get(&request.url),
        };
        let begun = Instant::now();
        let response = self.wait.on(builder.headers(request.headers).send())?;
        tracing::debug!(request = request.tail, status = response.status().as_u16(), took = ?begun.elapsed(),
            "asked the forge");
        if response.status().is_redirection() {
            return Err(self.wait.outcome.set(Failure::Redirect(location(&response, &request.tail))));
        }
        if !response.status().is_success() {
            return Err(self
                .wait
                .outcome
                .set(Failure::Status(response.status().as_u16(), retry_after(response.headers()))));
        }
        let redirected = response.url().as_str() != request.url;
        if redirected && let Some(base) = response.url().as_str().strip_suffix(&request.tail) {
            *self.base.lock().unwrap_or_else(PoisonError::into_inner) = Some(base.to_owned());
        }
        let lines = header_lines(response.headers());
        self.response = Some(response);
        if greets && !redirected {
            self.remember(url, &lines)?;
        }
        Ok(Some(lines))
    }

    /// Reads a greeting to its end and keeps it, unless it is too long to be one.
    fn remember(&mut self, url: String, lines: &[u8]) -> io::Result<()> {
        let mut body = Vec::new();
        while body.len() <= HandshakeCache::LONGEST {
            let chunk = self.receive()?;
            if chunk.is_empty() {
                self.greeting.keep(url, lines, &body);
                break;
            }
            body.extend_from_slice(&chunk);
        }
        self.read_ahead.push_back(body.into());
        Ok(())
    }

    fn chunk(&mut self) -> io::Result<Bytes> {
        self.send()?;
        match self.read_ahead.pop_front() {
            Some(chunk) => Ok(chunk),
            None => self.receive(),
        }
    }

    fn receive(&mut self) -> io::Result<Bytes> {
        let Some(response) = self.response.as_mut() else { return Ok(Bytes::new()) };
        match self.wait.on(response.chunk())? {
            None => {
                self.response = None;
                Ok(Bytes::new())
            }
            Some(chunk) => {
                let Some(left) = self.left.checked_sub(chunk.len() as u64) else {
                    self.response = None;
                    return Err(self.wait.outcome.set(Failure::TooLarge(self.wait.limits.bytes)));
                };
                self.left = left;
                Ok(chunk)
            }
        }
    }
}

/// Where a redirect points, without the query, and without what Git appended to the repo's URL.
fn location(response: &reqwest::Response, tail: &str) -> String {
    let target = response.headers().get(reqwest::header::LOCATION).and_then(|value| value.to_str().ok());
    let Some(mut target) = target.and_then(|target| response.url().join(target).ok()) else {
        return "an unknown place".to_owned();
    };
    let _ = target.set_username("");
    let _ = target.set_password(None);
    let text = target.as_str().strip_suffix(tail).unwrap_or(target.as_str());
    text.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// Only seconds are read; a date would need a clock, and no forge sends one here.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn header_lines(headers: &HeaderMap) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in headers {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.push(b':');
        lines.extend_from_slice(value.as_bytes());
        lines.push(b'\n');
    }
    lines
}

/// Waits on a blocking thread for the runtime, but never longer than allowed.
pub(super) struct Wait {
    pub(super) runtime: Handle,
    pub(super) cancel: CancellationToken,
    pub(super) deadline: Instant,
    pub(super) limits: Limits,
    pub(super) outcome: Outcome,
}

impl Wait {
    fn on<T>(&self, work: impl Future<Output = reqwest::Result<T>>) -> io::Result<T> {
        let result = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => Err(Failure::Cancelled),
                () = tokio::time::sleep_until(self.deadline) => {
                    Err(Failure::TimedOut(format!(
                        "the transfer took longer than {} s", self.limits.total.as_secs_f32())))
                }
                () = tokio::time::sleep(self.limits.idle) => {
                    Err(Failure::TimedOut(format!("no data arrived for {} s", self.limits.idle.as_secs_f32())))
                }
                result = work => result.map_err(|error| Failure::Network(error.without_url())),
            }
        });
        result.map_err(|failure| self.outcome.set(failure))
    }
}

/// The headers of an answer, one a line, as Git's side wants them.
pub(super) struct Headers {
    exchange: Arc<Mutex<Exchange>>,
    lines: Option<io::Cursor<Vec<u8>>>,
}

impl Headers {
    fn lines(&mut self) -> io::Result<&mut io::Cursor<Vec<u8>>> {
        if self.lines.is_none() {
            let sent = self.exchange.lock().unwrap_or_else(PoisonError::into_inner).send()?;
            self.lines = Some(io::Cursor::new(sent.unwrap_or_default()));
        }
        Ok(self.lines.get_or_insert_default())
    }
}

impl Read for Headers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.lines()?.read(buffer)
    }
}

impl BufRead for Headers {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.lines()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(lines) = &mut self.lines {
            lines.consume(amount);
        }
    }
}

/// The bytes of an answer, as they come.
pub(super) struct Body {
    exchange: Arc<Mutex<Exchange>>,
    chunk: Bytes,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let amount = available.len().min(buffer.len());
        buffer[..amount].copy_from_slice(&available[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.is_empty() {
            self.chunk = self.exchange.lock().unwrap_or_else(PoisonError::into_inner).chunk()?;
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, amount: usize) {
        let _ = self.chunk.split_to(amount);
    }
}
