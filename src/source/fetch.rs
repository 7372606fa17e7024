//! Lists and fetches refs with gix over Driftless' own HTTP client, and manages the refs of a mirror.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gix::bstr::{BString, ByteSlice};
use gix::progress::Discard;
use gix::protocol::handshake::Ref;
use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::TransportWithoutIO;
use gix::protocol::transport::client::blocking_io::http::Transport;
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};
use gix::remote::{Direction, fetch::Tags, ref_map};
use secrecy::ExposeSecret;
use tokio::runtime::Handle;
use url::Url;

use super::error::{SourceError, chain};
use super::failure::{Failure, Limits, Outcome};
use super::handshake::HandshakeCache;
use super::history::{self, oid};
use super::http::Session;
use super::remote::{MIRROR_PREFIX, Remote, fetched_ref, mirror_ref};
use super::stop::Stop;
use crate::ids::{Oid, RepoName};

/// What one operation needs to reach the forge.
pub(super) struct Connection {
    pub(super) remote: Remote,
    /// The remote's URL, checked.
    pub(super) url: Url,
    pub(super) client: reqwest::Client,
    pub(super) limits: Limits,
    pub(super) runtime: Handle,
    pub(super) stop: Stop,
    pub(super) max_object_bytes: u64,
    pub(super) greeting: Arc<HandshakeCache>,
}

impl Connection {
    fn transport(&self) -> Result<(Transport<Session>, Outcome), SourceError> {
        let session = Session::new(
            self.client.clone(),
            self.runtime.clone(),
            self.stop.token.clone(),
            self.limits,
            Arc::clone(&self.greeting),
        );
        let outcome = session.outcome();
        let mut transport = Transport::new_http(session, self.git_url()?, Protocol::V2, false);
        if let Some(credential) = &self.remote.credential {
            // Given ahead of the forge's question, which saves a request per fetch. gix itself refuses to send it over
            // http.
            let identity = gix::sec::identity::Account {
                username: credential.username.clone(),
                password: credential.password.expose_secret().to_owned(),
                oauth_refresh_token: None,
            };
            transport
                .set_identity(identity)
                .map_err(|error| SourceError::git(&self.remote.repo, "the credential was rejected", error))?;
        }
        Ok((transport, outcome))
    }

    fn git_url(&self) -> Result<gix::Url, SourceError> {
        gix::url::parse(self.url.as_str())
            .map_err(|error| SourceError::Url { repo: self.remote.repo.clone(), reason: error.to_string() })
    }

    fn git_remote<'repo>(
        &self,
        repo: &'repo gix::Repository,
        specs: &[String],
    ) -> Result<gix::Remote<'repo>, SourceError> {
        let specs = specs.iter().map(|spec| spec.as_bytes().as_bstr());
        repo.remote_at_without_url_rewrite(self.git_url()?)
            .and_then(|remote| remote.with_fetch_tags(Tags::None).with_refspecs(specs, Direction::Fetch))
            .map_err(|error| SourceError::git(&self.remote.repo, "its refs cannot be requested", error))
    }

    /// Does it once more with a new greeting where the forge may have changed since the one that was remembered.
    fn greeted<T>(&self, work: impl Fn() -> Result<T, SourceError>) -> Result<T, SourceError> {
        match work() {
            Err(error) if error.blames_handshake() && self.greeting.forget() => work(),
            result => result,
        }
    }

    /// The failure of the connection if there was one, else that of Git.
    fn explain(&self, outcome: &Outcome, what: &'static str, error: gix::Error) -> SourceError {
        let repo = self.remote.repo.clone();
        match outcome.take() {
            Some(Failure::Cancelled) => SourceError::Cancelled { repo },
            Some(Failure::Status(status @ (401 | 403), _)) => SourceError::Unauthenticated { repo, status },
            Some(Failure::Status(status @ (404 | 410), _)) => SourceError::NotFound { repo, status },
            Some(Failure::Status(status, after)) => SourceError::Status { repo, status, after },
            Some(Failure::Redirect(to)) => SourceError::Redirected { repo, to },
            Some(Failure::Network(source)) => SourceError::Network { repo, source: source.into() },
            Some(Failure::TimedOut(limit)) => SourceError::TimedOut { repo, limit },
            Some(Failure::TooLarge(limit)) => SourceError::TooLarge { repo, limit },
            None if self.stop.flag.load(Ordering::SeqCst) => SourceError::Cancelled { repo },
            None if is_too_large(&error) => SourceError::ObjectTooLarge { repo, limit: self.max_object_bytes },
            None if is_sha256(&error) => SourceError::Sha256 { repo },
            None => SourceError::git(&repo, what, error),
        }
    }

    /// The same for a listing, which touches nothing of the mirror: what fails there is what the forge sent.
    fn explain_listing(&self, outcome: &Outcome, error: gix::Error) -> SourceError {
        match self.explain(outcome, "its refs could not be listed", error) {
            SourceError::Git { repo, source, .. } => SourceError::Protocol { repo, source },
            other => other,
        }
    }
}

