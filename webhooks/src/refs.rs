//! Which names of refs are taken: those that `git check-ref-format` takes, and a little fewer.
//!
//! Ref names reach URLs, file names and, in tools behind us, command lines. So beyond Git's rules a name must begin
//! with `refs/`, the short name behind `refs/heads/` may not begin with a hyphen (as `git check-ref-format --branch`
//! has it), control characters beyond ASCII are refused too, and it is at most 1,000 bytes long. No forge makes such
//! refs.

pub(crate) const BRANCHES: &str = "refs/heads/";
pub(crate) const TAGS: &str = "refs/tags/";

/// Longest name, in bytes. Git itself is limited by the file system to 255 a part, GitHub to 255 in all.
const MAX: usize = 1_000;

/// Why a name is refused. The name itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefError {
    #[error("the name of a ref has {0} bytes; the limit is {MAX}")]
    Long(usize),
    #[error("the full name of a ref begins with refs/ and has three parts or more")]
    NotFull,
    #[error("the name of a ref has no empty part between its slashes")]
    EmptyPart,
    #[error("no part of a ref's name begins with a dot")]
    Dot,
    #[error("the short name of a ref does not begin with a hyphen")]
    Hyphen,
    #[error("no part of a ref's name ends in .lock, and the whole not in a dot")]
    End,
    #[error("the name of a ref has neither .. nor @{{ in it")]
    Sequence,
    #[error("the name of a ref has no spaces, no control characters and none of ~ ^ : ? * [ \\ in it")]
    Character,
}

/// Tests the full name of a ref.
pub(crate) fn check(name: &str) -> Result<(), RefError> {
    if name.len() > MAX {
        return Err(RefError::Long(name.len()));
    }
    if name.bytes().any(is_forbidden) || name.chars().any(char::is_control) {
        return Err(RefError::Character);
    }
    let rest = name.strip_prefix("refs/").ok_or(RefError::NotFull)?;
    let (_, short) = rest.split_once('/').ok_or(RefError::NotFull)?;
    if short.starts_with('-') {
        return Err(RefError::Hyphen);
    }
    if name.contains("..") || name.contains("@{") {
        return Err(RefError::Sequence);
    }
    if name.ends_with('.') {
        return Err(RefError::End);
    }
    rest.split('/').try_for_each(check_part)
}

fn check_part(part: &str) -> Result<(), RefError> {
    match part {
        "" => Err(RefError::EmptyPart),
        _ if part.starts_with('.') => Err(RefError::Dot),
        _ if part.as_bytes().ends_with(b".lock") => Err(RefError::End),
        _ => Ok(()),
    }
}

fn is_forbidden(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, 0x7f | b'~' | b'^' | b':' | b'?' | b'*' | b'[' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_use_pass() {
        for name in [
            "refs/heads/main",
            "refs/heads/feature/a-b_c.d",
            "refs/heads/@",
            "refs/heads/x/-y",
            "refs/heads/ümläut/日本語",
            "refs/tags/v1.0.0-rc.1+build",
            "refs/heads/gh-readonly-queue/main/pr-104-929f8209d40f77f4abc622a499c93a83babdbe64",
            "refs/heads/renovate/{a}",
            "refs/notes/commits",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn hostile_names_are_refused() {
        for (name, error) in [
            ("", RefError::NotFull),
            ("main", RefError::NotFull),
            ("../x", RefError::NotFull),
            ("--upload-pack=evil", RefError::NotFull),
            ("/refs/heads/main", RefError::NotFull),
            ("refs/heads", RefError::NotFull),
            ("refs/heads/", RefError::EmptyPart),
            ("refs/heads//main", RefError::EmptyPart),
            ("refs/heads/main/", RefError::EmptyPart),
            ("refs/heads/../x", RefError::Sequence),
            ("refs/heads/a..b", RefError::Sequence),
            ("refs/heads/a@{1}", RefError::Sequence),
            ("refs/heads/--upload-pack=evil", RefError::Hyphen),
            ("refs/tags/-", RefError::Hyphen),
            ("refs/heads/.x", RefError::Dot),
            ("refs/heads/x/.git", RefError::Dot),
            ("refs/heads/x.lock", RefError::End),
            ("refs/heads/x.lock/y", RefError::End),
            ("refs/heads/x.", RefError::End),
            ("refs/heads/a\0b", RefError::Character),
            ("refs/heads/a\u{7f}b", RefError::Character),
            ("refs/heads/a\u{85}b", RefError::Character),
            ("refs/heads/a b", RefError::Character),
            ("refs/heads/a~1", RefError::Character),
            ("refs/heads/a^", RefError::Character),
            ("refs/heads/a:b", RefError::Character),
            ("refs/heads/a?", RefError::Character),
            ("refs/heads/*", RefError::Character),
            ("refs/heads/[a]", RefError::Character),
            ("refs/heads/a\\b", RefError::Character),
        ] {
            assert_eq!(check(name), Err(error), "{name:?}");
        }
    }

    #[test]
    fn length_is_limited() {
        let name = |length: usize| format!("{BRANCHES}{}", "x".repeat(length - BRANCHES.len()));
        assert_eq!(check(&name(1_000)), Ok(()));
        assert_eq!(check(&name(1_001)), Err(RefError::Long(1_001)));
        assert_eq!(check(&name(10_000)), Err(RefError::Long(10_000)));
    }
}
