//! What the other apps of a repo want, as Git has them now: an object that moves from one app to another is left for
//! the other one and not deleted, whichever of the two is synced first, and also if the other one waits, is paused, or
//! fails.
//!
//! An app that is synced at its head has claimed all that it wants, so that only the others are rendered, and these
//! once for each state of Git: whoever asks next, for whichever app, finds the answer.

mod defined;
mod fresh;
mod make;
mod texts;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::defined::{Defined, again};
use crate::ids::{AppId, ClusterName, RepoName};
use crate::jobs::Context;
use crate::jobs::remembered::unclaimed::{Fetched, LeftFor, Seen, UnclaimedObjects};
use crate::manifest::ObjectId;
use crate::queue::JobError;
use crate::store::apps::{AppRow, AppState};

/// Which of these objects, that an app has and no longer wants, other apps of its repo want.
pub(in crate::jobs) async fn by_others(
    context: &Context,
    row: &AppRow,
    cluster: &ClusterName,
    ids: &[ObjectId],
) -> Result<BTreeMap<ObjectId, LeftFor>, JobError> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let wanted = of_repo(context, &row.app.id.repo, cluster).await?;
    // An app that is not pinned may want at its head what it did not want at the revision that is being ended here.
    let counts = |app: &AppId| *app != row.app.id || (row.state == AppState::Active && row.pinned_revision.is_none());
    Ok(ids.iter().filter_map(|id| Some((id.clone(), wanted.left_for(id, counts)?))).collect())
}

/// What the apps of a repo want in a cluster, as far as they are not known to have it.
pub(in crate::jobs) async fn of_repo(
    context: &Context,
    repo: &RepoName,
    cluster: &ClusterName,
) -> Result<Arc<UnclaimedObjects>, JobError> {
    let repo = context.repo(repo)?;
    let told = Defined::read(context, repo, cluster, &Seen::new()).await?;
    let told_heads = told.heads(context, &Seen::new()).await?;
    // What was pushed to another ref may not have been told of: Git is asked, and what it says counts here before
    // anybody acts on it.
    let asked = fresh::ask(context, repo, told.key(&told_heads), &told_heads).await?;
    let Fetched { seen, unseen } = asked.as_ref();
    let (defined, heads) = if seen.is_empty() {
        (told, told_heads)
    } else {
        let defined = Defined::read(context, repo, cluster, seen).await?;
        let heads = defined.heads(context, seen).await?;
        (defined, heads)
    };
    let key = defined.key(&heads);
    let looked = async { make::make(context, &defined, &heads, unseen).await.map(Arc::new) };
    let made = context.wants.wanted.try_get_with(key.clone(), looked).await;
    let wanted = made.map_err(|error: Arc<JobError>| again(&error))?;
    if wanted.passes {
        context.wants.wanted.invalidate(&key).await;
    }
    Ok(wanted)
}
