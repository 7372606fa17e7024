//! The last report about a failing job: its commit and its text. The same text is not reported twice, except for
//! another commit, whose gate would otherwise stay pending.

use std::fmt;

/// A report of a failure, as it is written into the job's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said<'t> {
    /// The commit that the run worked on, where it came so far.
    sha: Option<String>,
    text: &'t str,
}

impl<'t> Said<'t> {
    pub(super) fn new(sha: Option<String>, text: &'t str) -> Self {
        Self { sha, text }
    }

    /// Whether the same was said already: in the same words, and of the same commit where one is known.
    pub(super) fn repeats(&self, before: &str) -> bool {
        self.was_said_of_its_commit(Some(before)) && before.split_once(' ').is_some_and(|(_, text)| text == self.text)
    }

    /// Whether something was said already of the same commit.
    pub(super) fn was_said_of_its_commit(&self, before: Option<&str>) -> bool {
        let Some((sha, _)) = before.and_then(|before| before.split_once(' ')) else { return false };
        self.sha.as_deref().is_none_or(|known| known == sha)
    }
}

/// The commit or `-`, a space, the text.
impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sha.as_deref().unwrap_or("-"), self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sha: &str, text: &'static str) -> Said<'static> {
        Said::new(Some(sha.to_owned()).filter(|sha| !sha.is_empty()), text)
    }

    #[test]
    fn the_same_words_about_another_commit_are_news() {
        let before = said("a", "no such path").to_string();
        assert!(said("a", "no such path").repeats(&before));
        assert!(said("", "no such path").repeats(&before), "which commit is not known, and nothing else is new");
        assert!(!said("b", "no such path").repeats(&before));
        assert!(!said("a", "no such file").repeats(&before));
        assert!(!said("a", "no such path").repeats(&said("", "no such path").to_string()));
    }
}
