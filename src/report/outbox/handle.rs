//! The handle with which all modules store what the forge should show.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::options::{OutboxOptions, TRIES_IF_REJECTED};
use super::stored::{COMMENT, STATUS};
use super::target::{Destination, Target};
use crate::class::{Class, Classified};
use crate::forge::{NewStatus, StatusState, WritePace};
use crate::ids::{Oid, RepoName};
use crate::store::reports::{
    CommentShown, GateRow, GateSaid, GateShown, GateWanted, LastWord, RANK_EDIT, RANK_NEWS, RANK_STATUS, RemoteState,
    WantedReport,
};
use crate::store::{Store, StoreError};

/// What was given up is tried again for so long, and as long as its pull request is open.
const YOUNG: Duration = Duration::from_hours(7 * 24);

#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    #[error("cannot report for {0}: no forge is configured for it")]
    NoDestination(RepoName),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for OutboxError {
    fn class(&self) -> Class {
        match self {
            Self::NoDestination(_) => Class::Fail,
            Self::Store(error) => error.class(),
        }
    }
}

/// A handle to the outbox; clones share it.
#[derive(Clone)]
pub struct Outbox(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub store: Store,
    pub destinations: HashMap<RepoName, Destination>,
    pub options: OutboxOptions,
    /// One for each forge and identity, by its name.
    pub scopes: HashMap<String, Scope>,
}

/// What is sent at one pace.
pub(super) struct Scope {
    pub wake: Arc<Notify>,
    pub pace: WritePace,
}

impl Outbox {
    pub fn new(store: Store, destinations: HashMap<RepoName, Destination>, options: OutboxOptions) -> Self {
        let scope = |to: &Destination| Scope { wake: Arc::new(Notify::new()), pace: to.forge.flavour().pace };
        let scopes = destinations.values().map(|to| (to.forge.name().to_owned(), scope(to))).collect();
        Self(Arc::new(Inner { store, destinations, options, scopes }))
    }

    /// A commit status, on its own. For a pull request's gate see [`Outbox::put_gate`].
    pub async fn put_status(&self, repo: &RepoName, status: &NewStatus) -> Result<(), OutboxError> {
        let target = Target::Status { repo: repo.clone(), sha: status.sha.clone(), context: status.context.clone() };
        self.put(&target, RANK_STATUS, &STATUS.write(status)?).await
    }

    /// What pull request `number` says of its head. The commit shows the worst of all pull requests and merge groups
    /// that have it as head. One that lets the merge pass rests on the pull request's comment as it was put last, and
    /// is shown once the forge shows that.
    pub async fn put_gate(&self, repo: &RepoName, number: u64, status: &NewStatus) -> Result<(), OutboxError> {
        self.put_row(repo, number_column(number), status).await
    }

    /// What a merge group says of its head, which has no number: all groups of one head have the same content.
    pub async fn put_group_gate(&self, repo: &RepoName, status: &NewStatus) -> Result<(), OutboxError> {
        self.put_row(repo, group_column(&status.sha), status).await
    }

    async fn put_row(&self, repo: &RepoName, number: i64, status: &NewStatus) -> Result<(), OutboxError> {
        let status_json = STATUS.write(status)?;
        let row = GateRow {
            repo: repo.as_str(),
            number,
            context: &status.context,
            sha: status.sha.as_str(),
            status: &status_json,
            passes: status.state == StatusState::Success,
        };
        let shown = self.gate_shown(self.scope(repo)?);
        let news = self.0.store.put_gate(row, &shown).await?;
        self.wake(shown.scope, news);
        Ok(())
    }

    /// The pull request is closed or merged: what it said of its head no longer counts. `last` is shown there if no
    /// other pull request says anything of that head.
    pub async fn drop_gate(
        &self,
        repo: &RepoName,
        number: u64,
        context: &str,
        last: Option<&NewStatus>,
    ) -> Result<(), OutboxError> {
        let shown = self.gate_shown(self.scope(repo)?);
        let status = last.map(|status| STATUS.write(status)).transpose()?;
        let last = last.zip(status.as_deref()).map(|(last, status)| LastWord { sha: last.sha.as_str(), status });
        let news = self.0.store.drop_gate(repo.as_str(), number_column(number), context, last, &shown).await?;
        self.wake(shown.scope, news);
        Ok(())
    }

    fn scope(&self, repo: &RepoName) -> Result<&str, OutboxError> {
        let to = self.0.destinations.get(repo).ok_or_else(|| OutboxError::NoDestination(repo.clone()))?;
        Ok(to.forge.name())
    }

