//! Stores the report of an open pull request, and updates its comment and its gate.

use super::gate::{of_report, put_gate};
use super::landed::Contradicted;
use super::previewed::Looked;
use super::{approved, previewed, reads, rests};
use crate::config::Repo;
use crate::forge::PullRequest;
use crate::ids::Oid;
use crate::jobs::command::given::given;
use crate::jobs::refs::full_ref;
use crate::jobs::{Context, outcome};
use crate::queue::JobError;
use crate::report::markdown;
use crate::report::preview::PreviewReport;
use crate::report::stored::REPORT;
use crate::store::pulls::{CalledOpen, Pull, PullRow};

/// What a preview was made from, kept with what it shows.
pub(in crate::jobs) struct Kept {
    /// The last change to any object when it began.
    pub began: i64,
    pub head: Oid,
    pub base: Oid,
    pub change_tree: Option<Oid>,
    pub looked: Looked,
}

impl Kept {
    async fn keep(&self, context: &Context, repo: &Repo, number: u64) -> Result<(), JobError> {
        rests::keep(context, &repo.name, number, self.began, &self.looked.rests).await?;
        reads::keep(context, &repo.name, number, &self.looked.reads).await?;
        previewed::keep(context, repo, number, [&self.head, &self.base], self.change_tree.clone(), &self.looked).await
    }
}

/// What came of showing a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jobs) enum Shown {
    /// The comment says something new.
    News,
    /// The comment says it already, with the base and the time of that preview; or there is none.
    Same,
    /// The pull request is merged by now, or was pushed to: nothing was shown.
    Nothing,
}

/// Stores what is to be shown of a head, and has it shown. A pull request that never touched an app gets a status and
/// no comment.
pub(in crate::jobs) async fn show(
    context: &Context,
    repo: &Repo,
    seen: &Pull,
    report: &PreviewReport,
    kept: Option<&Kept>,
) -> Result<Shown, JobError> {
    // In one turn: a merge that came between would be compared with what nobody has been shown.
    let turn = context.store.turn(&repo.name).await?;
    let Some(mut row) = turn.pull(seen.number).await? else { return Ok(Shown::Nothing) };
    // What was shown of it before is what was reviewed, and what becomes of that is told by now.
    if row.state != PullRow::Open || row.head != seen.head {
        return Ok(Shown::Nothing);
    }
    (row.base, row.apps) = (seen.base.clone(), seen.apps.clone());
    let mut report = report.clone();
    if let Some(kept) = kept {
        approved::note(context, &repo.name, &mut report, &kept.looked).await?;
    }
    let before = said_before(&report, row.report.as_deref());
    let is_news = before.is_none();
    let report = before.as_ref().unwrap_or(&report);
    let says_something = report.stopped.is_some() || !report.apps.is_empty() || row.report.is_some();
    if says_something {
        row.report = Some(REPORT.write(report)?);
    }
    if let Some(kept) = kept {
        kept.keep(context, repo, row.number).await?;
    }
    row.put().await?;
    if says_something {
        context.outbox.put_comment(&repo.name, row.number, &comment(context, report, row.number).await?).await?;
    }
    drop(turn);
    let status = of_report(context, repo, report);
    put_gate(context, repo, Some(seen.number), &status).await?;
    Ok(if says_something && is_news { Shown::News } else { Shown::Same })
}

/// The comment of a report, with the commands that were given on the pull request.
pub(in crate::jobs) async fn comment(
    context: &Context,
    report: &PreviewReport,
    number: u64,
) -> Result<Vec<String>, JobError> {
    let commands = given(context, &report.repo, number).await?;
    let (parts, flavour) = (context.config.comment_parts, context.flavour(&report.repo));
    Ok(markdown::comment(report, &commands, parts, flavour))
}

/// The last preview, if this one says the same: that one's time and base stay. A comment is not edited for these alone,
/// or a busy base would have all comments of a repo edited with each push.
fn said_before(report: &PreviewReport, before: Option<&str>) -> Option<PreviewReport> {
    let before = REPORT.read("an earlier preview", before?).ok()?;
    let at_that_time = PreviewReport { at: before.at, base: before.base.clone(), ..report.clone() };
    (at_that_time == before).then_some(before)
}

/// The row of a pull request whose preview begins; none where it is merged by now, so that no merge is forgotten.
pub(in crate::jobs) async fn begin(
    context: &Context,
    repo: &Repo,
    pull: &PullRequest,
    contradicted: Option<&Contradicted>,
) -> Result<Option<Pull>, JobError> {
    let turn = context.store.turn(&repo.name).await?;
    let new = Pull::open(&repo.name, pull.number, pull.head.clone(), full_ref(&pull.base_ref));
    let mut row = turn.pull_or(new.clone()).await?;
    match row.called_open(&pull.head) {
        CalledOpen::Open => {}
        CalledOpen::Unclear if contradicted.is_some_and(|one| one.is_at(&pull.head)) => {
            row.forget_merge().await?;
            row.report = without_outcome(&row)?;
        }
        CalledOpen::Unclear | CalledOpen::Behind => return Ok(None),
    }
    // What was shown of these commits stands until something else is.
    let base = row.base.take().filter(|_| row.head == pull.head);
    *row = Pull { base, apps: row.apps.clone(), report: row.report.clone(), ..new };
    row.put().await?;
    Ok(Some(Pull::clone(&row)))
}

/// What was shown of it before it was told as merged.
fn without_outcome(row: &Pull) -> Result<Option<String>, JobError> {
    let Some(report) = outcome::report_of(row) else { return Ok(None) };
    Ok(Some(REPORT.write(&PreviewReport { outcome: None, ..report })?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// H1: a base that moved is no news, another head or another verdict is.
    #[test]
    fn a_base_that_moved_is_no_news() {
        let before = sample::everything("");
        let stored = REPORT.write(&before).expect("stored");
        let later = PreviewReport { at: before.at + jiff::SignedDuration::from_mins(5), ..before.clone() };
        let moved = PreviewReport { base: "e".repeat(40).parse().expect("an id"), ..later };
        assert_eq!(said_before(&moved, Some(&stored)), Some(before.clone()));
        let pushed = PreviewReport { head: "d".repeat(40).parse().expect("an id"), ..moved.clone() };
        assert_eq!(said_before(&pushed, Some(&stored)), None);
        let other = PreviewReport { apps: Vec::new(), ..moved };
        assert_eq!((said_before(&other, Some(&stored)), said_before(&before, None)), (None, None));
    }
}
