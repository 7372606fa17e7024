//! Chooses the next job: the most urgent one, and among equals the repo that has had the fewest.

use std::collections::HashMap;

use super::Priority;
use crate::store::jobs::{DueGroup, RunningCount};

/// A job that has been due for this long counts as one step more urgent, so that pushes without end don't starve the
/// resync.
const AGEING: i64 = 60_000;

/// When each tenant was last given a worker, in claims.
#[derive(Debug, Default)]
pub(super) struct Served {
    pub claims: u64,
    pub last: HashMap<String, u64>,
}

/// The group of which a job runs next. `served` says when each tenant was last given a worker, in any growing count.
pub(super) fn choose<'a>(
    groups: &'a [DueGroup],
    running: &[RunningCount],
    served: &HashMap<String, u64>,
    workers: usize,
    now: i64,
) -> Option<&'a DueGroup> {
    let resync = Priority::Resync as i64;
    let resyncing: i64 = running.iter().filter(|count| count.priority >= resync).map(|count| count.running).sum();
    let resync_full = resyncing >= resync_share(workers);
    let preview = Priority::Preview as i64;
    let previewing: i64 = running.iter().filter(|count| count.priority >= preview).map(|count| count.running).sum();
    let preview_full = previewing >= preview_share(workers);
    let most = tenant_share(workers);
    let is_full = |group: &DueGroup| {
        let of_tenant = || running.iter().filter(|count| count.tenant == group.tenant);
        let busy: i64 = of_tenant().map(|count| count.running).sum();
        let looking: i64 = of_tenant().filter(|count| count.priority >= preview).map(|count| count.running).sum();
        let tenant_full = busy >= most.all || (group.priority >= preview && looking >= most.looking);
        tenant_full || (resync_full && group.priority >= resync) || (preview_full && group.priority >= preview)
    };
    groups.iter().filter(|group| !is_full(group)).min_by_key(|group| {
        let busy: i64 = running.iter().filter(|count| count.tenant == group.tenant).map(|count| count.running).sum();
        let last = served.get(&group.tenant).copied().unwrap_or(0);
        (rank(group, now), busy, last, group.due, &group.tenant)
    })
}

/// Long looks at everything may not take the last worker from a push.
fn resync_share(workers: usize) -> i64 {
    i64::try_from(workers / 2).unwrap_or(i64::MAX).max(1)
}

/// What only looks leaves a worker for what applies: one cluster that does not answer holds up many previews.
fn preview_share(workers: usize) -> i64 {
    i64::try_from(workers - workers.div_ceil(8).min(workers.saturating_sub(1))).unwrap_or(i64::MAX)
}

/// The most workers that one tenant has at once: all that it does may hang on one forge or one cluster.
struct TenantShare {
    all: i64,
    /// For what only looks, so that its own pushes and syncs find a worker, too.
    looking: i64,
}

fn tenant_share(workers: usize) -> TenantShare {
    let part = |of: usize| i64::try_from(of).unwrap_or(i64::MAX).max(1);
    TenantShare { all: part(workers - workers.div_ceil(4)), looking: part(workers / 2) }
}

