//! Approvals: before the merge they are for what the preview shows, after it for what is held.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::checked::{CLOCKS, Place};
use crate::by_hand;
use crate::forge::{PullRequest, PullState, WrittenComment};
use crate::ids::AppId;
use crate::jobs::preview::approved::{Approvable, approvable, going, note};
use crate::jobs::preview::gate::{of_report, put_gate};
use crate::jobs::preview::previewed::Looked;
use crate::jobs::{Context, outcome};
use crate::manifest::ObjectId;
use crate::queue::{JobError, Manual};
use crate::report::preview::PreviewReport;
use crate::report::stored::REPORT;
use crate::report::words::count;
use crate::store::approvals::Approval;
use crate::store::pulls::PullRow;

/// The answer, or why it is refused.
pub(super) type Answer = Result<String, String>;

/// Approves what is shown of these apps.
pub(super) async fn approve(
    context: &Context,
    place: Place<'_>,
    pull: &PullRequest,
    apps: &[AppId],
    written: &WrittenComment,
) -> Result<Answer, JobError> {
    if !context.config.commands.approve_own && pull.author.eq_ignore_ascii_case(&written.author.login) {
        return Ok(Err("its author may not approve it".to_owned()));
    }
    match pull.state {
        PullState::Open => shown(context, place, pull, apps, written).await,
        PullState::Merged => held(context, place, pull, apps, written).await,
        PullState::Closed => Ok(Err("it is closed".to_owned())),
    }
}

async fn shown(
    context: &Context,
    place: Place<'_>,
    pull: &PullRequest,
    apps: &[AppId],
    written: &WrittenComment,
) -> Result<Answer, JobError> {
    let Place { repo, number, .. } = place;
    let row = context.store.pull(&repo.name, number).await?;
    if row.as_ref().is_some_and(|row| row.state != PullRow::Open) {
        // The forge's API may be behind its pushes.
        return Ok(Err("it was merged or closed meanwhile. Write it again".to_owned()));
    }
    let report = row.as_ref().and_then(outcome::report_of).filter(|report| report.head == pull.head);
    let preview = context.store.preview(&repo.name, number).await?.filter(|preview| preview.head == pull.head);
    let looked = preview.as_ref().and_then(Looked::read);
    let (Some(report), Some(looked)) = (report, looked) else {
        return Ok(Err(format!("there is no preview of {} yet. Approve what it shows", pull.head.short())));
    };
    if let Some(later) = shown_after(&report, written.created) {
        return Ok(Err(format!("the preview was shown at {later}, after you wrote this. Read it, and write it again")));
    }
    let mut said = Vec::new();
    for app in apps {
        let Some(Approvable { digest, objects }) = approvable(&report, &looked, app) else { continue };
        said.push(format!("{} of `{}`", count(objects.len(), "object"), app.name));
        let approval = Approval {
            repo: repo.name.clone(),
            number,
            app: app.clone(),
            head: report.head.clone(),
            digest,
            objects,
            who: written.author.login.clone(),
            who_id: written.author.id.clone(),
            at: context.clock.now_millis(),
        };
        context.store.put_approval(&approval).await?;
    }
    if said.is_empty() {
        return Ok(Err("nothing that the preview shows needs approval".to_owned()));
    }
    refresh(context, place).await?;
    Ok(Ok(format!("approved for {}: merging deletes or replaces {}", report.head.short(), said.join(", "))))
}

/// The time of a preview that the author of a comment cannot have seen.
fn shown_after(report: &PreviewReport, written: Timestamp) -> Option<String> {
    (report.at.duration_since(written) > CLOCKS).then(|| report.at.strftime("%H:%M:%S UTC").to_string())
}

/// Takes approvals back.
pub(super) async fn unapprove(context: &Context, place: Place<'_>, apps: &[AppId]) -> Result<Answer, JobError> {
    let mut dropped = Vec::new();
    for app in apps {
        if context.store.drop_approval(&place.repo.name, place.number, app).await? {
            dropped.push(format!("`{}`", app.name));
        }
    }
    if dropped.is_empty() {
        return Ok(Err("nothing is approved".to_owned()));
    }
    refresh(context, place).await?;
    Ok(Ok(format!("the approval of {} is taken back", dropped.join(", "))))
}

/// Notes in the report and in the gate of an open pull request what is approved now.
async fn refresh(context: &Context, place: Place<'_>) -> Result<(), JobError> {
    let Place { repo, number, .. } = place;
    let turn = context.store.turn(&repo.name).await?;
    let Some(mut row) = turn.pull(number).await? else { return Ok(()) };
    let preview = context.store.preview(&repo.name, number).await?;
    let (Some(mut report), Some(looked)) = (outcome::report_of(&row), preview.as_ref().and_then(Looked::read)) else {
        return Ok(());
    };
    report.apps.iter_mut().for_each(|app| app.approved_by = None);
    note(context, &repo.name, &mut report, &looked).await?;
    row.report = Some(REPORT.write(&report)?);
    row.put().await?;
    drop(turn);
    put_gate(context, repo, Some(number), &of_report(context, repo, &report)).await
}

/// Confirms what syncs hold, as long as this pull request has proposed all of it.
async fn held(
    context: &Context,
    place: Place<'_>,
    pull: &PullRequest,
    apps: &[AppId],
    written: &WrittenComment,
) -> Result<Answer, JobError> {
    let report = context.store.pull(&place.repo.name, place.number).await?.as_ref().and_then(outcome::report_of);
    let mut said = Vec::new();
    for app in apps {
        let Some(row) = context.store.app(app).await? else { continue };
        let held = context.store.confirmable(app, &row.app.destination.cluster).await?;
        if held.is_empty() {
            continue;
        }
        let cluster = &row.app.destination.cluster;
        let proposed = report.iter().flat_map(|report| going(report, app)).filter(|one| one.cluster == *cluster);
        let proposed: BTreeSet<ObjectId> = proposed.map(|one| one.id).collect();
        if let Some(other) = held.difference(&proposed).next() {
            return Ok(Err(format!(
                "the deletion of `{other}` waits with it, and this was not shown here. On the server: \
                 `driftless sync {app} --allow-destructive`"
            )));
        }
        let by = format!("{} on {}#{}", written.author.login, place.repo.name, pull.number);
        by_hand::sync(&context.queue, app, Manual { by, allow_destructive: true, ..Manual::default() }).await?;
        said.push(format!("{} of `{}`", count(held.len(), "object"), app.name));
    }
    if said.is_empty() {
        return Ok(Err("nothing waits for confirmation".to_owned()));
    }
    Ok(Ok(format!("confirmed: {} being deleted or replaced", said.join(", "))))
}
