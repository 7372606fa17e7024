//! The names of refs, as forges give them.

use crate::app::Source;

/// What is said of an app whose ref is not there, whether it was deleted or never was.
pub(in crate::jobs) fn missing_ref(Source { repo, ref_name, .. }: &Source) -> String {
    format!("{ref_name} is not in repo {repo}. Create it, or change the app's `ref`; its objects are kept")
}

pub(in crate::jobs) fn full_ref(branch: &str) -> String {
    if branch.starts_with("refs/") { branch.to_owned() } else { format!("refs/heads/{branch}") }
}
