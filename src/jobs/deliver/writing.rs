//! The permit to write, which the queue gives to a job.

use crate::queue::RunningJob;

/// For [`crate::sync::Permits`]: what is begun with it is finished, and nothing is begun once something newer is
/// wanted.
pub(in crate::jobs) fn ask(running: &RunningJob) -> impl Fn() -> Option<Box<dyn Send + Sync>> + Send + Sync + '_ {
    || running.begin_writes().ok().map(|writing| Box::new(writing) as Box<dyn Send + Sync>)
}
