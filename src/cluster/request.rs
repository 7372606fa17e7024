//! Sends one request, within the limits of time, size and concurrency, and waits where the cluster asks for it.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;

use super::connect::Cluster;
use super::error::{ClusterError, chain};
use super::exchange::{Answer, Ask};

/// An answer that is larger is given up. A page of 500 objects' metadata is well below it.
const MOST_BYTES: usize = 128 << 20;
/// The whole of one answer, from the request to its last byte.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// How often a 429 is waited for before the job itself is put off.
const PATIENCE: u32 = 4;
/// The longest that a request waits here; a longer `Retry-After` puts the job off.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

impl Cluster {
    /// Any answer of the server is one, whatever its status; 429 is waited for and asked again, for nothing was done
    /// then.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Answer, ClusterError> {
        let mut wait = Duration::from_secs(1);
        for _ in 0..PATIENCE {
            let permit = match tokio::time::timeout(self.inner.wait, self.inner.limiter.acquire()).await {
                Ok(Some(permit)) => permit,
                Ok(None) => return Err(self.unreachable("the connection is being closed")),
                Err(_) => return Err(self.busy("the limit of concurrent requests is reached")),
            };
            let answer = self.once(ask).await?;
            if answer.status != StatusCode::TOO_MANY_REQUESTS {
                self.inner.limiter.calm(permit);
                return Ok(answer);
            }
            self.inner.limiter.too_many(permit);
            wait = answer.retry_after().unwrap_or(wait * 2);
            tracing::debug!(cluster = %self.name(), ?wait, at_once = self.concurrency(), "too many requests");
            if wait > LONGEST_WAIT {
                break;
            }
            tokio::time::sleep(wait).await;
        }
        Err(ClusterError::TooMany { cluster: self.name().clone(), after: wait })
    }

    async fn once(&self, ask: &Ask) -> Result<Answer, ClusterError> {
        let sent = async {
            let mut request = Request::builder().method(&ask.method).uri(&ask.target).header(ACCEPT, ask.accept);
            if let Some((content_type, _)) = &ask.body {
                request = request.header(CONTENT_TYPE, *content_type);
            }
            let body = ask.body.as_ref().map_or_else(Body::empty, |(_, body)| Body::from(body.clone()));
            let request = request.body(body).map_err(|error| chain(&error))?;
            let response = self.inner.client.send(request).await.map_err(|error| chain(&error))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MOST_BYTES).collect().await.map_err(|error| chain(&*error))?.to_bytes();
            Ok::<_, String>(Answer { status: parts.status, headers: parts.headers, body })
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, sent).await {
            Ok(answer) => answer.map_err(|message| self.unreachable(&message)),
            Err(_) => Err(self.unreachable(&format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()))),
        }
    }

    pub(super) fn busy(&self, what: &'static str) -> ClusterError {
        ClusterError::Busy { cluster: self.name().clone(), what, seconds: self.inner.wait.as_secs() }
    }

    fn unreachable(&self, message: &str) -> ClusterError {
        ClusterError::Unreachable { cluster: self.name().clone(), message: message.to_owned() }
    }
}
