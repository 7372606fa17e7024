//! Git's smart HTTP for a directory of bare repositories, by `git http-backend`: what the embedded forge and the tests
//! serve.
//!
//! It answers under `/OWNER/NAME.git/…`, takes pushes, asks for a password if it is told to, and misbehaves on demand.

mod cgi;
mod fault;
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;

use cgi::Cgi;
use driftless_webhooks::Oid;
pub use fault::{GitFault, GitFaults};
pub use server::GitServer;

/// Says whether a user and a password may read and push.
pub type Auth = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// Told of each push that moved something, before the pusher has its answer: the repo (`owner/name`), what moved.
pub type OnPush = Arc<dyn Fn(&str, &[RefUpdate]) + Send + Sync>;

/// A ref that a push made, moved or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefUpdate {
    pub name: String,
    pub old: Option<Oid>,
    pub new: Option<Oid>,
}

#[derive(Clone)]
pub struct GitHttpConfig {
    /// Holds the repositories as `OWNER/NAME.git`.
    pub root: PathBuf,
    pub auth: Option<Auth>,
    pub on_push: Option<OnPush>,
    pub faults: GitFaults,
}

impl GitHttpConfig {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), auth: None, on_push: None, faults: GitFaults::default() }
    }
}

struct Shared {
    config: GitHttpConfig,
    /// Pushes come one after the other, so that what one of them moved can be told.
    pushes: tokio::sync::Mutex<()>,
}

pub struct GitHttp;

impl GitHttp {
    /// Serves the repositories; may be nested under any path.
    pub fn router(config: GitHttpConfig) -> Router {
        let shared = Arc::new(Shared { config, pushes: tokio::sync::Mutex::default() });
        Router::new().fallback(answer).with_state(shared)
    }
}

/// What a request asks of which repository.
struct Asked<'a> {
    repo: &'a str,
    service: &'a str,
}

/// `/OWNER/NAME.git/info/refs` and the like, with plain names only.
fn asked(path: &str) -> Option<Asked<'_>> {
    let (repo, service) = path.strip_prefix('/')?.split_once(".git/")?;
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let known = matches!(service, "info/refs" | "git-upload-pack" | "git-receive-pack");
    (known && repo.split('/').all(plain)).then_some(Asked { repo, service })
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let Some(asked) = asked(&path) else {
        return (StatusCode::NOT_FOUND, "no such repository\n").into_response();
    };
    let user = match user(shared.config.auth.as_ref(), &request) {
        Ok(user) => user,
        Err(refusal) => return *refusal,
    };
    if !shared.config.root.join(format!("{}.git", asked.repo)).is_dir() {
        return (StatusCode::NOT_FOUND, "no such repository\n").into_response();
    }
    let fault = shared.config.faults.strike(asked.service);
    match fault {
        Some(GitFault::Status(status) | GitFault::Refuse(status)) => {
            return (status, "as it was told to\n").into_response();
        }
        Some(GitFault::Hang) => return std::future::pending().await,
        _ => {}
    }
    let cgi = Cgi { root: &shared.config.root, path: &path, user: user.as_deref() };
    let answer = if asked.service == "git-receive-pack" {
        push(&shared, asked.repo, cgi, request).await
    } else {
        cgi.stream(request).await
    };
    match answer {
        Ok(response) => fault::through(response, fault),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// The user who asks, if anyone has to say who they are.
fn user(auth: Option<&Auth>, request: &Request) -> Result<Option<String>, Box<Response>> {
    let Some(auth) = auth else { return Ok(None) };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let decoded = given
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|value| base64::engine::general_purpose::STANDARD.decode(value).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((user, password)) if auth(user, password) => Ok(Some(user.to_owned())),
        _ => {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"driftless dev\"")];
            Err(Box::new((StatusCode::UNAUTHORIZED, challenge, "authentication required\n").into_response()))
        }
    }
}

async fn push(shared: &Shared, repo: &str, cgi: Cgi<'_>, request: Request) -> Result<Response, cgi::CgiError> {
    let _one_at_a_time = shared.pushes.lock().await;
    let dir = shared.config.root.join(format!("{repo}.git"));
    let before = refs(&dir).await?;
    let (head, body) = cgi.whole(request).await?;
    let after = refs(&dir).await?;
    let updates = moved(&before, &after);
    if let (Some(tell), false) = (&shared.config.on_push, updates.is_empty()) {
        tell(repo, &updates);
    }
    Ok(head.map(|()| Body::from(body)))
}

async fn refs(dir: &Path) -> Result<BTreeMap<String, Oid>, cgi::CgiError> {
    let text = cgi::git(dir, &["for-each-ref", "--format=%(objectname) %(refname)"]).await?;
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    Ok(lines.filter_map(|(id, name)| Some((name.to_owned(), id.parse().ok()?))).collect())
}

fn moved(before: &BTreeMap<String, Oid>, after: &BTreeMap<String, Oid>) -> Vec<RefUpdate> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let names = after.keys().chain(gone);
    let updates = names.map(|name| RefUpdate {
        name: name.clone(),
        old: before.get(name).cloned(),
        new: after.get(name).cloned(),
    });
    updates.filter(|update| update.old != update.new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_repositories_with_plain_names_are_served() {
        let good = asked("/acme/shop.git/info/refs").expect("a repository");
        assert_eq!((good.repo, good.service), ("acme/shop", "info/refs"));
        for bad in [
            "/",
            "/acme/shop/info/refs",
            "/../x.git/info/refs",
            "/acme/..git/info/refs",
            "/acme/.git/info/refs",
            "/a.git/config",
            "/a%2fb.git/info/refs",
            "//a.git/info/refs",
        ] {
            assert!(asked(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_a_push_made_moved_and_deleted_is_told() {
        let id = |digit: &str| digit.repeat(40).parse::<Oid>().expect("an id");
        let refs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, digit)| ((*name).to_owned(), id(digit))).collect::<BTreeMap<_, _>>()
        };
        let updates = moved(
            &refs(&[("same", "1"), ("moved", "2"), ("gone", "3")]),
            &refs(&[("same", "1"), ("moved", "4"), ("new", "5")]),
        );
        let told: Vec<_> = updates.iter().map(|u| (u.name.as_str(), u.old.is_some(), u.new.is_some())).collect();
        assert_eq!(told, [("moved", true, true), ("new", false, true), ("gone", true, false)]);
    }
}
