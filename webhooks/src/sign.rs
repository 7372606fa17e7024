//! The other side: proofs as the forges make them, for a forge of one's own to send deliveries with.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::secret::Secret;

impl Secret {
    /// The value of `X-Hub-Signature-256` for this body.
    pub fn github_signature(&self, body: &[u8]) -> String {
        format!("sha256={}", hex::encode(self.mac(&[body])))
    }

    /// The value of `webhook-signature` for this body; `None` if this secret is no signing key.
    pub fn gitlab_signature(&self, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
        let timestamp = timestamp.to_string();
        let tag = self.mac_by_key(&[id.as_bytes(), b".", timestamp.as_bytes(), b".", body])?;
        Some(format!("v1,{}", STANDARD.encode(tag)))
    }
}
