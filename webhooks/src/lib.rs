#![forbid(unsafe_code)]
//! From the bytes of a forge's webhook to one verified event.

mod event;
mod headers;
mod oid;
mod rejection;
mod secret;

pub use event::{
    Comment, CommentAction, Delivery, DeliveryId, Event, MergeGroup, MergeGroupAction, PullRequest, PullRequestAction, Push, Tag,
};
pub use headers::Headers;
pub use oid::{Oid, OidError};
pub use rejection::{Rejection, RejectionKind};
pub use secret::{BadSigningKey, EmptySecret, Secret};
