//! What happens, as it happens: pull requests, what Driftless says on them, and its runs. And the first pull request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::output;
use crate::dev::forge::DevForge;
use crate::dev::sample;
use crate::jobs::Context;
use crate::run_text;
use crate::store::runs::{RunKind, RunRow, RunState};

/// Between two looks at what has happened.
const LOOK: Duration = Duration::from_millis(200);

pub(super) struct Show {
    context: Arc<Context>,
    forge: DevForge,
    runs: BTreeMap<String, RunState>,
    /// Of each pull request, what was said last.
    pulls: BTreeMap<u64, &'static str>,
    comments: BTreeMap<u64, String>,
    /// What the forge calls a pull request.
    word: &'static str,
}

impl Show {
    pub(super) fn new(context: Arc<Context>, forge: DevForge, word: &'static str) -> Self {
        Self { context, forge, runs: BTreeMap::new(), pulls: BTreeMap::new(), comments: BTreeMap::new(), word }
    }

    /// Goes on for ever; with `once` until the first pull request is merged and applied.
    pub(super) async fn live(mut self, once: bool) -> anyhow::Result<()> {
        let mut first = None;
        let mut merged = false;
        loop {
            self.tell_runs().await?;
            self.tell_pulls();
            let applied = self.runs.values().any(|state| *state == RunState::Succeeded);
            match first {
                None if applied => first = Some(self.propose().await?),
                Some(number) if once && !merged && self.comments.contains_key(&number) => {
                    self.forge.merge_pull(sample::PROJECT, number).await?;
                    merged = true;
                }
                Some(number) if once && merged && self.done(number) => return Ok(()),
                _ => {}
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn tell_runs(&mut self) -> anyhow::Result<()> {
        for run in self.context.store.runs(None, 50).await?.into_iter().rev() {
            if self.runs.insert(run.id.to_string(), run.state) != Some(run.state) && run.state != RunState::Running {
                output::note(line(&run));
            }
        }
        Ok(())
    }

    fn tell_pulls(&mut self) {
        for pull in self.forge.pulls(sample::PROJECT) {
            if self.pulls.insert(pull.number, pull.state) != Some(pull.state) {
                output::note(format!("… {} {} is {}: {}", self.word, pull.number, pull.state, pull.title));
            }
            let comments = self.forge.comments(sample::PROJECT, pull.number);
            let Some(said) = comments.first().map(|comment| first_line(&comment.body)) else { continue };
            if self.comments.get(&pull.number) != Some(&said) {
                output::note(format!("  comment  {:<14} {said}", target(pull.number)));
                self.comments.insert(pull.number, said);
            }
        }
    }

    /// The first pull request.
    async fn propose(&self) -> anyhow::Result<u64> {
        let change = sample::change();
        let files: Vec<_> = change.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
        self.forge.commit(sample::PROJECT, sample::BRANCH, sample::TITLE, &files).await?;
        Ok(self.forge.open_pull(sample::PROJECT, sample::BRANCH, "main", sample::TITLE).await?)
    }

    /// The comment's first line has become the outcome.
    fn done(&self, number: u64) -> bool {
        let done = self.comments.get(&number).is_some_and(|line| line.contains("healthy after"));
        if done {
            let comments = self.forge.comments(sample::PROJECT, number);
            output::line(comments.first().map(|comment| comment.body.as_str()).unwrap_or_default());
        }
        done
    }
}

fn target(number: u64) -> String {
    format!("{}#{number}", sample::NAME)
}

/// What a comment says first, without its marks.
fn first_line(body: &str) -> String {
    let line =
        body.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("<!--")).unwrap_or_default();
    line.replace(['*', '`'], "")
}

fn line(run: &RunRow) -> String {
    let kind = run_text::kind(run);
    let revision = run.revision.as_deref().and_then(|revision| revision.get(..10)).unwrap_or_default();
    format!("  {kind:<8} {:<14} {}", run.target, format!("{revision} {}", outcome(run)).trim_start())
}

fn outcome(run: &RunRow) -> String {
    let total: u64 = run.steps.iter().map(|step| step.millis).sum();
    let summary = run_text::summary(run);
    let note = run_text::note(run);
    // What it did before it ended so; a preview's summary is its note.
    let did = if summary.is_empty() || run.kind == RunKind::Preview { String::new() } else { format!("{summary}; ") };
    match run.state {
        RunState::Running => "running".to_owned(),
        RunState::Waiting => format!("waiting: {}", note.unwrap_or("applied, not healthy yet")),
        RunState::Cancelled => note.map_or_else(|| "cancelled".to_owned(), |note| format!("cancelled: {did}{note}")),
        RunState::Failed => note.map_or_else(|| format!("FAILED: {summary}"), |note| format!("FAILED: {did}{note}")),
        RunState::Succeeded => {
            let note = note.map(|note| format!("; {note}")).unwrap_or_default();
            format!("{summary} ({total} ms){note}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::runs::{Counts, RunId, Step};

    fn run(kind: RunKind, target: &str, state: RunState, counts: Counts, error: Option<&str>) -> String {
        line(&RunRow {
            id: RunId::new("1"),
            kind,
            target: target.into(),
            cause: serde_json::Value::Null,
            revision: Some("7b13c00104aa".into()),
            from_revision: None,
            author: None,
            state,
            error: error.map(str::to_owned),
            counts,
            steps: vec![Step { name: "render".into(), millis: 20 }, Step { name: "plan".into(), millis: 60 }],
            started: 0,
            finished: None,
            times: 1,
            since: None,
        })
    }

    #[test]
    fn what_happens_reads_well() {
        let some = Counts { created: 5, updated: 1, pruned: 1, ..Counts::default() };
        let lines = [
            run(RunKind::Sync, "shop/shop", RunState::Waiting, some, None),
            run(RunKind::Sync, "shop/shop", RunState::Waiting, some, Some("1 deletion needs confirmation")),
            run(RunKind::Sync, "shop/shop", RunState::Succeeded, some, None),
            run(RunKind::Preview, "shop#1", RunState::Succeeded, some, Some("5 to create, 1 to update, 1 to delete")),
            run(RunKind::Preview, "shop#2", RunState::Failed, Counts::default(), Some("1 render error (shop)")),
            run(
                RunKind::Sync,
                "shop/shop",
                RunState::Succeeded,
                some,
                Some("health unknown: Widget shop/a (its controller has reported no status)"),
            ),
            run(RunKind::Heal, "shop/shop", RunState::Succeeded, Counts { updated: 1, ..Counts::default() }, None),
            run(RunKind::Sync, "shop/shop", RunState::Succeeded, Counts::default(), None),
            run(RunKind::Sync, "shop/shop", RunState::Cancelled, Counts::default(), None),
            run(RunKind::Sync, "shop/shop", RunState::Failed, Counts::default(), Some("deploy/web.yaml: no kind")),
            first_line(
                "<!-- mark -->\n\n**Merged as `a906726cdd`: applied for `shop` on `dev`, healthy after 0 s.**\n\nMore.",
            ),
        ];
        insta::assert_snapshot!(lines.join("\n"));
    }
}
