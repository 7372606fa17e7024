//! Between the first stage and the others: waits for CRDs to be established and namespaces to be active, then validates
//! what could not be validated before.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;

use super::error::{Rejection, SyncError};
use super::health::{Health, status};
use super::steps::{Part, Step, Work, part};
use super::trial;
use crate::class::Classified;
use crate::cluster::{ApplyError, Cluster};
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::{NotValidated, RefusedBy, Siblings, Verdict};

/// CRDs are established within a second; longer than this something is wrong.
const READY_WITHIN: Duration = Duration::from_mins(1);
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Waits until what was written is ready for what needs it.
pub(super) async fn wait(cluster: &Cluster, members: &[&Work<'_>]) -> Result<(), SyncError> {
    let written = members.iter().filter(|work| work.step == Step::Write);
    for work in written {
        current(cluster, &work.change.key).await?;
        if work.change.key.kind == "CustomResourceDefinition" {
            served(cluster, work).await?;
        }
    }
    Ok(())
}

async fn current(cluster: &Cluster, key: &ObjectKey) -> Result<(), SyncError> {
    let (deadline, mut pause) = (tokio::time::Instant::now() + READY_WITHIN, FIRST_LOOK);
    loop {
        let health = match cluster.get(key).await? {
            Some(object) => status::of(&object),
            None => Health::Progressing("no longer exists".to_owned()),
        };
        if health.is_settled() {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline || matches!(health, Health::Failed(_)) {
            return Err(SyncError::NotReady {
                object: Box::new(key.clone()),
                message: health.message().to_owned(),
                after: READY_WITHIN,
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_LOOK);
    }
}

/// Waits until discovery tells of the kinds of a CRD, which may be a moment after it is established.
async fn served(cluster: &Cluster, work: &Work<'_>) -> Result<(), SyncError> {
    let spec = &work.desired.object["spec"];
    let text = |pointer: &str| spec.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (group, kind) = (text("/group"), text("/names/kind"));
    let versions = spec["versions"].as_array().into_iter().flatten().filter(|version| version["served"] == true);
    let versions: Vec<&str> = versions.filter_map(|version| version["name"].as_str()).collect();
    let (deadline, mut pause) = (tokio::time::Instant::now() + READY_WITHIN, FIRST_LOOK);
    loop {
        let discovery = cluster.refresh_discovery().await?;
        if versions.iter().all(|version| discovery.resolve(&group, version, &kind).is_some()) {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            let message = format!("is established, but the cluster does not serve its {kind}");
            return Err(SyncError::NotReady {
                object: Box::new(work.change.key.clone()),
                message,
                after: READY_WITHIN,
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_LOOK);
    }
}

/// Asks by dry-runs about objects that the plan could not ask about, before any of them is written. Those that need
/// what `siblings` still has to bring are given back, with what they need.
pub(super) async fn validate<'a>(
    cluster: &Cluster,
    work: impl Iterator<Item = &'a Work<'a>>,
    siblings: Option<&Siblings>,
) -> Result<BTreeMap<ObjectId, ObjectId>, SyncError> {
    let late = work.filter(|work| work.step == Step::Write);
    let asked = late.map(|work| async move { (work, trial::ask(cluster, work).await) });
    let answers: Vec<_> =
        futures::stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(cluster.concurrency().max(1)).collect().await;
    let (mut rejections, mut too_early) = (Vec::new(), BTreeMap::new());
    for (work, answer) in answers {
        if let (Err(error), Some(siblings)) = (&answer, siblings)
            && let Some(text) = error.may_name_others()
            && let Some(needs) = siblings.needed_by(&work.change.key, &work.desired.object, text)
        {
            too_early.insert(work.change.key.id(), needs);
            continue;
        }
        match answer {
            Ok(()) => {}
            Err(error) if error.class().is_retry() => {
                return Err(SyncError::Apply(vec![super::error::Failure::new(&work.change.key, error)]));
            }
            Err(error) => rejections.push(rejection(work, error)),
        }
    }
    if rejections.is_empty() { Ok(too_early) } else { Err(SyncError::Rejected(rejections)) }
}

/// Whether an object could not be asked about before the first part was there.
pub(super) fn was_too_early(work: &Work<'_>) -> bool {
    let reason = match &work.change.verdict {
        Verdict::NotValidated { reason } => reason,
        Verdict::Accepted | Verdict::Rejected { .. } => return false,
    };
    part(&work.change.key) != Part::First
        && matches!(reason, NotValidated::NamespaceInPlan { .. } | NotValidated::CrdInPlan { .. })
}

fn rejection(work: &Work<'_>, error: ApplyError) -> Rejection {
    let message = error.to_string();
    let causes = match error {
        ApplyError::Invalid { causes, .. } | ApplyError::Immutable { causes, .. } => causes,
        _ => Vec::new(),
    };
    Rejection {
        object: work.change.key.clone(),
        origin: work.change.origin.clone(),
        message,
        causes,
        by: RefusedBy::Server,
    }
}
