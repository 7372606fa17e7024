//! The stored report of a merged pull request, and its comment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::known::Known;
use crate::ids::AppId;
use crate::jobs::Context;
use crate::jobs::command::given::given;
use crate::queue::JobError;
use crate::report::outcome::Event;
use crate::report::preview::{AppEnd, LaterEnd, Move, PreviewReport};
use crate::report::stored::{EVENT, REPORT};
use crate::report::{markdown, outcome};
use crate::store::HeldPull;
use crate::store::ends::EventRow;
use crate::store::pulls::Pull;

/// After this long nobody reads what became of a merge.
const REMEMBERED: Duration = Duration::from_hours(14 * 24);

/// What was told of an app.
#[derive(Default)]
pub(in crate::jobs) struct Told {
    pub events: Vec<Event>,
    pub times: Vec<i64>,
    /// The last end that was told from.
    pub last_id: Option<i64>,
}

pub(in crate::jobs) async fn events(context: &Context, pull: &Pull) -> Result<BTreeMap<AppId, Told>, JobError> {
    let mut told: BTreeMap<AppId, Told> = BTreeMap::new();
    for row in context.store.outcome_events(&pull.repo, pull.number).await? {
        let Some(end) = EVENT.read_if_known(&row.app, &row.ended) else { continue };
        let known = told.entry(row.app).or_default();
        known.events.push(Event { revision: row.revision, end });
        known.times.push(row.at);
        known.last_id = known.last_id.max(row.end_id);
    }
    Ok(told)
}

pub(in crate::jobs) async fn add(
    context: &Context,
    pull: &Pull,
    app: &AppId,
    end_id: Option<i64>,
    event: &Event,
    at: i64,
) -> Result<(), JobError> {
    let row =
        EventRow { app: app.clone(), end_id, revision: event.revision.clone(), ended: EVENT.write(&event.end)?, at };
    Ok(context.store.add_outcome_event(&pull.repo, pull.number, &row).await?)
}

/// What has failed was applied since, and is not healthy yet.
async fn applied_since(
    context: &Context,
    pull: &Pull,
    known: &Known,
    app: &AppId,
    told: &Told,
) -> Result<Option<LaterEnd>, JobError> {
    let has_failed = told.events.last().is_some_and(|event| outcome::failure(&event.end).is_some());
    let Some(row) = known.rows.get(app).filter(|row| has_failed && row.failure.is_empty()) else { return Ok(None) };
    let end = known.stands(app, known.has_merge(context, pull, app).await?);
    let at = row.applied_at.and_then(|at| Timestamp::from_millisecond(at).ok());
    Ok(match (end, at, &row.applied_revision) {
        (end @ AppEnd::Progressing { .. }, Some(at), Some(revision)) => {
            Some(LaterEnd { at, revision: revision.clone(), end })
        }
        _ => None,
    })
}

pub(in crate::jobs) fn heard_after(context: &Context) -> i64 {
    context.clock.now_millis() - i64::try_from(REMEMBERED.as_millis()).unwrap_or(i64::MAX)
}

/// Brings what was told into the report, and has it shown.
pub(in crate::jobs) async fn tell(
    context: &Context,
    pull: &mut HeldPull<'_>,
    report: &mut PreviewReport,
    known: &Known,
) -> Result<(), JobError> {
    let told = events(context, pull).await?;
    let Some(mut outcome) = report.outcome.take() else { return Ok(()) };
    let moved = report.moves();
    let mut settled = true;
    for app in &mut outcome.apps {
        let none = Told::default();
        let told = told.get(&app.app).unwrap_or(&none);
        settled &= told.events.iter().any(|event| outcome::is_settled(&event.end));
        let Some(first) = outcome::first(&told.events) else {
            app.end = known.stands(&app.app, known.has_merge(context, pull, &app.app).await?);
            continue;
        };
        app.end = without_moved(told.events[first].end.clone(), &moved, &app.app);
        // What was done before the rest was called off is told as well.
        let is_deletion = matches!(app.end, AppEnd::Removed { .. } | AppEnd::Pruned { .. } | AppEnd::Withdrawn { .. });
        let is_told = |(index, (event, _)): &(usize, (&Event, &i64))| match event.end {
            _ if *index > first => true,
            _ if *index == first => false,
            AppEnd::Removed { .. } => true,
            // The end of the deletion says who confirmed it.
            AppEnd::Confirmed { .. } => !is_deletion,
            _ => false,
        };
        let later = told.events.iter().zip(&told.times).enumerate().filter(is_told);
        let later = later.filter_map(|(_, (event, at))| {
            Some(LaterEnd {
                at: Timestamp::from_millisecond(*at).ok()?,
                revision: event.revision.clone(),
                end: without_moved(event.end.clone(), &moved, &app.app),
            })
        });
        app.later = later.collect();
        app.later.extend(applied_since(context, pull, known, &app.app, told).await?);
    }
    let flavour = context.flavour(&pull.repo);
    let notice = markdown::notice(&outcome, flavour);
    report.outcome = Some(outcome);
    let after = Some(REPORT.write(report)?);
    if pull.report == after && pull.unfinished != settled {
        // Nothing new: what nothing is heard of for long is given up.
        return Ok(());
    }
    (pull.unfinished, pull.report) = (!settled, after);
    let commands = given(context, &pull.repo, pull.number).await?;
    let parts = markdown::comment(report, &commands, context.config.comment_parts, flavour);
    context.outbox.put_outcome(&pull.repo, pull.number, &parts).await?;
    if let Some(text) = notice {
        context.outbox.put_notice(&pull.repo, pull.number, &text).await?;
    }
    // The row last: whoever is stopped before finds that it is still to be said.
    pull.put().await?;
    Ok(())
}

/// What another app takes over with the merge is told among the moves, and not as something that is still there.
fn without_moved(mut end: AppEnd, moved: &BTreeSet<Move>, app: &AppId) -> AppEnd {
    if let AppEnd::Healthy { kept, .. } | AppEnd::Waiting { kept, .. } = &mut end {
        let app = app.to_string();
        kept.retain(|name| !moved.iter().any(|one| one.from == app && one.key.to_string() == *name));
    }
    end
}

/// What was shown last. A report of another version counts as none: the next preview writes a new one.
pub(in crate::jobs) fn report_of(pull: &Pull) -> Option<PreviewReport> {
    pull.report.as_deref().and_then(|text| REPORT.read_if_known(format!("{}#{}", pull.repo, pull.number), text))
}
