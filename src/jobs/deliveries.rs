//! `deliveries:REPO`: finds the deliveries that never came, and has the forge send them again. So they come the same
//! way as all others: signed, and known by their ids.
//!
//! The poll finds pushes and pull requests without them. Commands and merge groups it does not find.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::Context;
use crate::forge::{ForgeError, SentDelivery};
use crate::ids::RepoName;
use crate::queue::JobError;

/// GitHub sends again what is not older.
const OLDEST: SignedDuration = SignedDuration::from_hours(3 * 24);

/// What is refused so often is not wanted.
const ATTEMPTS: usize = 4;

/// How many are asked for in one look: GitLab sends five a minute again.
const MOST: usize = 5;

pub(in crate::jobs) async fn run(context: &Context, repo: &RepoName) -> Result<(), JobError> {
    let repo = context.repo(repo)?;
    let Some(forge) = context.forge(repo) else { return Ok(()) };
    let sent = match forge.sent_deliveries(&repo.project, &format!("/webhooks/{}", repo.hook)).await {
        Ok(sent) => sent,
        // Not everybody lets us see the webhooks; `check --online` says what that takes.
        Err(error @ (ForgeError::Refused { .. } | ForgeError::NotFound { .. })) => {
            tracing::debug!(repo = %repo.name, %error, "deliveries that did not come cannot be looked for");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let guids: Vec<&str> = sent.iter().map(|one| one.guid.as_str()).collect();
    let came = context.store.came(repo.hook.as_str(), &guids).await?;
    for one in missed(&sent, &came, context.clock.now()) {
        match forge.send_again(&repo.project, one).await {
            Ok(()) => {
                tracing::warn!(repo = %repo.name, delivery = one.guid, "a delivery had not come; the forge sends it again");
            }
            // It is older than the forge keeps it, or may not be asked for.
            Err(error @ (ForgeError::NotFound { .. } | ForgeError::Refused { .. } | ForgeError::Rejected { .. })) => {
                tracing::warn!(repo = %repo.name, delivery = one.guid, %error, "a delivery has not come, and is not sent again");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The newest attempt of each delivery that never came, the oldest delivery first.
fn missed<'s>(sent: &'s [SentDelivery], came: &HashSet<String>, now: Timestamp) -> Vec<&'s SentDelivery> {
    let mut attempts: BTreeMap<&str, Vec<&SentDelivery>> = BTreeMap::new();
    for one in sent {
        attempts.entry(&one.guid).or_default().push(one);
    }
    let is_missed = |tries: &&Vec<&SentDelivery>| {
        let is_old = |one: &SentDelivery| one.at.is_some_and(|at| now.duration_since(at) > OLDEST);
        tries.len() < ATTEMPTS && !tries.iter().any(|one| one.accepted || is_old(one))
    };
    let mut missed: Vec<&SentDelivery> = attempts
        .values()
        .filter(is_missed)
        .filter_map(|tries| tries.iter().max_by_key(|one| one.id).copied())
        .filter(|one| !came.contains(&one.guid))
        .collect();
    missed.sort_by_key(|one| one.id);
    missed.truncate(MOST);
    missed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(id: u64, guid: &str, accepted: bool) -> SentDelivery {
        SentDelivery { hook: Some(1), id, guid: guid.into(), at: None, accepted }
    }

    #[test]
    fn what_never_came_is_asked_for_again_and_not_for_ever() {
        let now: Timestamp = "2026-03-04T05:06:07Z".parse().expect("a time");
        let log = [
            sent(9, "lost twice", false),
            sent(8, "came at last", true),
            sent(7, "lost", false),
            sent(6, "came at last", false),
            sent(5, "lost twice", false),
            sent(4, "known", false),
            SentDelivery { at: Some(now - SignedDuration::from_hours(73)), ..sent(3, "too old", false) },
            sent(2, "fine", true),
        ];
        let refused = (10..14).map(|id| sent(id, "refused", false));
        let log: Vec<SentDelivery> = log.into_iter().chain(refused).collect();
        let came = HashSet::from(["known".to_owned()]);
        let found: Vec<(u64, &str)> = missed(&log, &came, now).iter().map(|one| (one.id, one.guid.as_str())).collect();
        assert_eq!(found, [(7, "lost"), (9, "lost twice")]);
        let many: Vec<SentDelivery> = (0..50).map(|id| sent(id, &id.to_string(), false)).collect();
        assert_eq!(missed(&many, &HashSet::new(), now).len(), MOST);
    }
}
