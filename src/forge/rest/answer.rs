//! A response of a forge, before anybody has judged it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::link;
use crate::forge::ForgeError;

#[derive(Debug)]
pub(in crate::forge) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub forge: String,
}

impl Answer {
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ForgeError> {
        serde_json::from_slice(&self.body).map_err(|error| ForgeError::Unavailable {
            forge: self.forge.clone(),
            // The category and place alone: the text of the error quotes the answer.
            message: format!(
                "its answer has an unexpected form ({:?} error in line {})",
                error.classify(),
                error.line()
            ),
        })
    }

    /// The address of the next page, as the forge gives it: it must not be built.
    pub fn next_page(&self) -> Option<String> {
        link::next(self.headers.get(http::header::LINK)?.to_str().ok()?)
    }

    pub fn etag(&self) -> Option<String> {
        Some(self.headers.get(http::header::ETAG)?.to_str().ok()?.to_owned())
    }

    /// A header that holds a list, which may be empty. None: it is not there.
    pub fn list(&self, header: &str) -> Option<Vec<String>> {
        let text = self.headers.get(header)?.to_str().ok()?;
        Some(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }

    pub fn not_modified(&self) -> bool {
        self.status == StatusCode::NOT_MODIFIED
    }

    pub fn number(&self, header: &str) -> Option<i64> {
        self.headers.get(header)?.to_str().ok()?.trim().parse().ok()
    }
}
