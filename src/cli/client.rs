//! Speaks to a running server over its Unix socket.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::{Answer, USER, user_name};

#[derive(Debug, Clone, Args)]
pub(super) struct Server {
    /// The socket of the running server: driftless.sock in its data folder.
    #[arg(long, env = "DRIFTLESS_SOCKET", default_value = "/var/lib/driftless/driftless.sock")]
    pub socket: PathBuf,
}

impl Server {
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let client = self.client()?;
        self.read(client.get(format!("http://driftless{path}"))).await
    }

    /// `by` is who asks, as far as that is known.
    pub async fn post<B: Serialize>(&self, path: &str, by: Option<&str>, body: &B) -> anyhow::Result<Answer> {
        let client = self.client()?;
        let mut request = client.post(format!("http://driftless{path}")).json(body);
        // Beyond ASCII no name fits into a header as it is.
        if let Some(name) = by.and_then(user_name).filter(|name| name.is_ascii()) {
            request = request.header(USER, name);
        }
        self.read(request).await
    }

    fn client(&self) -> anyhow::Result<reqwest::Client> {
        Ok(reqwest::Client::builder()
            .unix_socket(self.socket.clone())
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()?)
    }

    async fn read<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> anyhow::Result<T> {
        let socket = self.socket.display();
        let answer = request.send().await.map_err(|error| {
            let why = root(&error);
            anyhow!(
                "no server answers at {socket} ({why}). Start one with `driftless serve` or `driftless dev`, or pass \
                 its socket with --socket or DRIFTLESS_SOCKET. The socket is `driftless.sock` in the `data` folder of \
                 the configuration"
            )
        })?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if !status.is_success() {
            let message = serde_json::from_slice::<serde_json::Value>(&body).ok();
            let message =
                message.as_ref().and_then(|body| body["error"].as_str()).unwrap_or("the server gave no reason");
            bail!("{message} (HTTP {})", status.as_u16());
        }
        serde_json::from_slice(&body)
            .with_context(|| format!("the server at {socket} and this command have different versions"))
    }
}

/// A text as the value of a query, whatever stands in it.
pub(super) fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A repo as part of a path.
pub(super) fn segment(repo: &str) -> anyhow::Result<String> {
    if repo.is_empty() || repo.contains('/') || matches!(repo, "." | "..") {
        bail!("{repo:?} is not a repo of the server's configuration");
    }
    Ok(escaped(repo).replace('+', "%20"))
}

/// An app as part of a path, where its `/` is written `+`. A name without a repo is resolved by the server.
pub(super) fn app_path(app: &str, action: &str) -> anyhow::Result<String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if app.is_empty() || !app.chars().all(valid) {
        bail!("{app:?} is not an app: use NAME or REPO/NAME; `driftless apps` lists them");
    }
    Ok(format!("/api/v1/apps/{}/{action}", app.replace('/', "+")))
}

/// What is at the bottom of an error: all above it only says through which layers it came.
fn root(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}
