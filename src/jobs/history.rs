//! What a job did, how long each step took, and how it ended: the row that `driftless runs` shows.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::Context;
use crate::class::Class;
use crate::forge::StatusState;
use crate::ids::Oid;
use crate::queue::{Job, JobError, Trigger};
use crate::report;
use crate::report::preview::PreviewReport;
use crate::store::runs::step::RunStep;
use crate::store::runs::{Counts, NewRun, RunId, RunKind, RunRow, RunState, Step};

/// Of each app and pull request, so many runs are remembered.
const KEPT: u32 = 50;

/// A run that is under way. It is written down once it is known to do something, its steps when it ends or waits.
pub(in crate::jobs) struct History<'a> {
    context: &'a Context,
    new: NewRun,
    run: Option<RunId>,
    /// When it was first written down, in milliseconds since 1970.
    written: i64,
    steps: Vec<Step>,
    /// What it is about to do, which is told also where it comes to nothing.
    intent: Option<String>,
    /// Who has confirmed with it what an earlier run waited for.
    confirmed_by: Option<String>,
}

impl<'a> History<'a> {
    pub fn new(context: &'a Context, kind: RunKind, target: String, job: &Job) -> Result<Self, JobError> {
        let cause = serde_json::to_value(&job.causes).map_err(|error| JobError::new(Class::Fail, error))?;
        let begun = context.clock.now_millis();
        Ok(Self {
            context,
            // The work begins now; it is written down once it is known to do something.
            new: NewRun { kind, target, cause, revision: None, from_revision: None, author: None, begun },
            run: None,
            written: begun,
            steps: Vec::new(),
            intent: None,
            confirmed_by: job.causes.iter().rev().find_map(confirmed_by),
        })
    }

    pub fn revision(&mut self, revision: &Oid, author: Option<&str>) {
        self.new.revision = Some(revision.clone());
        self.new.author = author.map(str::to_owned);
    }

    /// What the run begins from.
    pub fn from(&mut self, revision: Option<&Oid>) {
        self.new.from_revision = revision.cloned();
    }

    /// What the run is about to do.
    pub fn intends(&mut self, intent: Option<String>) {
        self.intent = intent;
    }

    /// The run's id. What this target's earlier runs waited for is no longer waited for.
    pub async fn begin(&mut self) -> Result<RunId, JobError> {
        if let Some(run) = &self.run {
            return Ok(run.clone());
        }
        self.context.store.supersede_runs(&self.new.target, self.confirmed_by.as_deref()).await?;
        self.written = self.context.clock.now_millis();
        let run = self.context.store.begin_run(&self.new, KEPT).await?;
        self.run = Some(run.clone());
        if let Some(intent) = &self.intent {
            self.context.store.set_run_state(&run, RunState::Running, Some(intent)).await?;
        }
        Ok(run)
    }

    /// How long ago the run was written down: since then it changes the cluster.
    pub fn took(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.context.clock.now_millis() - self.written).unwrap_or(0))
    }

    /// Does one step and notes how long it took.
    pub async fn timed<T, E>(&mut self, name: &str, step: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let begun = Instant::now();
        let result = step.await;
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.steps.push(Step { name: name.to_owned(), millis });
        result
    }

    pub async fn end(&mut self, state: RunState, text: Option<&str>, counts: Option<&Counts>) -> Result<(), JobError> {
        let run = self.begin().await?;
        Ok(self.context.store.write_run(self.step(&run, state, text, counts)).await?)
    }

    /// What the run, which has begun, has come to.
    pub fn step<'s>(
        &'s self,
        run: &'s RunId,
        state: RunState,
        error: Option<&'s str>,
        counts: Option<&'s Counts>,
    ) -> RunStep<'s> {
        RunStep { run, state, error, did: Some((&self.steps, counts)) }
    }

    /// The same, unless the last run of the same commit came to just that: what is tried again and again is in the
    /// history once.
    pub async fn end_once(&mut self, state: RunState, text: &str) -> Result<(), JobError> {
        if self.says_the_same(state, text, Counts::default()).await? {
            return Ok(());
        }
        self.end(state, Some(text), None).await
    }

    /// Ends a run that met an error, whatever it had come to.
    pub async fn end_with(&mut self, error: &JobError) -> Result<(), JobError> {
        let state = if error.class == Class::Cancelled { RunState::Cancelled } else { RunState::Failed };
        if state == RunState::Cancelled && self.run.is_none() {
            return Ok(());
        }
        let text = [Some(error.message()), self.intent.clone()].into_iter().flatten().collect::<Vec<_>>();
        self.end(state, Some(&text.join("; ")), None).await
    }

    /// The same for what is tried again for as long as it takes: the first failure in a row is written down, and the
    /// last, which is for good.
    pub async fn end_first(&mut self, job: &Job, error: JobError) -> Result<JobError, JobError> {
        if job.failing_since.is_none() || !error.class.is_retry() {
            self.end_with(&error).await?;
        }
        Ok(error)
    }

    /// Whether the last run of the same commit came to the same.
    async fn says_the_same(&self, state: RunState, text: &str, counts: Counts) -> Result<bool, JobError> {
        let last = self.context.store.runs(Some(&self.new.target), 1).await?.into_iter().next();
        let revision = self.new.revision.as_ref().map(Oid::as_str);
        let is_same = |last: RunRow| {
            last.state == state
                && last.error.as_deref() == Some(text)
                && last.counts == counts
                && last.revision.as_deref() == revision
        };
        Ok(self.run.is_none() && last.is_some_and(is_same))
    }

    /// What the comment says is in the history with the commits and the time that it bears. A preview that is no news,
    /// as of a base that has moved, is there once.
    pub async fn end_preview(&mut self, report: &PreviewReport, is_news: bool) -> Result<(), JobError> {
        let shown = report.counts();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let counts = Counts {
            created: number(shown.creates),
            updated: number(shown.updates),
            replaced: number(shown.replaces),
            pruned: number(shown.deletes),
            failed: number(shown.rejected),
            ..Counts::default()
        };
        // Its gate says in one line what came of it, and whether that is a failure.
        let gate = report::gate(report, &self.context.config.status_context, None, self.context.flavour(&report.repo));
        let state = if gate.state == StatusState::Success { RunState::Succeeded } else { RunState::Failed };
        if !is_news && self.says_the_same(state, &gate.description, counts).await? {
            return Ok(());
        }
        self.end(state, Some(&gate.description), Some(&counts)).await
    }
}

fn confirmed_by(cause: &Trigger) -> Option<String> {
    match cause {
        Trigger::Manual(manual) if manual.allow_destructive => Some(manual.by.clone()),
        _ => None,
    }
}
