//! The facts about clusters that charts use: an input of a preview that is not in Git, and that another pull request's
//! CRD changes.

use std::collections::BTreeSet;

use super::comparison::{AppComparison, AppVersion};
use super::previewed::{LookedAt, Seen};
use super::rests;
use crate::ids::ClusterName;
use crate::jobs::Context;
use crate::queue::{JobError, Key, Request, Trigger};

/// What the renders of a preview rest on: of those that were made, what they were told, and of those that failed, what
/// they would be told, as that may be why.
pub(in crate::jobs) async fn of(
    context: &Context,
    looked: &[LookedAt],
    pairs: &[AppComparison],
) -> Result<BTreeSet<String>, JobError> {
    let mut tokens = BTreeSet::new();
    for one in looked {
        for (cluster, seen) in told(one) {
            tokens.extend(seen.cluster.as_ref().map(|facts| rests::facts(&cluster, facts)));
        }
    }
    for pair in pairs.iter().filter(|pair| pair.invalid.is_none()) {
        for side in [&pair.base, &pair.change].into_iter().flatten() {
            if let Some(cluster) = failed_on(side)
                && let Some(facts) = now(context, cluster).await?
            {
                tokens.insert(rests::facts(cluster, &facts));
            }
        }
    }
    Ok(tokens)
}

/// Whether each chart would be told what it was told.
pub(in crate::jobs) async fn are_the_same(context: &Context, looked: &[LookedAt]) -> Result<bool, JobError> {
    for one in looked {
        for (cluster, seen) in told(one) {
            if seen.cluster.is_some() && now(context, &cluster).await? != seen.cluster {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Each side with the cluster that it was rendered for: the base is compared where the change goes.
fn told(one: &LookedAt) -> impl Iterator<Item = (ClusterName, &Seen)> {
    let goes = one.change.as_ref().or(one.base.as_ref()).map(|seen| seen.app.destination.cluster.clone());
    let sides = [&one.base, &one.change].into_iter().flatten();
    sides.filter_map(move |seen| Some((goes.clone()?, seen)))
}

fn failed_on(side: &AppVersion) -> Option<&ClusterName> {
    side.rendered.is_err().then_some(&side.app.destination.cluster)
}

/// What a chart would be told now. None where the configuration has no such cluster, as its apps are told.
async fn now(context: &Context, cluster: &ClusterName) -> Result<Option<String>, JobError> {
    match context.cluster(cluster) {
        Ok(cluster) => Ok(Some(context.facts(cluster).await?.key())),
        Err(_) => Ok(None),
    }
}

/// Asks for a look at each open pull request whose charts were told something else of the cluster than they would be
/// now.
pub(in crate::jobs) async fn spread(context: &Context, cluster: &ClusterName) -> Result<(), JobError> {
    let Some(now) = now(context, cluster).await? else { return Ok(()) };
    let pulls = context.store.pulls_resting_beside(&rests::facts(cluster, ""), &rests::facts(cluster, &now)).await?;
    let cause = Trigger::Follow { key: Key::Resync(cluster.clone()) };
    let request = |(repo, number)| Request::new(Key::Preview { repo, number }, cause.clone());
    let requests: Vec<Request> = pulls.into_iter().map(request).collect();
    Ok(context.queue.enqueue(&requests).await?)
}
