//! The users of the forge: anybody who is named, without being made first.

/// Who commits, opens and merges here.
pub(super) const PERSON: &str = "you";

/// The level of who owns everything here.
pub(super) const OWNER: u64 = 50;

/// The same for the same login, and never that of a repository.
pub(super) fn id(login: &str) -> u64 {
    login.bytes().fold(17, |sum, byte| (sum * 31 + u64::from(byte)) % 1_000_003)
}
