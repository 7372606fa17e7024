//! `runs`: what was done, to what, why, and how it ended.

use clap::Args;

use super::client::{Server, escaped};
use super::outcome::Outcome;
use super::output::{self, Format};
use crate::api::RunView;

#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    /// List only the runs of this app (NAME or REPO/NAME) or of this pull request (REPO#NUMBER).
    app: Option<String>,
    /// The maximum number of runs to list.
    #[arg(short = 'n', long, default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn list(args: &RunsArgs, format: Format) -> anyhow::Result<Outcome> {
    let runs: Vec<RunView> = args.server.get(&path(args.limit, args.app.as_deref())).await?;
    match format {
        Format::Json => output::json(&runs)?,
        Format::Text if runs.is_empty() => output::note("no runs yet"),
        Format::Text => output::line(runs_table(&runs)),
    }
    Ok(Outcome::Done)
}

fn path(limit: u32, app: Option<&str>) -> String {
    let app = app.map(|app| format!("&app={}", escaped(app))).unwrap_or_default();
    format!("/api/v1/runs?limit={limit}{app}")
}

fn runs_table(runs: &[RunView]) -> String {
    let rows = runs.iter().map(|run| {
        let short = |revision: &Option<String>| {
            revision.as_deref().map_or("-", |revision| &revision[..revision.len().min(10)]).to_owned()
        };
        let total: u64 = run.steps.iter().map(|step| step.millis).sum();
        [
            run.started_at.clone(),
            run.app.clone(),
            run.kind.clone(),
            run.state.clone(),
            short(&run.from_revision),
            short(&run.revision),
            run.cause.clone(),
            format!("{total} ms"),
            text(run),
        ]
    });
    output::table(["STARTED", "APP", "KIND", "STATE", "FROM", "TO", "CAUSE", "TOOK", "WHAT"], rows)
}

/// Why it failed or what it waits for; what is told beside a success hides nothing of what was done.
fn text(run: &RunView) -> String {
    let note = run.error.as_deref().and_then(|error| error.lines().next()).unwrap_or_default();
    match (run.state.as_str(), note) {
        (_, "") => run.summary.clone(),
        ("succeeded" | "failed" | "cancelled", note) if !run.summary.is_empty() && run.kind != "preview" => {
            format!("{}; {note}", run.summary)
        }
        (_, note) => note.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::StepView;

    /// L2: what a person writes is the value of the query, and never another part of the address.
    #[test]
    fn what_is_asked_for_is_escaped() {
        assert_eq!(path(20, Some("shop#4")), "/api/v1/runs?limit=20&app=shop%234");
        assert_eq!(path(1, Some("shop/web")), "/api/v1/runs?limit=1&app=shop%2Fweb");
        assert_eq!(path(1, Some("a&limit=9+ü%")), "/api/v1/runs?limit=1&app=a%26limit%3D9%2B%C3%BC%25");
        assert_eq!(path(1, None), "/api/v1/runs?limit=1");
    }

    #[test]
    fn a_run_is_one_line() {
        let run = RunView {
            run: "1".into(),
            app: "shop/web".into(),
            kind: "sync".into(),
            cause: "push".into(),
            by: None,
            confirmed_by: None,
            from_revision: Some("fedcba98765432".into()),
            revision: Some("0123456789abcdef".into()),
            author: Some("Ada".into()),
            state: "succeeded".into(),
            error: None,
            started_at: "2026-01-02T03:04:05Z".into(),
            finished_at: None,
            summary: "2 updated".into(),
            steps: vec![StepView { step: "render".into(), millis: 7 }, StepView { step: "plan".into(), millis: 11 }],
            times: 1,
            since: None,
        };
        let noted = RunView { error: Some("health unknown: Widget shop/a".into()), ..run.clone() };
        let by = "deletions confirmed by uid 1000 (ada)".to_owned();
        let first = RunView { from_revision: None, cause: by, ..run.clone() };
        let failed = RunView { state: "failed".into(), error: Some("no kind\nmore".into()), ..run.clone() };
        insta::assert_snapshot!(runs_table(&[run, noted, first, failed]));
    }
}
