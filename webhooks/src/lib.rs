#![forbid(unsafe_code)]
//! From the bytes of a forge's webhook to one verified event.
//!
//! This crate faces bytes that anybody may send. It has no I/O, no clock, no tasks and no `unsafe`; it only tests and
//! reads. Two steps, and the second can't be had without the first:
//!
//! ```
//! use driftless_webhooks::{Event, Forge, Secret, parse, verify};
//!
//! let secret = Secret::new("It's a Secret to Everybody")?;
//! let body = br#"{"zen": "Keep it logically awesome.", "hook_id": 1}"#;
//! let signature = secret.github_signature(body); // what GitHub would send
//! let headers = [
//!     ("X-Hub-Signature-256", signature.as_str()),
//!     ("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
//!     ("X-GitHub-Event", "ping"),
//! ];
//! let verified = verify(Forge::GitHub, &headers, body, &[secret], 1_700_000_000)?;
//! assert_eq!(parse(verified)?.event, Event::Ping);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is answered
//!
//! Limits of size and time, and who may send how much, are the server's business. Of what reaches this crate:
//!
//! | the request | the result | status |
//! |---|---|---|
//! | an event that is used | its [`Event`] | 202 |
//! | a verified event of another name, or an action without use | [`Event::Ignored`] with the reason | 2xx: GitLab disables hooks that fail |
//! | no signature, or SHA-1 alone; no token | [`RejectionKind::Unsigned`] | 401 |
//! | a signature or token that is wrong, short, in upper case, empty, or there twice | [`RejectionKind::BadSignature`] | 401 |
//! | a right signature that is more than five minutes off (GitLab) | [`RejectionKind::Stale`] | 401 |
//! | gzip, or a content type that is neither JSON nor GitHub's form | [`RejectionKind::Unsupported`] | 400 |
//! | empty, `null`, `[]`, truncated, not UTF-8, a used field there twice | [`RejectionKind::Malformed`] | 400 |
//! | a field that its event needs is missing, or negative, or a text for a number, or a ref that Git would refuse | [`RejectionKind::Malformed`] with the field's path | 400 |
//! | a field without use that is odd, null, missing, or nested 100,000 deep, such as `commits` | as if it were not there | 202 |
//!
//! # Where the rules come from
//!
//! | rule | source |
//! |---|---|
//! | `X-Hub-Signature-256` is `sha256=` and the hex HMAC-SHA256 of the body; SHA-1 is there for old times' sake; compare in constant time | GitHub, *Validating webhook deliveries* |
//! | a form has the JSON in its field `payload`, and is signed as it is sent | GitHub, *Creating webhooks* |
//! | `X-GitHub-Delivery` is the same on redelivery, and for all hooks on an event | GitHub, *Best practices for using webhooks* |
//! | a push of zeros deletes; `head.repo` of a pull request may be null; `merge_commit_sha` of an open one is a trial | GitHub, *Webhook events and payloads*, *Pull requests* |
//! | the head of a merge group needs the status, until the group is destroyed | GitHub, *Webhook events and payloads*: `merge_group` |
//! | `X-Gitlab-Token` is the secret itself; `Idempotency-Key` is the same on a retry | GitLab, *Webhooks* |
//! | `webhook-signature` over `{webhook-id}.{webhook-timestamp}.{body}`, keys are `whsec_` and base64 | GitLab, *Webhooks*; Standard Webhooks, *Signature scheme* |
//! | `object_kind` says what a payload is; `oldrev` is there only with new commits; notes that `system` marks are GitLab's own | GitLab, *Webhook events* |
//! | the names that refs may have | Git, `git check-ref-format` |

mod check;
mod event;
mod form;
mod github;
mod gitlab;
mod headers;
mod json;
mod oid;
mod parse;
mod refs;
mod rejection;
mod secret;
mod sign;
mod verify;

pub use event::{
    Comment, CommentAction, Delivery, DeliveryId, Event, MergeGroup, MergeGroupAction, PullRequest, PullRequestAction,
    Push, Tag,
};
pub use headers::Headers;
pub use oid::{Oid, OidError};
pub use parse::parse;
pub use rejection::{Rejection, RejectionKind};
pub use secret::{BadSigningKey, EmptySecret, Secret};
pub use verify::{Forge, Verified, verify};
