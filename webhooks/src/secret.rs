//! The secrets that a hook shares with its forge.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Marks a Standard Webhooks signing key: what follows is the key in base64.
const SIGNING_KEY_PREFIX: &[u8] = b"whsec_";

/// One secret of a hook. A hook may have several, so that they can be changed without losing deliveries.
///
/// It is never empty, and never shown: there is no way back to the bytes outside this crate.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// A secret of no characters, or of white space alone, which anybody could guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret is empty: set a long random one, here and at the forge")]
pub struct EmptySecret;

/// A secret that begins as a signing key does and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret that begins with whsec_ must continue in base64, as GitLab shows it: copy it again")]
pub struct BadSigningKey;

impl Secret {
    /// Takes the bytes as they are: the caller removes a line break at the end of a file.
    pub fn new(secret: impl Into<Vec<u8>>) -> Result<Self, EmptySecret> {
        let secret = secret.into();
        if secret.iter().all(u8::is_ascii_whitespace) {
            return Err(EmptySecret);
        }
        Ok(Self(secret))
    }

    /// Whether this is a signing key (`whsec_…`) for GitLab rather than a token.
    pub fn is_signing_key(&self) -> bool {
        self.0.starts_with(SIGNING_KEY_PREFIX)
    }

    /// For a check of the configuration: a signing key that can't be decoded verifies nothing.
    pub fn check(&self) -> Result<(), BadSigningKey> {
        if self.is_signing_key() && self.signing_key().is_none() { Err(BadSigningKey) } else { Ok(()) }
    }

    /// Whether any of `tags` is the HMAC-SHA256 of the parts joined, under the bytes of this secret. One pass over the
    /// parts, however many tags; all tags are compared, each in constant time.
    pub(crate) fn signed(&self, parts: &[&[u8]], tags: &[[u8; 32]]) -> bool {
        is_among(&self.mac(parts), tags)
    }

    /// As [`Secret::signed`], under the key that a `whsec_` secret encodes.
    pub(crate) fn signed_by_key(&self, parts: &[&[u8]], tags: &[[u8; 32]]) -> bool {
        self.mac_by_key(parts).is_some_and(|mac| is_among(&mac, tags))
    }

    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        hmac(&self.0, parts)
    }

    pub(crate) fn mac_by_key(&self, parts: &[&[u8]]) -> Option<[u8; 32]> {
        self.signing_key().map(|key| hmac(&key, parts))
    }

    /// Whether `token` is this secret. Digests are compared, so that the time tells nothing of the length either.
    pub(crate) fn is_token(&self, token: &[u8]) -> bool {
        Sha256::digest(&self.0).ct_eq(&Sha256::digest(token)).into()
    }

    fn signing_key(&self) -> Option<Vec<u8>> {
        let encoded = self.0.strip_prefix(SIGNING_KEY_PREFIX)?;
        STANDARD.decode(encoded).ok().filter(|key| !key.is_empty())
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn is_among(mac: &[u8; 32], tags: &[[u8; 32]]) -> bool {
    tags.iter().fold(Choice::from(0), |found, tag| found | mac.ct_eq(tag)).into()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_secret_cannot_be_made() {
        for empty in ["", " ", "\n", "\r\n\t "] {
            assert_eq!(Secret::new(empty).err(), Some(EmptySecret));
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("hunter2").expect("not empty");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn a_signing_key_is_checked() {
        let check = |text: &str| Secret::new(text).expect("not empty").check();
        assert_eq!(check("whsec_dGVzdA=="), Ok(()));
        assert_eq!(check("any other text"), Ok(()));
        for bad in ["whsec_", "whsec_=", "whsec_dGVzdA", "whsec_dGVzdB==", "whsec_ü"] {
            assert_eq!(check(bad), Err(BadSigningKey), "{bad}");
        }
    }
}
