//! The general part of the API on the server's socket: deliveries and the queue.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Problem;
use crate::queue::{Manual, Queue, Trigger, stored_causes};
use crate::store::deliveries::StoredDelivery;
use crate::store::jobs::{JobRow, State as JobState};
use crate::store::reports::LateReport;
use crate::store::{Store, StoreError};

const LIMIT: u32 = 100;
const MOST: u32 = 1_000;

/// One job; times in RFC 3339.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    pub key: String,
    /// `pending`, `running`, `failed` or `done`.
    pub state: String,
    pub causes: Vec<TriggerView>,
    pub hint: Option<String>,
    pub first_event: Timestamp,
    pub last_event: Timestamp,
    pub due: Timestamp,
    pub attempt: i64,
    pub failing_since: Option<Timestamp>,
    pub error: Option<String>,
}

/// Why a job exists. The stored form has a spelling of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TriggerView {
    Webhook { hook: String, delivery: String },
    Poll,
    Resync,
    Manual { by: String, revision: Option<String>, allow_destructive: bool, adopt: bool, resume: bool },
    Cluster { cluster: String, gained: Vec<String>, lost: Vec<String>, by: Vec<String> },
    Follow { key: String },
}

impl From<Trigger> for TriggerView {
    fn from(cause: Trigger) -> Self {
        match cause {
            Trigger::Webhook { hook, delivery } => Self::Webhook { hook, delivery },
            Trigger::Poll => Self::Poll,
            Trigger::Resync => Self::Resync,
            Trigger::Manual(Manual { by, revision, allow_destructive, adopt, unpause, resume }) => {
                let resume = resume || unpause;
                Self::Manual { by, revision, allow_destructive, adopt, resume }
            }
            Trigger::Cluster { cluster, gained, lost, by } => {
                let by = by.iter().map(ToString::to_string).collect();
                Self::Cluster { cluster: cluster.to_string(), gained, lost, by }
            }
            Trigger::Follow { key } => Self::Follow { key: key.to_string() },
        }
    }
}

/// One delivery; times in RFC 3339.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryView {
    pub hook: String,
    pub delivery: String,
    pub event: String,
    pub project: Option<String>,
    pub received_at: Timestamp,
    pub copies: i64,
}

#[derive(Debug, Deserialize)]
struct Page {
    limit: Option<u32>,
}

impl Page {
    fn limit(&self) -> u32 {
        self.limit.unwrap_or(LIMIT).min(MOST)
    }
}

pub(super) fn router(queue: &Queue) -> Router {
    Router::new()
        .route("/api/v1/jobs", get(jobs))
        .route("/api/v1/deliveries", get(deliveries))
        .with_state(queue.store().clone())
}

async fn jobs(State(store): State<Store>, Query(page): Query<Page>) -> Result<Json<Vec<JobView>>, Problem> {
    let rows = store.jobs(page.limit()).await?;
    let late = store.late_reports(page.limit().into()).await?;
    let now = time(store.now())?;
    let mut views: Vec<JobView> =
        rows.iter().map(job_view).chain(late.iter().map(report_view)).collect::<Result<_, _>>()?;
    views.extend(store.skipped_rows().into_iter().map(|error| skipped_view(error, now)));
    Ok(Json(views))
}

/// A row of the store that cannot be read: everything else goes on without it.
fn skipped_view(error: String, now: Timestamp) -> JobView {
    JobView {
        key: "store".to_owned(),
        state: "failed".to_owned(),
        causes: Vec::new(),
        hint: None,
        first_event: now,
        last_event: now,
        due: now,
        attempt: 0,
        failing_since: None,
        error: Some(error),
    }
}

/// A comment or a status that is not where it should be: whoever misses it looks here.
fn report_view(row: &LateReport) -> Result<JobView, StoreError> {
    let held = row.held_until.filter(|_| row.due.is_some()).map(time).transpose()?;
    let held = held.map(|until| {
        format!(
            "held back until {}: the forge's limit on new and edited comments is used up",
            until.strftime("%H:%M UTC")
        )
    });
    let changed = time(row.changed_at)?;
    Ok(JobView {
        key: format!("report:{}", row.target),
        state: if row.due.is_some() { "pending" } else { "failed" }.to_owned(),
        causes: Vec::new(),
        hint: None,
        first_event: changed,
        last_event: changed,
        due: time(row.held_until.or(row.due).unwrap_or(row.changed_at))?,
        attempt: row.attempts,
        failing_since: None,
        error: held.or_else(|| row.error.clone()),
    })
}

async fn deliveries(State(store): State<Store>, Query(page): Query<Page>) -> Result<Json<Vec<DeliveryView>>, Problem> {
    let rows = store.deliveries(page.limit()).await?;
    Ok(Json(rows.into_iter().map(delivery_view).collect::<Result<_, _>>()?))
}

fn job_view(row: &JobRow) -> Result<JobView, StoreError> {
    let state = match row.state {
        JobState::Pending => "pending",
        JobState::Running => "running",
        JobState::Failed => "failed",
        JobState::Done => "done",
    };
    let causes = stored_causes(row);
    Ok(JobView {
        key: row.key.clone(),
        state: state.to_owned(),
        causes: causes.into_iter().map(TriggerView::from).collect(),
        hint: row.hint.clone(),
        first_event: time(row.first_event)?,
        last_event: time(row.last_event)?,
        due: time(row.due)?,
        attempt: row.attempt,
        failing_since: row.failing_since.map(time).transpose()?,
        error: row.error.clone(),
    })
}

fn delivery_view(row: StoredDelivery) -> Result<DeliveryView, StoreError> {
    let StoredDelivery { hook, hook_id: _, delivery_id, event, project, received_at, copies, last_at: _ } = row;
    Ok(DeliveryView { hook, delivery: delivery_id, event, project, received_at: time(received_at)?, copies })
}

fn time(millis: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(millis).map_err(|error| StoreError::corrupt("a time", error))
}

/// The socket's user is the server's own: the store's words may be shown.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store does not answer");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::assert_camel_case;

    /// L6: jobs and deliveries spell their keys as apps and runs do, causes included.
    #[test]
    fn all_keys_are_in_camel_case() {
        let at = Timestamp::UNIX_EPOCH;
        let key = "sync:shop/web".parse().expect("a key");
        let webhook = Trigger::Webhook { hook: "github".into(), delivery: "1".into() };
        let causes =
            [webhook, Trigger::Poll, Trigger::Resync, Trigger::Manual(Manual::default()), Trigger::Follow { key }];
        assert_camel_case(&JobView {
            key: String::new(),
            state: String::new(),
            causes: causes.into_iter().map(TriggerView::from).collect(),
            hint: None,
            first_event: at,
            last_event: at,
            due: at,
            attempt: 1,
            failing_since: None,
            error: None,
        });
        assert_camel_case(&DeliveryView {
            hook: String::new(),
            delivery: String::new(),
            event: String::new(),
            project: None,
            received_at: at,
            copies: 1,
        });
    }
}
