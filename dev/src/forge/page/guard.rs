//! Who may write by the page: the page itself. No other site's page can send this header without being asked first.

use axum::http::HeaderMap;

pub(super) fn asked_by_the_page(headers: &HeaderMap) -> bool {
    headers.contains_key("x-driftless-page")
}
