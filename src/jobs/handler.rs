//! From a job's key to the file that does its work, and from its failure to those who wait for word of it.

use std::str::FromStr;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};

use super::deliver::sync;
use super::preview::{group, pull};
use super::{Context, command, deliveries, outcome, poll, push, resync};
use crate::ids::Oid;
use crate::queue::{Finish, Handler, Job, JobError, Key, RunningJob};

fn done((): ()) -> Finish {
    Finish::Done
}

#[async_trait]
impl Handler for Context {
    async fn run(&self, job: &Job, running: RunningJob) -> Result<Finish, JobError> {
        // A hint that is no commit is no hint: the ref decides anyway.
        let hint = job.hint.as_deref().and_then(|text| Oid::from_str(text).ok());
        let hint = hint.as_ref();
        let work: BoxFuture<'_, Result<Finish, JobError>> = match &job.key {
            Key::Push { repo, ref_name } => push::run(self, repo, ref_name, hint, &running).map_ok(done).boxed(),
            Key::Preview { repo, number } => pull::run(self, repo, *number, hint, job, &running).boxed(),
            Key::Comment { repo, number, id } => command::run(self, repo, *number, *id, job).map_ok(done).boxed(),
            Key::MergeGroup { repo, ref_name } => group::run_group(self, repo, ref_name, hint, job, &running).boxed(),
            Key::Sync(app) => sync::run(self, app, job, &running).map_ok(done).boxed(),
            Key::Outcome(repo) => outcome::run(self, repo).map_ok(done).boxed(),
            Key::Poll(repo) => poll::run(self, repo, job.attempt, &running.cancel).map_ok(done).boxed(),
            Key::Deliveries(repo) => deliveries::run(self, repo).map_ok(done).boxed(),
            Key::Resync(cluster) => resync::run(self, cluster).map_ok(done).boxed(),
        };
        work.await
    }

    async fn report_failure(&self, job: &Job, error: &JobError, _still_trying: bool) -> Result<(), JobError> {
        match &job.key {
            Key::Preview { repo, number } => pull::failed(self, repo, *number, job, error).await,
            Key::MergeGroup { repo, ref_name } => group::group_failed(self, repo, ref_name, job, error).await,
            Key::Sync(app) => sync::failed(self, app, job, error).await,
            Key::Push { repo, ref_name } => push::failed(self, repo, ref_name, error).await,
            // Nobody waits for these; the log and the metrics have them.
            Key::Comment { .. } | Key::Outcome(_) | Key::Poll(_) | Key::Deliveries(_) | Key::Resync(_) => Ok(()),
        }
    }
}
