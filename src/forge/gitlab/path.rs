//! Paths of the API. What is put into one must not be able to name another.

use crate::forge::{CommentId, ForgeError};

/// `group/sub/name` is one segment of a path, so its slashes are encoded.
pub(super) fn project_path(project: &str, rest: &str) -> Result<String, ForgeError> {
    let sound = |part: &str| {
        !part.is_empty()
            && !matches!(part, "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let parts: Vec<&str> = project.split('/').collect();
    if parts.len() > 1 && parts.iter().all(|part| sound(part)) {
        return Ok(format!("/projects/{}{rest}", parts.join("%2F")));
    }
    Err(ForgeError::Rejected {
        forge: "GitLab".into(),
        message: format!("a project is named GROUP/NAME with letters, digits, dots and dashes, not {project:?}"),
    })
}

/// A note is found by its merge request and its own id, so a comment's id has both.
pub(super) fn comment_id(number: u64, note: u64) -> CommentId {
    CommentId(format!("{number}/{note}"))
}

pub(super) fn note_path(project: &str, id: &CommentId) -> Result<String, ForgeError> {
    let parts =
        id.0.split_once('/').and_then(|(number, note)| Some((number.parse::<u64>().ok()?, note.parse::<u64>().ok()?)));
    let Some((number, note)) = parts else {
        let what = "a comment whose id is not the numbers of a merge request and a note".into();
        return Err(ForgeError::NotFound { forge: "GitLab".into(), what });
    };
    project_path(project, &format!("/merge_requests/{number}/notes/{note}"))
}

/// A value within a query.
pub(super) fn query(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_one_segment_and_can_name_nothing_else() {
        assert_eq!(
            project_path("Group/sub-a/n.a_me", "/hooks").expect("sound"),
            "/projects/Group%2Fsub-a%2Fn.a_me/hooks"
        );
        for project in ["", "o", "o/", "/r", "o//r", "../r", "o/..", "o/r?x=1", "o/r#", "o/%2e%2e", "ö/r", "o/r/../s"]
        {
            assert!(matches!(project_path(project, ""), Err(ForgeError::Rejected { .. })), "{project}");
        }
    }

    #[test]
    fn the_id_of_a_comment_has_all_that_a_call_needs() {
        let path = note_path("g/p", &comment_id(7, 42)).expect("sound");
        assert_eq!(path, "/projects/g%2Fp/merge_requests/7/notes/42");
        for id in ["42", "7/x", "", "7/42/1", "7/-1"] {
            assert!(matches!(note_path("g/p", &CommentId(id.into())), Err(ForgeError::NotFound { .. })), "{id}");
        }
    }
}
