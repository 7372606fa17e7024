//! Git's smart HTTP over Driftless' own HTTP client, so that a cancelled read ends at once, a slow or endless response
//! is cut off, connections are reused between fetches, and no redirect receives a credential.
//!
//! Git's side is blocking and runs on a blocking thread; each read waits there for the runtime.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gix::protocol::transport::client::blocking_io::http::{GetResponse, Http, PostBodyDataKind, PostResponse};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, redirect};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::{SourceError, chain};
use super::exchange::{Body, Exchange, Headers, PostBody, Request, Wait};
use super::failure::{Limits, Outcome};
use super::handshake::HandshakeCache;

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
    /// The base that a redirect within the origin led to.
    base: Arc<Mutex<Option<String>>>,
    greeting: Arc<HandshakeCache>,
}

impl Session {
    pub(super) fn new(
        client: Client,
        runtime: Handle,
        cancel: CancellationToken,
        limits: Limits,
        greeting: Arc<HandshakeCache>,
    ) -> Self {
        let deadline = Instant::now() + limits.total;
        Self { client, runtime, cancel, deadline, limits, outcome: Outcome::default(), base: Arc::default(), greeting }
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
        let request = Request { url: url.to_owned(), tail, headers: header_map(lines), body };
        let wait = Wait {
            runtime: self.runtime.clone(),
            cancel: self.cancel.clone(),
            deadline: self.deadline,
            limits: self.limits,
            outcome: self.outcome.clone(),
        };
        Exchange::begin(request, self.client.clone(), Arc::clone(&self.base), Arc::clone(&self.greeting), wait)
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
        Ok(PostResponse { post_body: PostBody::into(buffer), headers, body })
    }

    fn configure(&mut self, _: &dyn std::any::Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.base.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
