//! `jobs`: what is queued, running and failing.

use clap::Args;

use super::client::Server;
use super::outcome::Outcome;
use super::output::{self, Format};
use crate::http::api::JobView;

#[derive(Debug, Args)]
pub(super) struct JobsArgs {
    /// List only failing jobs.
    #[arg(long)]
    failing: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn list(args: &JobsArgs, format: Format) -> anyhow::Result<Outcome> {
    let jobs: Vec<JobView> = args.server.get("/api/v1/jobs?limit=1000").await?;
    let jobs: Vec<JobView> =
        jobs.into_iter().filter(|job| is_open(job) && (!args.failing || job.error.is_some())).collect();
    match format {
        Format::Json => output::json(&jobs)?,
        Format::Text if jobs.is_empty() => {
            output::note(if args.failing { "no failing jobs" } else { "no queued or running jobs" });
        }
        Format::Text => output::line(jobs_table(&jobs)),
    }
    Ok(Outcome::Done)
}

fn is_open(job: &JobView) -> bool {
    job.state != "done"
}

fn jobs_table(jobs: &[JobView]) -> String {
    let rows = jobs.iter().map(|job| {
        // What failed for good waits for the next resync, a push or a person.
        let due = if job.state == "pending" { job.due.to_string() } else { "-".to_owned() };
        let since = job.failing_since.map_or_else(|| "-".to_owned(), |since| since.to_string());
        let text = job.error.as_deref().and_then(|error| error.lines().next()).unwrap_or_default();
        [job.key.clone(), job.state.clone(), job.attempt.to_string(), due, since, text.to_owned()]
    });
    output::table(["JOB", "STATE", "ATTEMPT", "DUE", "FAILING SINCE", "ERROR"], rows)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn job(key: &str, state: &str, error: Option<&str>) -> JobView {
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).expect("in range");
        JobView {
            key: key.into(),
            state: state.into(),
            causes: Vec::new(),
            hint: None,
            first_event: at(0),
            last_event: at(0),
            due: at(60),
            attempt: 3,
            failing_since: error.map(|_| at(1)),
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn jobs_are_lines_with_their_errors() {
        let jobs = [
            job("sync:shop/web", "running", None),
            job("poll:shop", "pending", Some("the forge denies access to repo shop (401): check its credential")),
            job("preview:shop#7", "failed", Some("cluster eu is not in the configuration\nand more")),
        ];
        insta::assert_snapshot!(jobs_table(&jobs));
    }
}
