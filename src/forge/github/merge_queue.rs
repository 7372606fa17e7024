//! The refs of GitHub's merge queue.

/// `refs/heads/gh-readonly-queue/BRANCH/pr-NUMBER-SHA` names the branch that its group goes into.
pub(super) fn base(ref_name: &str) -> Option<String> {
    let (branch, group) = ref_name.strip_prefix("refs/heads/gh-readonly-queue/")?.rsplit_once('/')?;
    (!branch.is_empty() && group.starts_with("pr-")).then(|| format!("refs/heads/{branch}"))
}

#[cfg(test)]
mod tests {
    use super::base;

    #[test]
    fn the_ref_of_a_merge_group_names_its_branch() {
        assert_eq!(base("refs/heads/gh-readonly-queue/main/pr-7-0a1b").as_deref(), Some("refs/heads/main"));
        assert_eq!(
            base("refs/heads/gh-readonly-queue/release/1.2/pr-7-0a1b").as_deref(),
            Some("refs/heads/release/1.2")
        );
        for other in ["refs/heads/main", "refs/heads/gh-readonly-queue/main", "refs/heads/gh-readonly-queue//pr-7-0a1b"]
        {
            assert_eq!(base(other), None, "{other}");
        }
    }
}
