//! What a run has come to.

use super::again::fold_failure;
use super::{COUNTS, Counts, RunId, RunState, STEPS, Step};
use crate::store::{Connection, Store, StoreError};

/// What a run has come to. A run that has ended stays as it ended, and its text stays unless there is a newer one.
#[derive(Debug, Clone, Copy)]
pub struct RunStep<'a> {
    pub run: &'a RunId,
    pub state: RunState,
    pub error: Option<&'a str>,
    /// All of its steps so far, and what it did.
    pub did: Option<(&'a [Step], Option<&'a Counts>)>,
}

impl RunStep<'_> {
    /// A failure is one with those before it that say the same.
    pub(in crate::store) async fn write(&self, conn: &mut Connection, now: i64) -> Result<(), StoreError> {
        let (steps, counts) = self.did.map_or((None, None), |(steps, counts)| (Some(steps), counts));
        sqlx::query(
            "UPDATE runs SET steps = COALESCE($2, steps), counts = COALESCE($3, counts), state = $4, \
             error = COALESCE($5, error), finished = $6 \
             WHERE id = $1 AND state IN ('running', 'waiting')",
        )
        .bind(self.run.as_str())
        .bind(steps.map(|steps| STEPS.write(&steps.to_vec())).transpose()?)
        .bind(counts.map(|counts| COUNTS.write(counts)).transpose()?)
        .bind(self.state)
        .bind(self.error)
        .bind(is_end(self.state).then_some(now))
        .execute(&mut *conn)
        .await?;
        if self.state == RunState::Failed { fold_failure(conn, self.run).await } else { Ok(()) }
    }
}

impl Store {
    /// Moves a run on. One that has ended stays as it ended; what was said of it before stays unless there is something
    /// newer to say.
    pub async fn set_run_state(&self, run: &RunId, state: RunState, error: Option<&str>) -> Result<(), StoreError> {
        self.write_run(RunStep { run, state, error, did: None }).await
    }

    pub async fn write_run(&self, step: RunStep<'_>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        step.write(&mut tx, self.now()).await?;
        tx.commit().await
    }
}

fn is_end(state: RunState) -> bool {
    !matches!(state, RunState::Running | RunState::Waiting)
}
