//! Compares the desired comments with those at the forge: which single step comes next. Pure.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::forge::{Comment, CommentId};

/// What we know of the comments that the forge has. The oldest of a part comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remote {
    pub comments: Vec<Known>,
    /// An answer was lost on the way here, so the list has to be looked at once more later.
    #[serde(default)]
    pub look_again: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    pub id: CommentId,
    /// From 1.
    pub part: usize,
    pub hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Create { part: usize, body: String },
    Update { id: CommentId, body: String },
    Delete { id: CommentId },
    Done,
}

/// What every comment of ours on a pull request begins with. Instances report on one repository side by side.
pub fn marker(instance: &str) -> String {
    // Two dashes and an angle would end the comment that hides the marker.
    let instance: String = instance
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') {
                c.to_string()
            } else {
                format!("%{:x}", u32::from(c))
            }
        })
        .collect();
    format!("<!-- driftless:{instance} part ")
}

/// Names the comments of a notice as if they were those of an instance of their own, so that neither is taken for the
/// other.
pub(super) fn notice_of(instance: &str) -> String {
    format!("{instance}+notice")
}

/// The text of one part as it is sent.
fn body(instance: &str, text: &str, part: usize, parts: usize) -> String {
    format!("{}{part}/{parts} -->\n{text}", marker(instance))
}

/// Reads the number of the part behind the marker.
fn part_of(instance: &str, body: &str) -> Option<usize> {
    let rest = body.strip_prefix(&marker(instance))?;
    rest.split_once('/')?.0.parse().ok()
}

/// Equal for texts that a forge shows the same: some change line ends and cut white space.
pub(super) fn hash(body: &str) -> String {
    hex::encode(Sha256::digest(body.replace("\r\n", "\n").trim_end()))
}

impl Remote {
    /// From a list of our comments, oldest first.
    pub(super) fn listed(instance: &str, comments: &[Comment], look_again: bool) -> Self {
        let known = |comment: &Comment| {
            let part = part_of(instance, &comment.body)?;
            Some(Known { id: comment.id.clone(), part, hash: hash(&comment.body) })
        };
        Self { comments: comments.iter().filter_map(known).collect(), look_again }
    }

    /// One step towards the texts that are wanted: first the parts in their order, then what is too much.
    pub(super) fn step(&self, instance: &str, texts: &[String]) -> Step {
        for (index, text) in texts.iter().enumerate() {
            let part = index + 1;
            let body = body(instance, text, part, texts.len());
            match self.comments.iter().find(|known| known.part == part) {
                None => return Step::Create { part, body },
                Some(known) if known.hash != hash(&body) => return Step::Update { id: known.id.clone(), body },
                Some(_) => {}
            }
        }
        match self.surplus(texts.len()) {
            Some(known) => Step::Delete { id: known.id.clone() },
            None => Step::Done,
        }
    }

    /// A part that is not wanted, or one that is there twice: the oldest stays.
    fn surplus(&self, parts: usize) -> Option<&Known> {
        self.comments.iter().enumerate().find_map(|(index, known)| {
            let double = self.comments[..index].iter().any(|older| older.part == known.part);
            (double || known.part == 0 || known.part > parts).then_some(known)
        })
    }

    pub(super) fn created(&mut self, id: CommentId, part: usize, body: &str) {
        self.comments.push(Known { id, part, hash: hash(body) });
    }

    pub(super) fn updated(&mut self, id: &CommentId, body: &str) {
        if let Some(known) = self.comments.iter_mut().find(|known| known.id == *id) {
            known.hash = hash(body);
        }
    }

    pub(super) fn deleted(&mut self, id: &CommentId) {
        self.comments.retain(|known| known.id != *id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(parts: &[&str]) -> Vec<String> {
        parts.iter().map(|part| (*part).to_owned()).collect()
    }

    /// Carries out step after step on a list, as the forge would.
    fn settle(mut remote: Remote, wanted: &[String]) -> (Remote, Vec<Step>) {
        let mut steps = Vec::new();
        for next in 100.. {
            let step = remote.step("a", wanted);
            match &step {
                Step::Create { part, body } => remote.created(CommentId(next.to_string()), *part, body),
                Step::Update { id, body } => remote.updated(id, body),
                Step::Delete { id } => remote.deleted(id),
                Step::Done => break,
            }
            steps.push(step);
        }
        (remote, steps)
    }

    fn listed(comments: &[(&str, String)]) -> Remote {
        let comments: Vec<_> =
            comments.iter().map(|(id, body)| Comment { id: CommentId((*id).into()), body: body.clone() }).collect();
        Remote::listed("a", &comments, false)
    }

    #[test]
    fn parts_are_made_in_order_and_edited_in_place() {
        let (remote, steps) = settle(Remote::default(), &texts(&["one", "two"]));
        assert!(matches!(&steps[..], [Step::Create { part: 1, .. }, Step::Create { part: 2, .. }]));
        let (remote, steps) = settle(remote, &texts(&["one", "zwei"]));
        assert!(matches!(&steps[..], [Step::Update { id, .. }] if id.0 == "101"));
        assert_eq!(settle(remote, &texts(&["one", "zwei"])).1, []);
    }

    #[test]
    fn fewer_parts_delete_the_rest() {
        let (remote, _) = settle(Remote::default(), &texts(&["one", "two", "three"]));
        let (remote, steps) = settle(remote, &texts(&["one"]));
        // The first says that it is one of one now.
        assert!(matches!(&steps[..], [Step::Update { .. }, Step::Delete { .. }, Step::Delete { .. }]));
        assert_eq!(remote.comments.len(), 1);
    }

    #[test]
    fn of_doubles_the_oldest_stays() {
        let one = body("a", "one", 1, 1);
        let remote = listed(&[("5", one.clone()), ("7", one.clone()), ("9", one)]);
        let (remote, steps) = settle(remote, &texts(&["one"]));
        assert_eq!(steps, [Step::Delete { id: CommentId("7".into()) }, Step::Delete { id: CommentId("9".into()) }]);
        assert_eq!(remote.comments[0].id, CommentId("5".into()));
    }

    #[test]
    fn another_instance_s_comments_are_not_ours() {
        let remote = listed(&[
            ("5", body("ab", "one", 1, 1)),
            ("6", "<!-- driftless:a part x/1 -->".into()),
            ("7", "hello".into()),
        ]);
        assert_eq!(remote, Remote::default());
    }

    #[test]
    fn a_forge_may_change_line_ends_and_cut_space() {
        let sent = body("a", "one\ntwo\n", 1, 1);
        let remote = listed(&[("5", sent.replace('\n', "\r\n").trim_end().to_owned())]);
        assert_eq!(remote.step("a", &texts(&["one\ntwo\n"])), Step::Done);
    }

    #[test]
    fn no_instance_name_ends_the_marker() {
        let marker = marker("--> @all <b>");
        assert!(!marker[4..].contains("--") && !marker[4..].contains('>'), "{marker}");
    }
}