/// Whether something in a pack needs more memory than one object may have.
fn is_too_large(error: &gix::Error) -> bool {
    let limit = gix::error::Class::ResourceExhaustion(gix::error::ResourceExhaustionKind::AllocationLimit);
    error.classify().any(|found| found.class() == limit)
}

/// Whether the forge's repository names its objects by SHA-256.
fn is_sha256(error: &gix::Error) -> bool {
    let text = chain(error).to_ascii_lowercase();
    // The library that reads the list of refs knows SHA-1 alone.
    text.contains("sha256") || text.contains("hash sized 64 hexadecimal")
}

/// What a forge has.
/// The commits of `HEAD`, of all branches and tags.
pub(super) fn list(repo: &gix::Repository, connection: &Connection) -> Result<BTreeMap<String, Oid>, SourceError> {
    connection.greeted(|| list_once(repo, connection))
}

fn list_once(repo: &gix::Repository, connection: &Connection) -> Result<BTreeMap<String, Oid>, SourceError> {
    // Patterns must have a right side. Nothing is written there, as nothing is fetched.
    let specs = ["HEAD", "refs/heads/*", "refs/tags/*"]
        .map(|name| format!("{name}:refs/listed/{}", name.trim_start_matches("refs/")));
    let remote = connection.git_remote(repo, &specs)?;
    let (transport, outcome) = connection.transport()?;
    let (map, _) = remote
        .to_connection_with_transport(transport)
        .with_credentials(|_| Ok(None))
        .ref_map(Discard, ref_map::Options::default())
        .map_err(|error| connection.explain_listing(&outcome, error))?;
    let mut commits = BTreeMap::new();
    for advertised in &map.remote_refs {
        let (name, object) = split(advertised);
        let wanted = name == "HEAD" || name.starts_with_str("refs/heads/") || name.starts_with_str("refs/tags/");
        if let (true, Some(object), Ok(name)) = (wanted, object, name.to_str()) {
            commits.insert(name.to_owned(), oid(object));
        }
    }
    Ok(commits)
}

/// A ref's name and the object that it leads to, past any tag object.
fn split(advertised: &Ref) -> (&BString, Option<gix::ObjectId>) {
    match advertised {
        Ref::Peeled { full_ref_name, object, .. }
        | Ref::Direct { full_ref_name, object }
        | Ref::Symbolic { full_ref_name, object, .. } => (full_ref_name, Some(*object)),
        Ref::Unborn { full_ref_name, .. } => (full_ref_name, None),
    }
}