fn rank(group: &DueGroup, now: i64) -> i64 {
    (group.priority - (now - group.due).max(0) / AGEING).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(tenant: &str, priority: Priority, due: i64) -> DueGroup {
        DueGroup { tenant: tenant.into(), priority: priority as i64, due }
    }

    fn count(tenant: &str, priority: Priority, running: i64) -> RunningCount {
        RunningCount { tenant: tenant.into(), priority: priority as i64, running }
    }

    fn chosen<'a>(
        groups: &'a [DueGroup],
        running: &[RunningCount],
        served: &[(&str, u64)],
        workers: usize,
    ) -> Option<(&'a str, i64)> {
        let served = served.iter().map(|(tenant, at)| ((*tenant).to_owned(), *at)).collect();
        choose(groups, running, &served, workers, 100_000).map(|group| (group.tenant.as_str(), group.priority))
    }

    #[test]
    fn pushes_go_before_previews_and_previews_before_resyncs() {
        let groups = [
            group("a", Priority::Resync, 99_000),
            group("b", Priority::Preview, 99_500),
            group("c", Priority::Push, 99_900),
        ];
        assert_eq!(chosen(&groups, &[], &[], 4), Some(("c", 0)));
        assert_eq!(chosen(&groups[..2], &[], &[], 4), Some(("b", 1)));
    }

    #[test]
    fn a_repo_with_less_running_then_the_one_served_longest_ago_goes_first() {
        let groups = [group("busy", Priority::Push, 90_000), group("calm", Priority::Push, 99_000)];
        assert_eq!(chosen(&groups, &[count("busy", Priority::Push, 2)], &[], 4), Some(("calm", 0)));
        assert_eq!(chosen(&groups, &[], &[("busy", 8), ("calm", 3)], 4), Some(("calm", 0)));
        assert_eq!(chosen(&groups, &[], &[], 4), Some(("busy", 0)));
    }

    #[test]
    fn what_waits_long_becomes_urgent() {
        let groups = [group("a", Priority::Resync, -20_001), group("b", Priority::Push, 99_900)];
        assert_eq!(chosen(&groups, &[], &[], 4), Some(("a", 2)));
    }

    #[test]
    fn previews_leave_a_worker_for_pushes() {
        let groups = [group("a", Priority::Preview, -200_000), group("b", Priority::Push, 99_900)];
        assert_eq!(chosen(&groups[..1], &[count("c", Priority::Preview, 3)], &[], 4), None);
        assert_eq!(chosen(&groups, &[count("c", Priority::Preview, 3)], &[], 4), Some(("b", 0)));
        assert_eq!(chosen(&groups[..1], &[count("c", Priority::Preview, 2)], &[], 4), Some(("a", 1)));
        assert_eq!(
            chosen(&groups[..1], &[count("c", Priority::Push, 3)], &[], 4),
            Some(("a", 1)),
            "pushes are no previews"
        );
        assert_eq!(chosen(&groups[..1], &[], &[], 1), Some(("a", 1)), "a single worker does everything");
    }

    /// A9: a repo whose forge hangs leaves workers to the others, and its previews leave some to its own pushes.
    #[test]
    fn no_tenant_has_all_workers() {
        let groups = [group("slow", Priority::Push, 90_000), group("slow", Priority::Preview, 90_000)];
        let previews = |running| count("slow", Priority::Preview, running);
        assert_eq!(chosen(&groups[1..], &[previews(7)], &[], 16), Some(("slow", 1)));
        assert_eq!(chosen(&groups[1..], &[previews(8)], &[], 16), None);
        assert_eq!(chosen(&groups, &[previews(8)], &[], 16), Some(("slow", 0)));
        assert_eq!(chosen(&groups, &[previews(8), count("slow", Priority::Push, 4)], &[], 16), None);
        let other = [groups[0].clone(), groups[1].clone(), group("quick", Priority::Preview, 99_900)];
        assert_eq!(chosen(&other, &[previews(8), count("slow", Priority::Push, 4)], &[], 16), Some(("quick", 1)));
        assert_eq!(chosen(&groups[..1], &[], &[], 1), Some(("slow", 0)), "a single worker does everything");
        assert_eq!(chosen(&groups[..1], &[count("slow", Priority::Push, 1)], &[], 2), None);
    }

    #[test]
    fn resyncs_leave_half_of_the_workers() {
        let groups = [group("prod", Priority::Resync, 99_000)];
        assert_eq!(chosen(&groups, &[count("eu", Priority::Resync, 2)], &[], 4), None);
        assert_eq!(chosen(&groups, &[count("eu", Priority::Resync, 1)], &[], 4), Some(("prod", 2)));
        assert_eq!(chosen(&groups, &[], &[], 1), Some(("prod", 2)));
    }
}
