//! Whether the API server would accept an object now. The dry run of the plan may be outdated, because limits of the
//! same change may have been applied since.

use super::steps::Work;
use crate::cluster::{ApplyError, ApplyMode, Cluster};
use crate::plan::{Action, under_its_name};

/// Asks by a dry-run; what is replaced is asked about as a new object.
pub(super) async fn ask(cluster: &Cluster, work: &Work<'_>) -> Result<(), ApplyError> {
    let (key, object) = (&work.change.key, &work.desired.object);
    let answer = if work.change.action == Action::Replace {
        cluster.try_create(key, &under_its_name(key, object)).await
    } else {
        let mode = ApplyMode { dry_run: true, force: true };
        cluster.apply(key, object, mode).await.map(drop)
    };
    match answer {
        Err(ApplyError::WebhookWithoutDryRun { .. }) => Ok(()),
        // What the one that goes takes of the quota is free then.
        Err(ApplyError::Forbidden { message }) if work.change.action == Action::Replace && is_room_made(&message) => {
            Ok(())
        }
        answer => answer,
    }
}

/// Whether a refusal is about a quota that is used up and not exceeded: whoever gives back what is used has it again.
fn is_room_made(refusal: &str) -> bool {
    let Some((_, quota)) = refusal.split_once("\" is forbidden: exceeded quota: ") else { return false };
    let Some((_, numbers)) = quota.split_once(", used: ") else { return false };
    let Some((used, limited)) = numbers.split_once(", limited: ") else { return false };
    let mut pairs = used.split(',').zip(limited.split(','));
    pairs.all(|(used, limited)| match (whole(used), whole(limited)) {
        (Some(used), Some(limited)) => used <= limited,
        _ => true,
    })
}

fn whole(pair: &str) -> Option<u64> {
    pair.split_once('=')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::is_room_made;

    /// B19+: a quota that is full has room again once the old object is gone; one that is exceeded has not.
    #[test]
    fn a_full_quota_has_room_for_what_is_replaced() {
        let refusal = |used: &str, limited: &str| {
            format!(
                "pods \"a\" is forbidden: exceeded quota: q, requested: pods=1,cpu=1, used: {used}, limited: {limited}"
            )
        };
        assert!(is_room_made(&refusal("pods=2,cpu=500m", "pods=2,cpu=1")));
        assert!(!is_room_made(&refusal("pods=2,cpu=500m", "pods=1,cpu=1")));
        assert!(!is_room_made("pods \"a\" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi"));
    }
}
