//! Source against the real thing: `git http-backend` over HTTPS with a private authority, and the git CLI as the
//! oracle.

mod busy;
mod fetch;
mod merges;
mod mirror;
mod read;
mod refused;

use driftless::ids::Oid;
use driftless::source::{Mirrors, Remote, SourceError};
use tokio_util::sync::CancellationToken;

fn never() -> CancellationToken {
    CancellationToken::new()
}

async fn fetch_one(mirrors: &Mirrors, remote: &Remote, name: &str) -> Result<Option<Oid>, SourceError> {
    let mut fetched = mirrors.fetch(remote, &[name.to_owned()], &never()).await?;
    Ok(fetched.remove(name).expect("each ref that was asked for is answered"))
}

async fn main_of(mirrors: &Mirrors, remote: &Remote) -> Result<Option<Oid>, SourceError> {
    fetch_one(mirrors, remote, "refs/heads/main").await
}
