//! Git's smart HTTP over our own HTTP client, so that a cancelled read ends at once, a slow or endless answer is cut
//! off, connections are kept between fetches, and no redirect takes a credential elsewhere.
//!
//! Git's side is blocking and runs on a blocking thread; each read waits there for the runtime.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gix::protocol::transport::client::AuthenticationRequired;
use gix::protocol::transport::client::blocking_io::http::{GetResponse, Http, PostBodyDataKind, PostResponse};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, redirect};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::{SourceError, chain};
use super::greeting::Greeting;

/// How much a forge may make us wait and read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For one whole operation.
    pub(super) total: Duration,
    /// Without a byte, and for the connection.
    pub(super) idle: Duration,
    /// For one answer.
    pub(super) bytes: u64,
}

/// Why the last request failed, kept here because Git's side passes on only a text.
#[derive(Debug)]
pub(super) enum Failure {
    /// The answer's code, and how long it asks us to wait.
    Status(u16, Option<Duration>),
    Redirect(String),
    Network(reqwest::Error),
    TimedOut(String),
    TooLarge(u64),
    Cancelled,
}

/// The failure of an operation, shared between its requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome(Arc<Mutex<Option<Failure>>>);

impl Outcome {
    fn set(&self, failure: Failure) -> io::Error {
        let error = match &failure {
            Failure::Status(401, _) => {
                io::Error::new(io::ErrorKind::PermissionDenied, AuthenticationRequired::default())
            }
            other => io::Error::other(format!("{other:?}")),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        error
    }

    pub(super) fn take(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A client with the system's roots, and those of `tls_ca` (PEM) beside them.
pub(super) fn client(tls_ca: Option<&Path>, idle: Duration) -> Result<Client, SourceError> {
    let refuse = |reason: String| SourceError::Client { reason };
    let mut builder = Client::builder()
        .connect_timeout(idle)
        .redirect(redirect::Policy::custom(same_origin))
        .no_gzip()
        .pool_idle_timeout(Duration::from_mins(1));
    if let Some(path) = tls_ca {
        let pem = std::fs::read(path).map_err(|error| refuse(format!("{} cannot be read: {error}", path.display())))?;
        let roots = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|_| refuse(format!("{} contains no PEM certificates", path.display())))?;
        builder = builder.tls_certs_merge(roots);
    }
    builder.build().map_err(|error| refuse(chain(&error)))
}

/// Follows a redirect only within one origin: the credential goes along, and a forge that moved should be configured.
fn same_origin(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let same = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if same && attempt.previous().len() < 5 { attempt.follow() } else { attempt.stop() }
}

/// One operation's requests: the transport that Git's side drives.
pub(super) struct Session {
    client: Client,
    runtime: Handle,
    cancel: CancellationToken,
    deadline: Instant,
    limits: Limits,
    outcome: Outcome,
    /// The refs to ask for, by their whole names; all that Git's side asks for if there are none.
    names: Vec<String>,
    /// The base that a redirect within the origin led to.
    base: Arc<Mutex<Option<String>>>,
    greeting: Arc<Greeting>,
}

impl Session {
    pub(super) fn new(
        client: Client,
        runtime: Handle,
        cancel: CancellationToken,
        limits: Limits,
        names: Vec<String>,
        greeting: Arc<Greeting>,
    ) -> Self {
        let deadline = Instant::now() + limits.total;
        Self {
            client,
            runtime,
            cancel,
            deadline,
            limits,
            outcome: Outcome::default(),
            names,
            base: Arc::default(),
            greeting,
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.outcome.clone()
    }

    fn exchange(
        &self,
        url: &str,
        base_url: &str,
        lines: impl IntoIterator<Item = impl AsRef<str>>,
        body: Option<Arc<Mutex<Vec<u8>>>>,
    ) -> (Headers, Body) {
        let tail = url.strip_prefix(base_url).unwrap_or_default().to_owned();
        let request =
            Request { url: url.to_owned(), tail, headers: header_map(lines), body, names: self.names.clone() };
        let exchange = Arc::new(Mutex::new(Exchange {
            request: Some(request),
            response: None,
            wait: Wait {
                runtime: self.runtime.clone(),
                cancel: self.cancel.clone(),
                deadline: self.deadline,
                limits: self.limits,
                outcome: self.outcome.clone(),
            },
            client: self.client.clone(),
            base: Arc::clone(&self.base),
            left: self.limits.bytes,
            greeting: Arc::clone(&self.greeting),
            read_ahead: VecDeque::new(),
        }));
        let headers = Headers { exchange: Arc::clone(&exchange), lines: None };
        (headers, Body { exchange, chunk: Bytes::new() })
    }
}

fn header_map(lines: impl IntoIterator<Item = impl AsRef<str>>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some((name, value)) = line.as_ref().split_once(':') else { continue };
        if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.trim())) {
            value.set_sensitive(name == reqwest::header::AUTHORIZATION);
            headers.append(name, value);
        }
    }
    headers
}

impl Http for Session {
    type Headers = Headers;
    type ResponseBody = Body;
    type PostBody = PostBody;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Headers, Body>> {
        let (headers, body) = self.exchange(url, base_url, headers, None);
        Ok(GetResponse { headers, body })
    }

    fn post(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _kind: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Headers, Body, PostBody>> {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let (headers, body) = self.exchange(url, base_url, headers, Some(Arc::clone(&buffer)));
        Ok(PostResponse { post_body: PostBody(buffer), headers, body })
    }

    fn configure(&mut self, _: &dyn std::any::Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.base.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What Git's side wants to send; a fetch sends a few kilobytes, so it is gathered first.
pub(super) struct PostBody(Arc<Mutex<Vec<u8>>>);

impl Write for PostBody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Request {
    url: String,
    /// The part of the URL after the repo's own.
    tail: String,
    headers: HeaderMap,
    body: Option<Arc<Mutex<Vec<u8>>>>,
    names: Vec<String>,
}

/// A request that is sent when its answer is first looked at.
struct Exchange {
    request: Option<Request>,
    response: Option<reqwest::Response>,
    wait: Wait,
    client: Client,
    base: Arc<Mutex<Option<String>>>,
    left: u64,
    greeting: Arc<Greeting>,
    /// Parts of the answer that came already.
    read_ahead: VecDeque<Bytes>,
}

impl Exchange {
    fn send(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(request) = self.request.take() else { return Ok(None) };
        let greets = request.body.is_none() && Greeting::is_at(&request.tail);
        if greets && let Some((lines, body)) = self.greeting.find(&request.url) {
            self.read_ahead.push_back(body);
            return Ok(Some(lines));
        }
        let url = request.url.clone();
        let builder = match request.body {
            Some(body) => {
                let bytes = std::mem::take(&mut *body.lock().unwrap_or_else(PoisonError::into_inner));
                self.client.post(&request.url).body(super::narrow::narrow(bytes, &request.names))
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
        while body.len() <= Greeting::LONGEST {
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
struct Wait {
    runtime: Handle,
    cancel: CancellationToken,
    deadline: Instant,
    limits: Limits,
    outcome: Outcome,
}

impl Wait {
    fn on<T>(&self, work: impl Future<Output = reqwest::Result<T>>) -> io::Result<T> {
        let result = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => Err(Failure::Cancelled),
                () = tokio::time::sleep_until(self.deadline) => {
                    Err(Failure::TimedOut(format!("it took longer than {} s in all", self.limits.total.as_secs_f32())))
                }
                () = tokio::time::sleep(self.limits.idle) => {
                    Err(Failure::TimedOut(format!("nothing came for {} s", self.limits.idle.as_secs_f32())))
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
