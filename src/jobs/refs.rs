//! The names of refs, as forges give them.

use super::Context;
use crate::app::Source;
use crate::config::{ForgeKind, Repo};

/// What is said of an app whose ref is not there, whether it was deleted or never was.
pub(in crate::jobs) fn missing_ref(Source { repo, ref_name, .. }: &Source) -> String {
    format!("{ref_name} is not in repo {repo}. Create it, or change the app's `ref`; its objects are kept")
}

pub(in crate::jobs) fn full_ref(branch: &str) -> String {
    if branch.starts_with("refs/") { branch.to_owned() } else { format!("refs/heads/{branch}") }
}

/// The ref under which a forge keeps the head of a pull request, whatever branch or fork it is on.
pub(in crate::jobs) fn head_ref(context: &Context, repo: &Repo, number: u64) -> String {
    match context.config.hook(&repo.hook).map(|hook| hook.forge) {
        Some(ForgeKind::GitLab) => format!("refs/merge-requests/{number}/head"),
        Some(ForgeKind::GitHub) | None => format!("refs/pull/{number}/head"),
    }
}

/// The ref under which a forge keeps its own test merge. It is there while the pull request can be merged, and may be
/// of older heads.
pub(in crate::jobs) fn tested_ref(context: &Context, repo: &Repo, number: u64) -> String {
    match context.config.hook(&repo.hook).map(|hook| hook.forge) {
        Some(ForgeKind::GitLab) => format!("refs/merge-requests/{number}/merge"),
        Some(ForgeKind::GitHub) | None => format!("refs/pull/{number}/merge"),
    }
}
