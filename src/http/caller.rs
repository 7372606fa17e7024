//! The caller on the server's socket: the user according to the system, and the name that the command passes.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::net::UnixStream;

use crate::api::{USER, user_name};

/// The user of a connection, as the system knows it: nobody can claim to be another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    uid: Option<u32>,
}

impl Caller {
    pub(super) const UNKNOWN: Self = Self { uid: None };

    pub(super) fn of(stream: &UnixStream) -> Self {
        Self { uid: stream.peer_cred().ok().map(|peer| peer.uid()) }
    }
}

/// Who asks, in words: `uid 1000 (alice)`. The number is the system's, the name is what the command says.
#[derive(Debug)]
pub(super) struct Who(pub String);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let caller = parts.extensions.get::<Caller>().copied().unwrap_or(Caller::UNKNOWN);
        let claimed = parts.headers.get(USER).and_then(|name| name.to_str().ok()).and_then(user_name);
        Ok(Self(words(caller, claimed.as_deref())))
    }
}

fn words(caller: Caller, claimed: Option<&str>) -> String {
    let user = caller.uid.map_or_else(|| "an unknown user".to_owned(), |uid| format!("uid {uid}"));
    claimed.map_or(user.clone(), |name| format!("{user} ({name})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_told_with_the_name_as_a_claim() {
        let caller = Caller { uid: Some(1000) };
        assert_eq!(words(caller, Some("alice")), "uid 1000 (alice)");
        assert_eq!(words(caller, None), "uid 1000");
        assert_eq!(words(Caller::UNKNOWN, None), "an unknown user");
    }

    #[test]
    fn a_name_is_one_word_whatever_it_is_made_of() {
        assert_eq!(user_name("alice").as_deref(), Some("alice"));
        assert_eq!(user_name("CORP\\alice<b>\n").as_deref(), Some("CORP-alice-b--"));
        assert_eq!(user_name("ada@example.test").as_deref(), Some("ada@example.test"));
        assert_eq!(user_name(""), None);
        assert_eq!(user_name(&"x".repeat(100)).map(|name| name.len()), Some(64));
    }
}
