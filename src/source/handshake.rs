//! The handshake of a forge: its capabilities. In version 2 of the protocol it does not depend on the repo, and Git
//! requests it before each operation; here it is cached, which saves one of the three requests of a fetch.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// A forge that has learnt something new is noticed after this long. One that has unlearnt something is noticed when it
/// refuses.
const GREETED_FOR: Duration = Duration::from_hours(1);

/// The greeting of one mirror's forge.
#[derive(Debug, Default)]
pub(super) struct HandshakeCache(Mutex<Option<Handshake>>);

#[derive(Debug)]
struct Handshake {
    url: String,
    at: Instant,
    /// The headers, as Git's side reads them.
    lines: Vec<u8>,
    body: Bytes,
    /// It answered for the forge since.
    reused: bool,
}

impl HandshakeCache {
    /// A longer answer is none of version 2, and lists all refs.
    pub(super) const LONGEST: usize = 16 * 1024;

    /// Whether a greeting is what is asked for below the repo's own URL.
    pub(super) fn is_at(tail: &str) -> bool {
        tail.ends_with("info/refs?service=git-upload-pack")
    }

    /// The headers and the body that were last kept for this URL.
    pub(super) fn find(&self, url: &str) -> Option<(Vec<u8>, Bytes)> {
        let mut known = self.lock();
        let known = known.as_mut().filter(|known| known.url == url && known.at.elapsed() < GREETED_FOR)?;
        known.reused = true;
        Some((known.lines.clone(), known.body.clone()))
    }

    /// Keeps a greeting of version 2, and no other: those list the refs as they were.
    pub(super) fn keep(&self, url: String, lines: &[u8], body: &[u8]) {
        if is_version_2(body) {
            let greeted = Handshake {
                url,
                at: Instant::now(),
                lines: lines.to_owned(),
                body: Bytes::copy_from_slice(body),
                reused: false,
            };
            *self.lock() = Some(greeted);
        }
    }

    /// The next operation asks anew. True if what is forgotten had answered for the forge.
    pub(super) fn forget(&self) -> bool {
        self.lock().take().is_some_and(|known| known.reused)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Handshake>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some forges name the service in a first packet of its own (gitprotocol-v2, "HTTP Transport").
fn is_version_2(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"001e# service=git-upload-pack\n0000").unwrap_or(body);
    body.starts_with(b"000eversion 2\n") && body.ends_with(b"0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://forge.example/a.git/info/refs?service=git-upload-pack";

    #[tokio::test(start_paused = true)]
    async fn a_greeting_holds_for_its_url_and_an_hour() {
        let greeting = HandshakeCache::default();
        greeting.keep(URL.to_owned(), b"content-type:x\n", b"000eversion 2\n0012ls-refs=unborn0000");
        assert!(!greeting.forget(), "it has not been used");
        greeting.keep(URL.to_owned(), b"content-type:x\n", b"001e# service=git-upload-pack\n0000000eversion 2\n0000");
        assert_eq!(greeting.find("https://forge.example/b.git"), None);
        assert_eq!(greeting.find(URL).map(|(lines, _)| lines), Some(b"content-type:x\n".to_vec()));
        assert!(greeting.forget());
        assert_eq!(greeting.find(URL), None);
        greeting.keep(URL.to_owned(), b"", b"000eversion 2\n0000");
        tokio::time::advance(GREETED_FOR).await;
        assert_eq!(greeting.find(URL), None);
    }

    #[test]
    fn what_lists_refs_is_not_kept() {
        for body in [
            "",
            "000eversion 2\n",
            "000eversion 1\n0000",
            "001e# service=git-upload-pack\n0000003faaaa refs/heads/main\n0000",
        ] {
            assert!(!is_version_2(body.as_bytes()), "{body}");
        }
    }
}
