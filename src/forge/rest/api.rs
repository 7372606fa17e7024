//! One request and its response: headers, redirects, deadline, and the meaning of errors.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::header::{CONTENT_TYPE, IF_NONE_MATCH, LOCATION};
use http::{Method, Request, StatusCode};
use jiff::Timestamp;
use reqwest::redirect;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::answer::Answer;
use super::setup::SetupError;
use crate::clock::Clock;
use crate::forge::ForgeError;

/// A repository that was renamed twice is two redirects away; more is a loop.
const REDIRECTS: usize = 5;

/// A page of a hundred pull requests has a megabyte; this bounds what a broken answer can cost.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// What the requests and responses of one kind of forge have of their own.
pub(in crate::forge) struct Dialect {
    pub forge: &'static str,
    /// An address of its API, for the message about a wrong one.
    pub example: &'static str,
    /// Where the part of a path begins that is shown in messages.
    pub root: &'static str,
    /// Adds the token and what else each request has.
    pub headers: fn(http::request::Builder, &SecretString) -> Result<http::request::Builder, http::Error>,
    /// Passes on what is a success, and says what else it is.
    pub judge: fn(Answer, &Method, &str, Timestamp) -> Result<Answer, ForgeError>,
}

/// Where a forge is and how it is reached.
pub(in crate::forge) struct Connection<'a> {
    pub api_url: &'a str,
    /// A PEM file with authorities to trust beside the system's, for a forge within a company.
    pub ca: Option<&'a Path>,
    pub timeout: Duration,
}

pub(in crate::forge) struct Api {
    dialect: &'static Dialect,
    client: reqwest::Client,
    base: Url,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

/// A request to make. `target` is a path below the API's address, or an address that GitHub gave.
#[derive(Clone)]
pub(in crate::forge) struct Call<'a> {
    pub method: Method,
    pub target: &'a str,
    pub etag: Option<&'a str>,
    pub body: Option<&'a Value>,
}

impl Api {
    pub(in crate::forge) fn new(
        dialect: &'static Dialect,
        connection: &Connection<'_>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let given = connection.api_url;
        let wrong = || SetupError::ApiUrl { given: given.to_owned(), forge: dialect.forge, example: dialect.example };
        let base = Url::parse(given.trim_end_matches('/')).map_err(|_| wrong())?;
        if !matches!(base.scheme(), "https" | "http") || base.host_str().is_none() || !base.username().is_empty() {
            return Err(wrong());
        }
        // Redirects are followed here, as the token must not go along to another host.
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("driftless/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none());
        if let Some(path) = connection.ca {
            builder = builder.tls_certs_merge(authorities(path)?);
        }
        let client = builder.build().map_err(|error| SetupError::Client(chain(&error)))?;
        Ok(Self { dialect, client, base, timeout: connection.timeout, clock })
    }

    pub(in crate::forge) fn host(&self) -> &str {
        self.base.host_str().unwrap_or(self.dialect.forge)
    }

    pub(in crate::forge) async fn send(&self, token: &SecretString, call: Call<'_>) -> Result<Answer, ForgeError> {
        match tokio::time::timeout(self.timeout, self.follow(token, &call)).await {
            Ok(result) => result,
            Err(_) => Err(self.unavailable(format!(
                "no answer to {} {} within {:?}",
                call.method,
                self.path_of(call.target),
                self.timeout
            ))),
        }
    }

    pub(in crate::forge) fn unavailable(&self, message: String) -> ForgeError {
        ForgeError::Unavailable { forge: self.host().to_owned(), message }
    }

    fn address(&self, target: &str) -> Result<Url, ForgeError> {
        let text = if target.starts_with('/') {
            format!("{}{target}", self.base.as_str().trim_end_matches('/'))
        } else {
            target.to_owned()
        };
        let url = Url::parse(&text).map_err(|_| self.unavailable("it sent an invalid address".into()))?;
        // The token goes to the host that it is for, whatever a Link or Location header says.
        if url.origin() == self.base.origin() {
            Ok(url)
        } else {
            Err(self.unavailable(format!(
                "it redirects to another host, {}, to which the token is not sent",
                url.host_str().unwrap_or("?")
            )))
        }
    }

    async fn follow(&self, token: &SecretString, call: &Call<'_>) -> Result<Answer, ForgeError> {
        let mut url = self.address(call.target)?;
        for _ in 0..=REDIRECTS {
            let answer = self.once(token, call, &url).await?;
            match redirect(&answer) {
                Some(location) => {
                    let next =
                        url.join(location).map_err(|_| self.unavailable("its redirect has no valid target".into()))?;
                    url = self.address(next.as_str())?;
                }
                None => {
                    let path = self.path_of(call.target);
                    return (self.dialect.judge)(answer, &call.method, path, self.clock.now());
                }
            }
        }
        Err(self.unavailable(format!(
            "{} {} was redirected more than {REDIRECTS} times",
            call.method,
            self.path_of(call.target)
        )))
    }

    async fn once(&self, token: &SecretString, call: &Call<'_>, url: &Url) -> Result<Answer, ForgeError> {
        let failed = |error: &dyn Error| self.unavailable(format!("{} {}: {}", call.method, url.path(), chain(error)));
        let request = self.request(token, call, url).map_err(|error| failed(&error))?;
        let request = reqwest::Request::try_from(request).map_err(|error| failed(&error.without_url()))?;
        let mut response = self.client.execute(request).await.map_err(|error| failed(&error.without_url()))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error.without_url()))? {
            if body.len() + chunk.len() > BODY_LIMIT {
                return Err(self.unavailable(format!(
                    "{} {}: the answer is longer than {BODY_LIMIT} bytes",
                    call.method,
                    url.path()
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body: body.freeze(), forge: self.host().to_owned() })
    }

    fn request(&self, token: &SecretString, call: &Call<'_>, url: &Url) -> Result<Request<String>, http::Error> {
        let builder = Request::builder().method(call.method.clone()).uri(url.as_str());
        let mut builder = (self.dialect.headers)(builder, token)?;
        if let Some(etag) = call.etag {
            builder = builder.header(IF_NONE_MATCH, etag);
        }
        match call.body {
            Some(body) => builder.header(CONTENT_TYPE, "application/json").body(body.to_string()),
            None => builder.body(String::new()),
        }
    }

    /// The path without its query, for messages.
    fn path_of<'t>(&self, target: &'t str) -> &'t str {
        let target = target.split('?').next().unwrap_or(target);
        target.find(self.dialect.root).map_or(target, |start| &target[start..])
    }
}

fn authorities(path: &Path) -> Result<Vec<reqwest::Certificate>, SetupError> {
    let refuse = |reason: String| SetupError::Authorities { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| refuse(format!("it cannot be read: {error}")))?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(refuse("it contains no PEM certificates".to_owned())),
    }
}

/// Where to go instead. GitHub moves everything but GET with 307 and 308, which keep method and body; GitLab moves only
/// GET.
fn redirect(answer: &Answer) -> Option<&str> {
    let moved = matches!(
        answer.status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    if moved { answer.headers.get(LOCATION)?.to_str().ok() } else { None }
}

/// An error with its causes: the outermost text rarely says more than that something failed.
pub(in crate::forge) fn chain(error: &dyn Error) -> String {
    let mut text = first_line(error);
    let mut cause = error.source();
    while let Some(inner) = cause {
        let line = first_line(inner);
        if !text.contains(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        cause = inner.source();
    }
    text
}

/// Some texts carry a backtrace.
fn first_line(error: &dyn Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
