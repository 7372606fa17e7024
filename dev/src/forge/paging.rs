//! Which page of a list is asked for, and the addresses of the others.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// A page has `SIZE` items unless another number is asked for.
pub(super) struct Paging<const SIZE: usize> {
    page: usize,
    size: usize,
    /// Path and query without `page`.
    path: String,
}

impl<S: Send + Sync, const SIZE: usize> FromRequestParts<S> for Paging<SIZE> {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let number = |name: &str, default: usize| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.and_then(|(_, value)| value.parse().ok()).filter(|number| *number > 0).unwrap_or(default)
        };
        let rest: Vec<String> =
            pairs.iter().filter(|(key, _)| *key != "page").map(|(key, value)| format!("{key}={value}")).collect();
        // Routes are nested, and the address that the client used is kept aside.
        let path =
            parts.extensions.get::<axum::extract::OriginalUri>().map_or_else(|| parts.uri.path(), |uri| uri.path());
        let path = format!("{path}?{}", rest.join("&"));
        Ok(Self { page: number("page", 1), size: number("per_page", SIZE).min(100), path })
    }
}

impl<const SIZE: usize> Paging<SIZE> {
    pub(super) fn page(&self) -> usize {
        self.page
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The number of the last page.
    pub(super) fn last(&self, total: usize) -> usize {
        total.div_ceil(self.size).max(1)
    }

    pub(super) fn slice<'a, T>(&self, items: &'a [T]) -> &'a [T] {
        let start = (self.page - 1).saturating_mul(self.size).min(items.len());
        &items[start..start.saturating_add(self.size).min(items.len())]
    }

    /// The text of a `Link` header with those of these relations that there are.
    pub(super) fn links(&self, site: &str, total: usize, relations: &[&str]) -> String {
        let last = self.last(total);
        let links = relations.iter().filter_map(|relation| {
            let page = match *relation {
                "prev" => self.page.checked_sub(1).filter(|page| *page > 0)?,
                "next" => Some(self.page + 1).filter(|page| *page <= last)?,
                "first" => 1,
                _ => last,
            };
            Some(format!("<{site}{}&page={page}>; rel=\"{relation}\"", self.path))
        });
        links.collect::<Vec<_>>().join(", ")
    }
}
