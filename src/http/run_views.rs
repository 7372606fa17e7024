//! The lines of the history: runs, what people did to hold an app, and commands of comments.

use jiff::Timestamp;

use super::causes;
use crate::api::{RunView, StepView};
use crate::queue::Trigger;
use crate::run_text;
use crate::store::apps::holds::{Hold, HoldRow};
use crate::store::commands::{CommandResult, CommandRow};
use crate::store::runs::{RunRow, RunState};

/// What somebody did to hold an app, as a line of the history.
pub(super) fn hold_view(row: HoldRow) -> RunView {
    let (kind, what) = match row.what {
        Hold::Pause => ("pause", "paused"),
        Hold::Resume if row.revision.is_some() => ("resume", "unpinned"),
        Hold::Resume => ("resume", "resumed"),
        Hold::Pin => ("pin", "pinned"),
    };
    let by = row.who.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
    RunView {
        run: format!("{kind}-{}", row.id),
        app: row.app,
        kind: kind.to_owned(),
        cause: format!("{what}{by}"),
        by: row.who,
        confirmed_by: None,
        from_revision: None,
        revision: row.revision,
        author: None,
        state: word(&RunState::Succeeded),
        error: None,
        started_at: time(row.at).unwrap_or_default(),
        finished_at: time(row.at),
        summary: what.to_owned(),
        steps: Vec::new(),
        times: 1,
        since: None,
    }
}

/// A command that somebody has given in a comment.
pub(super) fn command_view(row: CommandRow) -> RunView {
    let state = match row.result {
        CommandResult::Begun => RunState::Running,
        CommandResult::Done => RunState::Succeeded,
        CommandResult::Refused | CommandResult::Mistaken => RunState::Failed,
    };
    RunView {
        run: format!("comment-{}-{}", row.comment, row.line),
        app: format!("{}#{}", row.repo, row.number),
        kind: "command".to_owned(),
        cause: format!("{} by {}", row.command, row.who),
        by: Some(format!("{} (ID {})", row.who, row.who_id)),
        confirmed_by: None,
        from_revision: None,
        revision: None,
        author: None,
        state: word(&state),
        error: (state == RunState::Failed).then(|| row.answer.clone()),
        started_at: time(row.at).unwrap_or_default(),
        finished_at: (state != RunState::Running).then(|| time(row.at)).flatten(),
        summary: row.answer,
        steps: Vec::new(),
        times: 1,
        since: None,
    }
}

pub(super) fn run_view(row: RunRow) -> RunView {
    let kind = run_text::kind(&row).to_owned();
    let (summary, error) = (run_text::summary(&row), run_text::note(&row).map(str::to_owned));
    let asked = row.cause.as_array().into_iter().flatten();
    let asked: Vec<Trigger> = asked.filter_map(|cause| serde_json::from_value(cause.clone()).ok()).collect();
    RunView {
        run: row.id.to_string(),
        app: row.target,
        kind,
        cause: causes::text(&asked),
        by: causes::people(&asked),
        confirmed_by: causes::confirmed(&asked),
        from_revision: row.from_revision,
        revision: row.revision,
        author: row.author,
        state: word(&row.state),
        error,
        started_at: time(row.started).unwrap_or_default(),
        finished_at: row.finished.and_then(time),
        summary,
        steps: row.steps.into_iter().map(|step| StepView { step: step.name, millis: step.millis }).collect(),
        times: row.times,
        since: row.since.and_then(time),
    }
}

/// The word that the store and the API use for it.
fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// In UTC and always to the millisecond, so that texts sort as times do.
pub(super) fn time(millis: i64) -> Option<String> {
    Timestamp::from_millisecond(millis).ok().map(|at| format!("{at:.3}"))
}
