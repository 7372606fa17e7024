//! Sends reports to one forge, one write at a time, the most urgent first.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::comment::{Remote, Step, hash, marker, notice_of};
use super::handle::{Outbox, OutboxError, number_column};
use super::options::TRIES_IF_REJECTED;
use super::pace::{Cost, Pace};
use super::stored::{COMMENT, REMOTE, STATUS};
use super::target::{Destination, Target};
use crate::forge::{CommentLimits, ForgeError, NewStatus, StatusState, WritePace};
use crate::store::reports::{RANK_EDIT, RANK_NEWS, RemoteState, ReportRow, Rests};
use crate::store::{Store, StoreError};

/// The longest sleep, so that a row that another process made due is found.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// After the store failed.
const STORE_FAILED: Duration = Duration::from_secs(1);

pub(super) struct Sender {
    outbox: Outbox,
    scope: String,
    wake: Arc<Notify>,
    pace: Pace,
    limits: CommentLimits,
}

/// What came of looking at one row.
enum Outcome {
    /// There may be more to do at once.
    More,
    /// Nothing to do for so long, unless woken.
    Wait(Duration),
}

/// Why a row did not get further.
enum Halt {
    Forge(ForgeError),
    /// The pull request is gone, or what it showed.
    Gone(ForgeError),
    /// The comment that we meant to edit is gone.
    Lost,
    Store(OutboxError),
    /// What is to be shown cannot be read: it holds up nothing else.
    Unreadable(StoreError),
}

