//! Which repository a path is about.

/// The part of a path that names a repository.
pub(super) type Project = (String, String);

pub(super) fn project((owner, name): &Project) -> String {
    format!("{owner}/{name}")
}
