//! Lists: page by page along the `Link` headers. A page may have fewer items than were asked for.

use serde::de::DeserializeOwned;

use super::client::Client;
use crate::forge::ForgeError;

/// A hundred pages of a hundred: a merge request has at most 5,000 notes.
const PAGES: usize = 100;

pub(super) async fn all<T: DeserializeOwned>(client: &Client, first: String) -> Result<Vec<T>, ForgeError> {
    let (mut next, mut items) = (Some(first.clone()), Vec::new());
    for _ in 0..PAGES {
        let Some(target) = next else { return Ok(items) };
        let answer = client.get(&target).await?;
        items.extend(answer.json::<Vec<T>>()?);
        next = answer.next_page();
    }
    match next {
        None => Ok(items),
        Some(_) => Err(client.api.unavailable(format!("{first} has more than {PAGES} pages"))),
    }
}
