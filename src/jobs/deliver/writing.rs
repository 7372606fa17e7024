//! Leave to write, as the queue gives it to a job.

use crate::queue::JobContext;

/// For [`crate::sync::Permits`]: what is begun with it is finished, and nothing is begun once something newer is
/// wanted.
pub(in crate::jobs) fn ask(ctx: &JobContext) -> impl Fn() -> Option<Box<dyn Send + Sync>> + Send + Sync + '_ {
    || ctx.begin_writes().ok().map(|writing| Box::new(writing) as Box<dyn Send + Sync>)
}
