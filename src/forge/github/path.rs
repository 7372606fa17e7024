//! Paths of the API. What is put into one must not be able to name another.

use crate::forge::{CommentId, ForgeError};

pub(super) fn repo_path(project: &str, rest: &str) -> Result<String, ForgeError> {
    // What reaches this comes from the configuration, and must not be able to name another path all the same.
    let sound = |part: &str| {
        !part.is_empty()
            && !matches!(part, "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match project.split_once('/') {
        Some((owner, name)) if sound(owner) && sound(name) => Ok(format!("/repos/{owner}/{name}{rest}")),
        _ => Err(ForgeError::Rejected {
            forge: "GitHub".into(),
            message: format!("a project is named OWNER/NAME with letters, digits, dots and dashes, not {project:?}"),
        }),
    }
}

/// What a user may do with a project. The login comes from the forge, and may be an App's: `name[bot]`.
pub(super) fn login_path(project: &str, login: &str) -> Result<String, ForgeError> {
    if login.is_empty() || !login.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_[]".contains(&b)) {
        return Err(ForgeError::NotFound { forge: "GitHub".into(), what: "user of this name".into() });
    }
    let login = login.replace('[', "%5B").replace(']', "%5D");
    repo_path(project, &format!("/collaborators/{login}/permission"))
}

pub(super) fn comment_path(project: &str, id: &CommentId) -> Result<String, ForgeError> {
    match id.0.parse::<u64>() {
        Ok(number) => repo_path(project, &format!("/issues/comments/{number}")),
        Err(_) => {
            Err(ForgeError::NotFound { forge: "GitHub".into(), what: "a comment whose id is not a number".into() })
        }
    }
}
