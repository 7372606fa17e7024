//! The result of a run in words: for the command line, the API and the console of `driftless dev`. Pure.

use jiff::Timestamp;

use crate::store::runs::{Counts, RunKind, RunRow, RunState};

/// What kind of run it was. A look that reports drift and changes nothing has healed nothing.
pub fn kind(run: &RunRow) -> &'static str {
    match run.kind {
        RunKind::Sync => "sync",
        RunKind::Preview => "preview",
        RunKind::Heal if reports_drift(run) => "drift",
        RunKind::Heal => "heal",
    }
}

fn reports_drift(run: &RunRow) -> bool {
    run.kind == RunKind::Heal
        && run.state == RunState::Succeeded
        && run.counts == Counts::default()
        && run.error.is_some()
}

/// What a run did, or for a preview what the gate says.
pub fn summary(run: &RunRow) -> String {
    if run.kind == RunKind::Preview {
        let reported =
            || if run.state == RunState::Succeeded { "reported to the forge".to_owned() } else { String::new() };
        return run.error.clone().unwrap_or_else(reported);
    }
    let counted = counted(&run.counts);
    match (counted.is_empty(), run.state) {
        (true, RunState::Succeeded) if reports_drift(run) => "reported, not healed".to_owned(),
        (true, RunState::Succeeded) => "nothing to do".to_owned(),
        _ => [Some(counted).filter(|counted| !counted.is_empty()), repeated(run)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; "),
    }
}

/// What fails the same way at each look is one line: how often, and since when; it began last when the run did.
fn repeated(run: &RunRow) -> Option<String> {
    let since = Timestamp::from_millisecond(run.since?).ok()?.strftime("%Y-%m-%d %H:%M:%S UTC");
    (run.times > 1).then(|| format!("failed the same way {} times since {since}", run.times))
}

/// What there is to say beside what it did: why it failed, what it waits for, whose health is unknown. The gate's text
/// is a preview's summary.
pub fn note(run: &RunRow) -> Option<&str> {
    let is_summary = run.kind == RunKind::Preview && run.state == RunState::Succeeded;
    run.error.as_deref().filter(|text| !is_summary && !text.is_empty())
}

fn counted(counts: &Counts) -> String {
    let Counts { created, updated, replaced, unchanged, pruned, kept, failed } = *counts;
    let parts = [
        (created, "created"),
        (updated, "updated"),
        (replaced, "replaced"),
        (pruned, "deleted"),
        (kept, "kept"),
        (failed, "failed"),
        (unchanged, "unchanged"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::runs::RunId;

    fn run(kind: RunKind, state: RunState, error: Option<&str>, counts: Counts) -> String {
        let row = RunRow {
            id: RunId::new("1"),
            kind,
            target: "shop/web".into(),
            cause: serde_json::Value::Null,
            revision: None,
            from_revision: None,
            author: None,
            state,
            error: error.map(str::to_owned),
            counts,
            steps: Vec::new(),
            started: 0,
            finished: None,
            times: 1,
            since: None,
        };
        format!("{} {:?}: {} | {}", super::kind(&row), row.state, summary(&row), note(&row).unwrap_or("-"))
    }

    /// T2+: a preview that failed is never "nothing to change", and what is told beside a run hides nothing of what it
    /// did.
    #[test]
    fn what_a_run_came_to() {
        let some = Counts { updated: 1, unchanged: 3, pruned: 2, ..Counts::default() };
        let lines = [
            run(RunKind::Preview, RunState::Succeeded, Some("1 to update"), some),
            run(RunKind::Preview, RunState::Succeeded, Some("no app is affected"), Counts::default()),
            run(RunKind::Preview, RunState::Failed, Some("1 render error (shop)"), Counts::default()),
            run(RunKind::Preview, RunState::Succeeded, None, some),
            run(RunKind::Sync, RunState::Succeeded, Some("health unknown: Widget shop/a"), some),
            run(RunKind::Sync, RunState::Succeeded, None, Counts::default()),
            run(RunKind::Sync, RunState::Failed, Some("deploy/web.yaml: no kind"), Counts::default()),
            run(RunKind::Sync, RunState::Waiting, Some(""), some),
            run(RunKind::Heal, RunState::Succeeded, Some("drift: Secret shop/db is gone"), Counts::default()),
            run(RunKind::Heal, RunState::Succeeded, Some("drift: Secret shop/db is gone"), some),
        ];
        insta::assert_snapshot!(lines.join("\n"));
    }
}