    pub(super) fn gate_shown<'a>(&self, scope: &'a str) -> GateShown<'a> {
        let grace = i64::try_from(self.0.options.comment_grace.as_millis()).unwrap_or(i64::MAX);
        GateShown { scope, target: status_target, worst, grace }
    }

    /// Has what was given up tried once more: a permission that was missing may have been given, without a word to us.
    pub async fn try_again(&self, repo: &RepoName) -> Result<(), OutboxError> {
        let Some(to) = self.0.destinations.get(repo) else { return Ok(()) };
        let week = i64::try_from(YOUNG.as_millis()).unwrap_or(i64::MAX);
        let young = self.0.store.now().saturating_sub(week);
        // One try: what is still wrong is given up again.
        let news = self.0.store.retry_given_up(repo.as_str(), TRIES_IF_REJECTED - 1, young).await?;
        self.wake(to.forge.name(), news);
        Ok(())
    }

    /// Has the gates of open pull requests looked for, at a forge where a status may lose its place without a word.
    pub async fn check_gates(&self, repo: &RepoName) -> Result<(), OutboxError> {
        let Some(to) = self.0.destinations.get(repo).filter(|to| to.forge.flavour().statuses_move) else {
            return Ok(());
        };
        let news = self.0.store.look_for_statuses(repo.as_str()).await?;
        self.wake(to.forge.name(), news);
        Ok(())
    }

    /// The comment set of a pull request, one text per part, each without a marker.
    pub async fn put_comment(&self, repo: &RepoName, number: u64, parts: &[String]) -> Result<(), OutboxError> {
        self.put(&Target::Comment { repo: repo.clone(), number }, RANK_EDIT, &COMMENT.write(&parts.to_vec())?).await
    }

    /// The same once it is merged: people wait for what became of it, so it goes before edits of what is only proposed.
    pub async fn put_outcome(&self, repo: &RepoName, number: u64, parts: &[String]) -> Result<(), OutboxError> {
        self.put(&Target::Comment { repo: repo.clone(), number }, RANK_NEWS, &COMMENT.write(&parts.to_vec())?).await
    }

    /// A comment beside the set, which tells people that are mentioned in it of a failure. There is at most one on a
    /// pull request.
    pub async fn put_notice(&self, repo: &RepoName, number: u64, text: &str) -> Result<(), OutboxError> {
        self.put(&Target::Notice { repo: repo.clone(), number }, RANK_NEWS, &COMMENT.write(&vec![text.to_owned()])?)
            .await
    }

    /// Whether the forge shows what was last put there. A target that was never put is not sent.
    pub async fn sent(&self, target: &Target) -> Result<bool, OutboxError> {
        let row = self.0.store.report(&target.to_string()).await?;
        Ok(row.is_some_and(|row| row.version == row.sent_version && row.remote_state != RemoteState::Unknown))
    }

    /// The status that was last put, sent or not.
    pub async fn wanted_status(
        &self,
        repo: &RepoName,
        sha: &Oid,
        context: &str,
    ) -> Result<Option<NewStatus>, OutboxError> {
        let target = Target::Status { repo: repo.clone(), sha: sha.clone(), context: context.to_owned() };
        let row = self.0.store.report(&target.to_string()).await?;
        // One that cannot be read is put again.
        Ok(row.and_then(|row| STATUS.read_if_known(&row.target, &row.wanted)))
    }

    async fn put(&self, target: &Target, rank: i64, wanted: &str) -> Result<(), OutboxError> {
        let repo = target.repo();
        let scope = self.scope(repo)?;
        let report = WantedReport { target: &target.to_string(), scope, rank, repo: repo.as_str(), wanted };
        let news = self.0.store.put_report(report).await?;
        self.wake(scope, news);
        Ok(())
    }

    fn wake(&self, scope: &str, news: bool) {
        if news && let Some(scope) = self.0.scopes.get(scope) {
            scope.wake.notify_one();
        }
    }
}

pub(super) fn number_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Where the gates of merge groups are beside those of pull requests: below zero, by the commit.
fn group_column(sha: &Oid) -> i64 {
    const DIGITS: usize = 15;
    let digits = sha.as_str().get(..DIGITS).unwrap_or_default();
    -1 - i64::from_str_radix(digits, 16).unwrap_or_default()
}

/// The place of a commit's status, by the commit's id as it is stored.
fn status_target(repo: &str, sha: &str, context: &str) -> String {
    format!("status:{repo}:{sha}:{context}")
}

/// The first of the worst statuses, after `grace` milliseconds where it only says that a comment is still to come. One
/// that cannot be read says nothing.
fn worst(said: &[GateSaid], grace: i64) -> Option<GateWanted> {
    let mut worst: Option<(NewStatus, GateWanted)> = None;
    for one in said {
        match read(one, grace) {
            Ok((status, wanted)) if worst.as_ref().is_none_or(|(worst, _)| worst.state < status.state) => {
                worst = Some((status, wanted));
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "a stored status cannot be read and is skipped"),
        }
    }
    worst.map(|(_, wanted)| wanted)
}

/// What is shown of one: nothing may be merged for what nobody can read.
fn read(said: &GateSaid, grace: i64) -> Result<(NewStatus, GateWanted), StoreError> {
    let status = STATUS.read("a gate", &said.status)?;
    let (state, description, after) = match said.comment {
        CommentShown::NotYet if status.state == StatusState::Success => {
            (StatusState::Pending, "its comment is being posted", grace)
        }
        CommentShown::GivenUp if status.state == StatusState::Success => {
            (StatusState::Error, "its comment could not be posted; retrying", 0)
        }
        _ => return Ok((status, GateWanted { status: said.status.clone(), after: 0 })),
    };
    let status = NewStatus { state, description: description.to_owned(), ..status };
    let wanted = GateWanted { status: STATUS.write(&status)?, after };
    Ok((status, wanted))
}
