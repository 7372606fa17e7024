//! What one step of a delivery has come to: all of it is written, or nothing of it, so that no reader, and no process
//! that takes over after a crash, finds an app that is half way between two states.

use std::collections::BTreeSet;

use super::apps::{AppHealth, Applied, Failure, Heals, found};
use super::confirmable::put_confirmable;
use super::inventory::record::prune_all;
use super::runs::step::RunStep;
use super::{Store, StoreError};
use crate::ids::{AppId, ClusterName};
use crate::manifest::ObjectId;

/// Written in the order of the fields; what is not named stays as it is.
#[derive(Debug, Default)]
#[must_use = "nothing is written before `Store::record`"]
pub struct Transition<'a> {
    pub run: Option<RunStep<'a>>,
    /// All that the app owns there is no longer wanted, except what is left for other apps.
    pub prunes_all_on: Option<&'a ClusterName>,
    pub applied: Option<Applied<'a>>,
    /// What is applied is not what is wanted.
    pub is_out_of_date: bool,
    pub health: Option<(AppHealth, &'a str)>,
    pub failure: Option<Failure<'a>>,
    pub heals: Option<&'a Heals>,
    pub drift: Option<&'a str>,
    /// What a confirmation holds for from now on.
    pub confirmable: Option<(&'a ClusterName, &'a BTreeSet<ObjectId>)>,
}

impl Store {
    pub async fn record(&self, app: &AppId, transition: &Transition<'_>) -> Result<(), StoreError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        if let Some(run) = transition.run {
            run.write(&mut tx, now).await?;
        }
        if let Some(cluster) = transition.prunes_all_on {
            prune_all(&mut tx, cluster, app).await?;
        }
        if let Some(applied) = transition.applied {
            applied.write(&mut tx, now).await?;
        }
        if transition.is_out_of_date {
            found::set_sync_failed(&mut tx, app).await?;
        }
        if let Some((health, message)) = transition.health {
            found::set_app_health(&mut tx, app, health, message).await?;
        }
        if let Some(failure) = transition.failure {
            failure.write(&mut tx, app, now).await?;
        }
        if let Some(heals) = transition.heals {
            found::set_heals(&mut tx, app, heals).await?;
        }
        if let Some(drift) = transition.drift {
            found::set_drift(&mut tx, app, drift, now).await?;
        }
        if let Some((cluster, objects)) = transition.confirmable {
            put_confirmable(&mut tx, (app, cluster), objects, now).await?;
        }
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::apps::tests::{app, app_id, oid, store};
    use crate::store::runs::{NewRun, RunKind, RunState};

    /// The last of the writes fails: nothing of the others is there.
    #[tokio::test]
    async fn a_transition_is_written_whole_or_not_at_all() {
        let (store, _dir) = store().await;
        let id = app_id("shop/web");
        store.put_app(&app("shop/web", "shop"), &oid("a")).await.expect("stored");
        let new = NewRun {
            kind: RunKind::Sync,
            target: id.to_string(),
            cause: serde_json::json!([]),
            revision: None,
            from_revision: None,
            author: None,
            begun: 1,
        };
        let run = store.begin_run(&new, 50).await.expect("begun");
        let (before, cluster) = (store.app(&id).await.expect("read").expect("there"), ClusterName::new("prod"));
        let shown = BTreeSet::from([ObjectId {
            group: String::new(),
            kind: "ConfigMap".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        }]);
        let defined = before.defined();
        let revision = oid("b");
        let transition = Transition {
            run: Some(RunStep { run: &run, state: RunState::Succeeded, error: None, did: None }),
            applied: Some(Applied { defined, revision: &revision, identity: "x", health: Some(AppHealth::Healthy) }),
            drift: Some("differs"),
            confirmable: Some((&cluster, &shown)),
            ..Transition::default()
        };
        sqlx::query("CREATE TRIGGER refuse BEFORE INSERT ON shown_deletes BEGIN SELECT RAISE(ABORT, 'no'); END")
            .execute(store.write())
            .await
            .expect("made");
        store.record(&id, &transition).await.expect_err("refused");
        assert_eq!(store.app(&id).await.expect("read").expect("there"), before);
        assert_eq!(store.run(&run).await.expect("read").expect("there").state, RunState::Running);

        sqlx::query("DROP TRIGGER refuse").execute(store.write()).await.expect("gone");
        store.record(&id, &transition).await.expect("written");
        let after = store.app(&id).await.expect("read").expect("there");
        assert_eq!((after.applied_revision, after.drift.as_str()), (Some(revision), "differs"));
        assert_eq!(store.run(&run).await.expect("read").expect("there").state, RunState::Succeeded);
        assert_eq!(store.confirmable(&id, &cluster).await.expect("read"), shown);
    }
}
