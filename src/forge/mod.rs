//! What Driftless asks of a forge, and the forges that answer.

mod types;

pub use types::{BranchHead, CommentId, ForgeError, NewStatus, PullRequest, PullState, StatusState};
