//! Lists: page by page along the `Link` headers, and for nothing while the forge says that they are as they were.

use http::Method;
use moka::sync::Cache;

use super::client::Client;
use super::wire;
use crate::forge::rest::{Answer, Call};
use crate::forge::{self, ForgeError, Listing, PullRequest};

/// So many projects' lists are remembered.
const PROJECTS: u64 = 1000;

/// A hundred pages of a hundred: no project has more open, and no comment of ours stands behind more.
const PAGES: usize = 100;

/// What the last walk over a list saw.
#[derive(Clone)]
struct Seen {
    /// Address and tag of each page. A closed pull request may change the last page alone, so each is asked about.
    pages: Vec<(String, String)>,
    items: Vec<PullRequest>,
}

pub(super) struct Listings {
    pulls: Cache<String, Seen>,
}

impl Listings {
    pub(super) fn new() -> Self {
        Self { pulls: Cache::new(PROJECTS) }
    }

    pub(super) async fn pulls(
        &self,
        client: &Client,
        project: &str,
        path: &str,
    ) -> Result<Listing<PullRequest>, ForgeError> {
        let key = project.to_ascii_lowercase();
        if let Some(seen) = self.pulls.get(&key)
            && unchanged(client, project, &seen).await?
        {
            return Ok(Listing { items: seen.items, unchanged: true });
        }
        let mut seen = Some(Seen { pages: Vec::new(), items: Vec::new() });
        let mut items = Vec::new();
        walk(client, project, path.to_owned(), |target, answer| {
            let page: Vec<wire::Pull> = answer.json()?;
            items.extend(page.into_iter().map(PullRequest::from));
            match (answer.etag(), &mut seen) {
                (Some(etag), Some(seen)) => seen.pages.push((target.to_owned(), etag)),
                _ => seen = None,
            }
            Ok(())
        })
        .await?;
        items.sort_by_key(|pull| pull.number);
        // A pull request that was updated during the walk moves to the front and may be met twice.
        items.dedup_by_key(|pull| pull.number);
        match seen {
            Some(seen) => self.pulls.insert(key, Seen { items: items.clone(), ..seen }),
            None => self.pulls.invalidate(&key),
        }
        Ok(Listing { items, unchanged: false })
    }

    pub(super) async fn comments(
        &self,
        client: &Client,
        project: &str,
        path: String,
        wanted: impl Fn(&wire::Comment) -> bool + Send + Sync,
    ) -> Result<Vec<forge::Comment>, ForgeError> {
        let mut found = Vec::new();
        walk(client, project, path, |_, answer| {
            let page: Vec<wire::Comment> = answer.json()?;
            found.extend(page.into_iter().filter(&wanted));
            Ok(())
        })
        .await?;
        found.sort_by_key(wire::Comment::number);
        Ok(found.into_iter().map(Into::into).collect())
    }
}

async fn unchanged(client: &Client, project: &str, seen: &Seen) -> Result<bool, ForgeError> {
    for (target, etag) in &seen.pages {
        let call = Call { method: Method::GET, target, etag: Some(etag), body: None };
        if !client.auth.send(&client.api, project, call).await?.not_modified() {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn walk(
    client: &Client,
    project: &str,
    first: String,
    mut visit: impl FnMut(&str, &Answer) -> Result<(), ForgeError> + Send,
) -> Result<(), ForgeError> {
    let mut next = Some(first);
    for _ in 0..PAGES {
        let Some(target) = next else { return Ok(()) };
        let answer = client.send(project, Method::GET, &target, None).await?;
        visit(&target, &answer)?;
        next = answer.next_page();
    }
    match next {
        None => Ok(()),
        Some(_) => Err(client.api.unavailable(format!("a list of {project} has more than {PAGES} pages"))),
    }
}