impl From<ForgeError> for Halt {
    fn from(error: ForgeError) -> Self {
        Self::Forge(error)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

impl Sender {
    pub(super) fn new(outbox: Outbox, scope: String, wake: Arc<Notify>, limits: &WritePace) -> Self {
        let limits = outbox.0.options.pace(limits);
        Self { outbox, scope, wake, pace: Pace::new(&limits), limits: limits.comments }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let wait = match self.turn().await {
                Ok(Outcome::More) => continue,
                Ok(Outcome::Wait(wait)) => wait,
                Err(error) => {
                    tracing::error!(forge = self.scope, %error, "reports cannot be sent");
                    STORE_FAILED
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait.min(LONGEST_SLEEP)) => {}
            }
        }
    }

    fn store(&self) -> &Store {
        &self.outbox.0.store
    }

    /// Looks at the most urgent row and takes it one step further.
    async fn turn(&mut self) -> Result<Outcome, OutboxError> {
        let blocked = self.pace.blocked(Instant::now());
        if !blocked.is_zero() {
            return Ok(Outcome::Wait(blocked));
        }
        // What a limit holds back holds up nothing else.
        let most = self.pace.most_rank(Instant::now());
        let Some(row) = self.store().due_report(&self.scope, most).await? else {
            return self.until_due(most).await;
        };
        match self.advance(&row).await {
            Ok(outcome) => Ok(outcome),
            Err(halt) => self.halted(&row, halt).await,
        }
    }

    async fn until_due(&self, most: i64) -> Result<Outcome, OutboxError> {
        let due = self.store().next_report_due(&self.scope, most).await?;
        let wait = due.map_or(LONGEST_SLEEP, |due| {
            Duration::from_millis(due.saturating_sub(self.store().now()).max(1).unsigned_abs())
        });
        if most >= RANK_EDIT {
            return Ok(Outcome::Wait(wait));
        }
        let free = self.pace.budget(most < RANK_NEWS, Instant::now());
        self.tell_of_held(most, free).await?;
        Ok(Outcome::Wait(wait.min(free.max(Duration::from_millis(1)))))
    }

    /// Comments that the limits hold back are no secret: who looks for one finds out why it is not there.
    async fn tell_of_held(&self, most: i64, free: Duration) -> Result<(), OutboxError> {
        let until = self.store().now().saturating_add(millis(free));
        let held = self.store().hold_reports(&self.scope, most, until).await?;
        if held > 0 {
            tracing::warn!(
                forge = self.scope,
                held,
                seconds = free.as_secs(),
                per_minute = self.limits.per_minute,
                per_hour = self.limits.per_hour,
                "comments are held back, because the forge's limit on new and edited comments is used up; `driftless \
                 jobs` lists them"
            );
        }
        Ok(())
    }

    async fn advance(&mut self, row: &ReportRow) -> Result<Outcome, Halt> {
        let target: Option<Target> = row.target.parse().ok();
        let to = target.as_ref().and_then(|target| self.outbox.0.destinations.get(target.repo())).cloned();
        match (target, to) {
            (Some(Target::Status { .. }), Some(to)) => self.status(row, &to).await,
            (Some(Target::Comment { number, .. }), Some(to)) => {
                let instance = self.outbox.0.options.instance.clone();
                self.comment(row, &to, number, &instance).await
            }
            (Some(Target::Notice { number, .. }), Some(to)) => {
                let instance = notice_of(&self.outbox.0.options.instance);
                self.comment(row, &to, number, &instance).await
            }
            // The repo was taken out of the configuration.
            _ => {
                self.store()
                    .give_up_report(&row.target, row.version, "no forge is configured for this repo", self.rests(row))
                    .await?;
                Ok(Outcome::More)
            }
        }
    }

    async fn status(&mut self, row: &ReportRow, to: &Destination) -> Result<Outcome, Halt> {
        let wanted = STATUS.read(&row.target, &row.wanted).map_err(Halt::Unreadable)?;
        let pulls = self.store().pulls_of_gate(&row.repo, wanted.sha.as_str(), &wanted.context).await?;
        let known = match row.remote_state {
            RemoteState::Known => row.remote.clone(),
            _ => self.shown_status(to, &pulls, &wanted).await?,
        };
        let digest = status_hash(&wanted)?;
        if known.as_ref() == Some(&digest) {
            self.store().finish_report(&row.target, row.version, &digest, None, None).await?;
            return Ok(Outcome::More);
        }
        if let Some(wait) = self.must_wait(Cost::Write) {
            return Ok(wait);
        }
        self.store().begin_request(&row.target).await?;
        self.pace.spend(Cost::Write, Instant::now());
        to.forge.set_status(&to.project, &pulls, &wanted).await?;
        self.store().finish_report(&row.target, row.version, &digest, self.check_again(row, to), None).await?;
        Ok(Outcome::More)
    }

    /// When a status that was set is looked for, once. Whether it is where it gates is not known before.
    fn check_again(&self, row: &ReportRow, to: &Destination) -> Option<i64> {
        let wait = to.forge.flavour().statuses_move && row.remote_state != RemoteState::LookAgain;
        wait.then(|| self.store().now().saturating_add(millis(self.outbox.0.options.check_status)))
    }

    /// After a lost answer: what the forge shows, in the form in which it is remembered.
    async fn shown_status(&self, to: &Destination, pulls: &[u64], wanted: &NewStatus) -> Result<Option<String>, Halt> {
        let shown = to.forge.latest_status(&to.project, pulls, &wanted.sha, &wanted.context).await?;
        let told_as = match wanted.state {
            StatusState::Error if !to.forge.flavour().tells_errors_apart => StatusState::Failure,
            state => state,
        };
        let same = |shown: NewStatus| {
            let cut = wanted.description.starts_with(&shown.description);
            shown.state == told_as
                && cut
                && shown.target_url.unwrap_or_default() == wanted.target_url.clone().unwrap_or_default()
        };
        Ok(if shown.is_some_and(same) { Some(status_hash(wanted)?) } else { None })
    }

    async fn comment(
        &mut self,
        row: &ReportRow,
        to: &Destination,
        number: u64,
        instance: &str,
    ) -> Result<Outcome, Halt> {
        let texts = COMMENT.read(&row.target, &row.wanted).map_err(Halt::Unreadable)?;
        let known = row.remote.as_ref().filter(|_| row.remote_state == RemoteState::Known);
        let mut remote = match known.and_then(|known| REMOTE.read_if_known(&row.target, known)) {
            Some(remote) => remote,
            None => self.list(row, to, number, instance).await?,
        };
        let step = remote.step(instance, &texts);
        let cost = match &step {
            Step::Done => {
                self.comment_done(row, remote).await?;
                return Ok(Outcome::More);
            }
            Step::Delete { .. } => Cost::Write,
            Step::Create { .. } | Step::Update { .. } => Cost::Content { is_news: row.rank <= RANK_NEWS },
        };
        if let Some(wait) = self.must_wait(cost) {
            return Ok(wait);
        }
        self.store().begin_request(&row.target).await?;
        self.pace.spend(cost, Instant::now());
        carry_out(to, number, step, &mut remote).await?;
        self.store().note_report(&row.target, &REMOTE.write(&remote)?).await?;
        // Said at once: the limits may hold back the next turn of this row, and a gate waits for it.
        if remote.step(instance, &texts) == Step::Done {
            self.comment_done(row, remote).await?;
        }
        Ok(Outcome::More)
    }

    /// Asks the forge what there is: the first time, after a lost answer, and once more after that.
    async fn list(&self, row: &ReportRow, to: &Destination, number: u64, instance: &str) -> Result<Remote, Halt> {
        let listed = match to.forge.own_comments(&to.project, number, &marker(instance)).await {
            Err(error @ ForgeError::NotFound { .. }) => return Err(Halt::Gone(error)),
            listed => listed?,
        };
        let before = row.remote.as_ref().and_then(|remote| REMOTE.read_if_known(&row.target, remote));
        let look_again = row.remote_state == RemoteState::Unknown || before.is_some_and(|before| before.look_again);
        let remote = Remote::listed(instance, &listed, look_again && row.remote_state != RemoteState::LookAgain);
        self.store().note_report(&row.target, &REMOTE.write(&remote)?).await?;
        Ok(remote)
    }

    async fn comment_done(&self, row: &ReportRow, mut remote: Remote) -> Result<(), Halt> {
        let wait = i64::try_from(self.outbox.0.options.look_again.as_millis()).unwrap_or(i64::MAX);
        let again = std::mem::take(&mut remote.look_again).then(|| self.store().now().saturating_add(wait));
        self.store().finish_report(&row.target, row.version, &REMOTE.write(&remote)?, again, self.rests(row)).await?;
        Ok(())
    }

    /// Whose gate rests on a comment.
    fn rests<'a>(&'a self, row: &'a ReportRow) -> Option<Rests<'a>> {
        match row.target.parse() {
            Ok(Target::Comment { number, .. }) => Some(Rests {
                repo: &row.repo,
                number: number_column(number),
                shown: self.outbox.gate_shown(&self.scope),
            }),
            _ => None,
        }
    }

    fn must_wait(&self, cost: Cost) -> Option<Outcome> {
        let wait = self.pace.wait(cost, Instant::now());
        (!wait.is_zero()).then_some(Outcome::Wait(wait))
    }

    async fn halted(&mut self, row: &ReportRow, halt: Halt) -> Result<Outcome, OutboxError> {
        match halt {
            Halt::Store(error) => return Err(error),
            Halt::Unreadable(error) => {
                tracing::error!(target = row.target, %error, "a report is not sent");
                self.store().give_up_report(&row.target, row.version, &error.to_string(), self.rests(row)).await?;
            }
            // What is wanted has not changed: list, and make the comment anew.
            Halt::Lost => {
                self.store().postpone_report(&row.target, self.store().now(), 1, "the comment was deleted").await?;
            }
            Halt::Gone(error) => {
                tracing::info!(target = row.target, %error, "the pull request no longer exists; its report is dropped");
                self.store().give_up_report(&row.target, row.version, &error.to_string(), self.rests(row)).await?;
            }
            Halt::Forge(ForgeError::Limited { after, message, .. }) => {
                tracing::warn!(
                    forge = self.scope,
                    seconds = after.as_secs(),
                    message,
                    "the forge limits requests; reports are delayed"
                );
                self.pace.block(Instant::now() + after);
                let due = self.store().now().saturating_add(millis(after));
                self.store().postpone_report(&row.target, due, 0, &message).await?;
            }
            Halt::Forge(error) => self.failed(row, &error).await?,
        }
        Ok(Outcome::More)
    }

    async fn failed(&self, row: &ReportRow, error: &ForgeError) -> Result<(), OutboxError> {
        let wrong = matches!(error, ForgeError::Rejected { .. } | ForgeError::NotFound { .. });
        if wrong && row.attempts + 1 >= TRIES_IF_REJECTED {
            tracing::warn!(target = row.target, %error, "gave up sending a report");
            self.store().give_up_report(&row.target, row.version, &error.to_string(), self.rests(row)).await?;
            return Ok(());
        }
        if row.attempts == 0 {
            tracing::warn!(target = row.target, %error, "a report could not be sent; retrying");
        }
        let options = &self.outbox.0.options;
        let wait = backoff(options.first_retry, options.last_retry, row);
        self.store()
            .postpone_report(&row.target, self.store().now().saturating_add(millis(wait)), 1, &error.to_string())
            .await?;
        Ok(())
    }
}

/// What is remembered of a status that was sent.
fn status_hash(status: &NewStatus) -> Result<String, Halt> {
    let text = serde_json::to_string(status).map_err(|error| StoreError::corrupt("status", error))?;
    Ok(hash(&text))
}

async fn carry_out(to: &Destination, number: u64, step: Step, remote: &mut Remote) -> Result<(), Halt> {
    match step {
        Step::Create { part, body } => match to.forge.create_comment(&to.project, number, &body).await {
            Ok(id) => remote.created(id, part, &body),
            Err(error @ ForgeError::NotFound { .. }) => return Err(Halt::Gone(error)),
            Err(error) => return Err(error.into()),
        },
        Step::Update { id, body } => match to.forge.update_comment(&to.project, &id, &body).await {
            Ok(()) => remote.updated(&id, &body),
            Err(ForgeError::NotFound { .. }) => return Err(Halt::Lost),
            Err(error) => return Err(error.into()),
        },
        Step::Delete { id } => {
            to.forge.delete_comment(&to.project, &id).await?;
            remote.deleted(&id);
        }
        Step::Done => {}
    }
    Ok(())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Doubles with each attempt, less up to a quarter that depends on the target, so that reports do not come back all at
/// once.
fn backoff(first: Duration, last: Duration, row: &ReportRow) -> Duration {
    let doubled = first.saturating_mul(1 << row.attempts.clamp(0, 20)).min(last);
    let digest = hash(&format!("{}{}", row.target, row.attempts));
    let share = u32::from_str_radix(&digest[..2], 16).unwrap_or(0);
    doubled.mul_f64(1.0 - f64::from(share) / 1024.0)
}