pub(super) fn fetch(
    repo: &gix::Repository,
    connection: &Connection,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, Option<Oid>>, SourceError> {
    connection.greeted(|| fetch_once(repo, connection, names))
}

/// The forge is asked for the refs that start with the left side, which is one ref's whole name.
fn spec(name: &str) -> String {
    format!("+{name}:{}", mirror_ref(name))
}

fn fetch_once(
    repo: &gix::Repository,
    connection: &Connection,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, Option<Oid>>, SourceError> {
    let specs: Vec<String> = names.iter().map(|name| spec(name)).collect();
    let remote = connection.git_remote(repo, &specs)?;
    let (transport, outcome) = connection.transport()?;
    let prepared = remote
        .to_connection_with_transport(transport)
        .with_credentials(|_| Ok(None))
        .prepare_fetch(Discard, ref_map::Options::default())
        .map_err(|error| connection.explain_listing(&outcome, error))?;
    let advertised: BTreeSet<String> =
        prepared.ref_map().remote_refs.iter().map(|known| split(known).0.to_string()).collect();
    let (present, absent): (Vec<_>, Vec<_>) = names.iter().partition(|name| advertised.contains(*name));
    if !present.is_empty() {
        prepared
            .with_write_packed_refs_only(true)
            .receive(Discard, &connection.stop.flag)
            .map_err(|error| connection.explain(&outcome, "the fetch failed", error))?;
    }
    let of = &connection.remote.repo;
    delete(repo, of, absent.iter().map(|name| name.as_str()))?;
    let mut fetched: BTreeMap<String, Option<Oid>> = absent.into_iter().map(|name| (name.clone(), None)).collect();
    for name in present {
        let commit = resolve(repo, of, name)?;
        if let Some(commit) = &commit {
            history::check_tree(repo, of, commit)?;
        }
        fetched.insert(name.clone(), commit);
    }
    Ok(fetched)
}

/// The commit of a fetched ref.
pub(super) fn resolve(git: &gix::Repository, repo: &RepoName, name: &str) -> Result<Option<Oid>, SourceError> {
    let failed = |error| SourceError::git(repo, "a ref cannot be read", error);
    let mirrored = mirror_ref(name);
    let Some(found) = git.try_find_reference(mirrored.as_str()).map_err(failed)? else { return Ok(None) };
    let Some(id) = found.try_id() else { return Ok(None) };
    let object = id.object().map_err(failed)?;
    let object = object.peel_tags_to_end().map_err(failed)?;
    if object.kind != gix::object::Kind::Commit {
        return Err(SourceError::NotACommit { repo: repo.clone(), ref_name: format!("{name:?}") });
    }
    Ok(Some(oid(object.id)))
}

/// The names of all refs that were fetched and are still held.
pub(super) fn fetched_names(git: &gix::Repository) -> Vec<String> {
    let Ok(platform) = git.references() else { return Vec::new() };
    let Ok(found) = platform.prefixed(MIRROR_PREFIX) else { return Vec::new() };
    found.flatten().filter_map(|held| fetched_ref(held.name().as_bstr().to_str().ok()?)).collect()
}

/// Whether all that is held leads to a commit with a readable tree.
pub(super) fn check(git: &gix::Repository, repo: &RepoName) -> Result<(), SourceError> {
    for name in fetched_names(git) {
        if let Some(commit) = resolve(git, repo, &name)? {
            history::check_tree(git, repo, &commit)?;
        }
    }
    Ok(())
}

pub(super) fn delete<'a>(
    git: &gix::Repository,
    repo: &RepoName,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), SourceError> {
    let failed = |error| SourceError::git(repo, "a ref cannot be removed", error);
    let mut edits = Vec::new();
    for name in names {
        let mirrored = mirror_ref(name);
        if git.try_find_reference(mirrored.as_str()).map_err(failed)?.is_some() {
            let change = Change::Delete { expected: PreviousValue::Any, log: RefLog::AndReference };
            edits.push(edit(repo, &mirrored, change)?);
        }
    }
    git.edit_references(edits).map(drop).map_err(failed)
}

/// Holds a commit under `refs/keep/NAME`, or lets it go.
pub(super) fn keep(
    git: &gix::Repository,
    repo: &RepoName,
    name: &str,
    commit: Option<&Oid>,
) -> Result<(), SourceError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if name.is_empty() || name.len() > 100 || !name.bytes().all(plain) {
        let reason = "a commit is kept under at most 100 letters, digits and dashes".to_owned();
        return Err(SourceError::Ref { repo: repo.clone(), name: format!("{name:.60?}"), reason });
    }
    let change = match commit {
        None => Change::Delete { expected: PreviousValue::Any, log: RefLog::AndReference },
        Some(commit) => Change::Update {
            log: LogChange::default(),
            expected: PreviousValue::Any,
            new: gix::refs::Target::Object(history::find(git, repo, commit)?.id),
        },
    };
    let edit = edit(repo, &format!("refs/keep/{name}"), change)?;
    git.edit_reference(edit).map(drop).map_err(|error| SourceError::git(repo, "a commit cannot be kept", error))
}

fn edit(repo: &RepoName, name: &str, change: Change) -> Result<RefEdit, SourceError> {
    let name = name.try_into().map_err(|error: gix::validate::reference::name::Error| {
        SourceError::git(repo, "a ref cannot be named", error)
    })?;
    Ok(RefEdit { change, name, deref: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the first parts of its name, one pull request's ref would bring all that there ever were: megabytes.
    #[test]
    fn a_ref_is_asked_for_by_its_whole_name() -> anyhow::Result<()> {
        for name in ["refs/pull/7/head", "refs/heads/release/1.2", "refs/tags/v1"] {
            let spec = spec(name);
            let mut asked = Vec::new();
            let parsed = gix::refspec::parse(spec.as_bytes().as_bstr(), gix::refspec::parse::Operation::Fetch)?;
            parsed.expand_prefixes(&mut asked);
            assert_eq!(asked, [name]);
        }
        Ok(())
    }
}
