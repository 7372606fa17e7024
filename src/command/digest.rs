//! Whether a comment is as it was written.

use sha2::{Digest, Sha256};

/// A hash of a comment. Forges change line ends and what is around a text, so these do not count.
pub fn digest(body: &str) -> String {
    let text = body.replace("\r\n", "\n");
    hex::encode(Sha256::digest(text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_lines_do_not_count() {
        assert_eq!(digest("a\r\nb\n"), digest("a\nb"));
        assert_ne!(digest("a"), digest("a b"));
    }
}
