//! The bridge between a request and `git http-backend`, streamed both ways.

use std::io;
use std::path::Path;
use std::process::Stdio;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use futures::{StreamExt, TryStreamExt};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_util::io::{ReaderStream, StreamReader};

/// Where `git` is looked for, as nothing of our own environment is passed on.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[derive(Debug, thiserror::Error)]
pub(super) enum CgiError {
    #[error("git could not be started ({0}): install git, with its http-backend")]
    Start(#[source] io::Error),
    #[error("git ended early: {0}")]
    Broken(#[from] io::Error),
    #[error("git http-backend sent no response: install git with its http-backend")]
    NoAnswer,
    #[error("git failed: {0}")]
    Failed(String),
}

/// One request's way through `git http-backend`.
pub(super) struct Cgi<'a> {
    pub(super) root: &'a Path,
    pub(super) path: &'a str,
    pub(super) user: Option<&'a str>,
}

type Head = Response<()>;

impl Cgi<'_> {
    /// Answers with what Git writes, as it comes. Git ends when the client goes away.
    pub(super) async fn stream(&self, request: Request) -> Result<Response<Body>, CgiError> {
        let (head, child, output) = self.start(request).await?;
        let body = ReaderStream::new(output).map(move |chunk| {
            // The child lives as long as its output is read.
            let _ = &child;
            chunk
        });
        Ok(head.map(|()| Body::from_stream(body)))
    }

    /// Answers when Git has ended.
    pub(super) async fn whole(&self, request: Request) -> Result<(Head, Vec<u8>), CgiError> {
        let (head, mut child, mut output) = self.start(request).await?;
        let mut body = Vec::new();
        output.read_to_end(&mut body).await?;
        child.wait().await?;
        Ok((head, body))
    }

    async fn start(&self, request: Request) -> Result<(Head, Child, BufReader<ChildStdout>), CgiError> {
        let mut child = self.command(&request).spawn().map_err(CgiError::Start)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(CgiError::NoAnswer);
        };
        let mut output = BufReader::new(output);
        let (sent, head) = tokio::join!(send(request.into_body(), input), head(&mut output));
        // Git may answer before it has read all; then the pipe is closed, which is its right.
        if let (Err(error), Err(_)) = (sent, &head) {
            return Err(error.into());
        }
        Ok((head?, child, output))
    }

    fn command(&self, request: &Request) -> Command {
        let mut command = Command::new("git");
        command
            .arg("http-backend")
            .env_clear()
            .env("PATH", PATH)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_PROJECT_ROOT", self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", request.method().as_str())
            .env("PATH_INFO", self.path)
            .env("QUERY_STRING", request.uri().query().unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let config = [("http.receivepack", "true"), ("uploadpack.allowAnySHA1InWant", "true"), ("safe.directory", "*")];
        command.env("GIT_CONFIG_COUNT", config.len().to_string());
        for (index, (key, value)) in config.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{index}"), key).env(format!("GIT_CONFIG_VALUE_{index}"), value);
        }
        if let Some(user) = self.user {
            command.env("REMOTE_USER", user);
        }
        for (name, variable) in [
            (header::CONTENT_TYPE, "CONTENT_TYPE"),
            (header::CONTENT_LENGTH, "CONTENT_LENGTH"),
            (header::CONTENT_ENCODING, "HTTP_CONTENT_ENCODING"),
            (HeaderName::from_static("git-protocol"), "GIT_PROTOCOL"),
        ] {
            if let Some(value) = request.headers().get(name).and_then(|value| value.to_str().ok()) {
                command.env(variable, value);
            }
        }
        command
    }
}

async fn send(body: Body, mut input: ChildStdin) -> io::Result<()> {
    let mut body = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
    tokio::io::copy(&mut body, &mut input).await?;
    input.shutdown().await
}

/// The header lines before the body, as any CGI program writes them.
async fn head(output: &mut BufReader<ChildStdout>) -> Result<Head, CgiError> {
    let mut status = StatusCode::OK;
    let mut headers = HeaderMap::new();
    let mut line = String::new();
    loop {
        line.clear();
        if output.read_line(&mut line).await? == 0 {
            return Err(CgiError::NoAnswer);
        }
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        let Some((name, value)) = text.split_once(':') else { return Err(CgiError::NoAnswer) };
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            status = value.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(StatusCode::BAD_GATEWAY);
        } else if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    let mut head = Response::new(());
    *head.status_mut() = status;
    *head.headers_mut() = headers;
    Ok(head)
}

/// Runs `git` in a repository and answers what it wrote.
pub(super) async fn git(dir: &Path, args: &[&str]) -> Result<String, CgiError> {
    let output = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", PATH)
        .env("GIT_DIR", ".")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(CgiError::Start)?;
    if !output.status.success() {
        return Err(CgiError::Failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
