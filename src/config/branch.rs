//! Whether a text is a valid branch name, by the rules of `git check-ref-format`. Pure.

/// What is wrong with it, if anything.
pub(super) fn fault(branch: &str) -> Option<&'static str> {
    const FORBIDDEN: [char; 7] = ['~', '^', ':', '?', '*', '[', '\\'];
    let mut parts = branch.split('/');
    match () {
        () if branch.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Some("contains a space or a control character")
        }
        () if branch.contains(FORBIDDEN) => Some("contains one of ~ ^ : ? * [ \\"),
        () if branch.contains("..") || branch.contains("@{") => Some("contains `..` or `@{`"),
        () if branch == "@" || branch.starts_with('-') => Some("is `@` or begins with `-`"),
        () if parts.any(|part| part.is_empty() || part.starts_with('.') || part.strip_suffix(".lock").is_some()) => {
            Some("has a part between slashes that is empty, begins with a dot or ends with `.lock`")
        }
        () if branch.ends_with('.') => Some("ends with a dot"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_git_accepts_is_a_branch() {
        for good in ["main", "release/1.2", "refs/heads/main", "a-b_c", "ümlaut"] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in [
            "", "a b", "..", "a..b", "a//b", "/a", "a/", ".a", "a.lock", "a.", "a~1", "a^", "a:b", "a*", "@", "a@{1}",
            "-a",
        ] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
