//! What GitLab writes on a merge request by itself.

use crate::forge::record::PullChange;

pub(in crate::forge) fn system_note(change: &PullChange) -> Option<String> {
    match change {
        PullChange::Opened => None,
        PullChange::Updated { .. } => Some("added 1 commit\n\n[Compare with previous version](#)".to_owned()),
        PullChange::Retargeted { before } => Some(format!("changed target branch from `{before}`")),
        PullChange::Closed => Some("closed".to_owned()),
        PullChange::Reopened => Some("reopened".to_owned()),
        PullChange::Merged => Some("merged".to_owned()),
    }
}
