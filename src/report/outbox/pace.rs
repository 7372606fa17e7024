//! The rate limit for writes to one forge.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::forge::{CommentLimits, WritePace};
use crate::store::reports::{RANK_EDIT, RANK_NEWS, RANK_STATUS};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// Sets a status or deletes a comment.
    Write,
    /// Makes or edits what people read: forges count those apart. What nobody has seen yet, or waits for, has a
    /// reserve.
    Content { is_news: bool },
}

#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    per_minute: usize,
    per_hour: usize,
    /// Of those in an hour, for what is not news.
    edits_per_hour: usize,
    last: Option<Instant>,
    /// The newest writes of content, oldest first; never more than an hour may have.
    content: VecDeque<Instant>,
    blocked: Option<Instant>,
}

impl Pace {
    pub(super) fn new(pace: &WritePace) -> Self {
        let CommentLimits { per_minute, per_hour, reserved_per_hour } = pace.comments;
        Self {
            between: pace.between,
            per_minute: per_minute.max(1),
            per_hour: per_hour.max(1),
            edits_per_hour: per_hour.saturating_sub(reserved_per_hour).max(1),
            last: None,
            content: VecDeque::new(),
            blocked: None,
        }
    }

    /// The forge asked to be left alone.
    pub(super) fn block(&mut self, until: Instant) {
        self.blocked = Some(self.blocked.map_or(until, |already| already.max(until)));
    }

    /// How long nothing at all may be asked.
    pub(super) fn blocked(&self, now: Instant) -> Duration {
        self.blocked.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// How long to wait before this; zero: go.
    pub(super) fn wait(&self, cost: Cost, now: Instant) -> Duration {
        let ready = self.last.map_or(now, |last| last + self.between);
        let budget = match cost {
            Cost::Write => Duration::ZERO,
            Cost::Content { is_news } => self.budget(is_news, now),
        };
        ready.saturating_duration_since(now).max(budget)
    }

    /// How long until the limits on comments allow another one.
    pub(super) fn budget(&self, is_news: bool, now: Instant) -> Duration {
        let per_hour = if is_news { self.per_hour } else { self.edits_per_hour };
        let ready = [(self.per_minute, MINUTE), (per_hour, HOUR)].into_iter().filter_map(|(count, span)| {
            // The write that has to be out of the span before another may be in it.
            let oldest = self.content.len().checked_sub(count).and_then(|index| self.content.get(index))?;
            Some((*oldest + span).saturating_duration_since(now))
        });
        ready.max().unwrap_or_default()
    }

    /// The highest rank of a report that the limits on comments let pass now.
    pub(super) fn most_rank(&self, now: Instant) -> i64 {
        match [false, true].map(|is_news| self.budget(is_news, now).is_zero()) {
            [true, _] => RANK_EDIT,
            [false, true] => RANK_NEWS,
            [false, false] => RANK_STATUS,
        }
    }

    pub(super) fn spend(&mut self, cost: Cost, now: Instant) {
        self.last = Some(now);
        if cost != Cost::Write {
            self.content.push_back(now);
            while self.content.len() > self.per_hour.max(self.per_minute) {
                self.content.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::GITHUB;

    const NEWS: Cost = Cost::Content { is_news: true };

    fn pace() -> Pace {
        Pace::new(&GITHUB.pace)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_write_goes_at_once_and_the_next_a_second_later() {
        let mut pace = pace();
        assert_eq!(pace.wait(Cost::Write, Instant::now()), Duration::ZERO);
        pace.spend(Cost::Write, Instant::now());
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!(pace.wait(NEWS, Instant::now()), Duration::from_millis(700));
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_has_more_than_eighty_comments_and_no_hour_more_than_five_hundred() {
        let mut pace = Pace { between: Duration::ZERO, ..pace() };
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..700 {
            let wait = pace.wait(NEWS, Instant::now());
            tokio::time::advance(wait).await;
            pace.spend(NEWS, Instant::now());
            times.push(Instant::now() - start);
        }
        for (count, span) in [(80, MINUTE), (500, HOUR)] {
            assert!(times.windows(count + 1).all(|window| window[count] >= window[0] + span));
        }
        assert_eq!(times[79], Duration::ZERO);
        assert_eq!(times[80], MINUTE);
        assert_eq!(times[500], HOUR);
    }

    #[tokio::test(start_paused = true)]
    async fn statuses_do_not_wait_for_the_limit_on_comments() {
        let mut pace = Pace { between: Duration::ZERO, ..pace() };
        for _ in 0..80 {
            pace.spend(NEWS, Instant::now());
        }
        assert_eq!(pace.wait(NEWS, Instant::now()), MINUTE);
        assert_eq!(pace.wait(Cost::Write, Instant::now()), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_block_counts() {
        let mut pace = pace();
        let now = Instant::now();
        pace.block(now + MINUTE);
        pace.block(now + Duration::from_secs(1));
        assert_eq!(pace.blocked(now), MINUTE);
        assert_eq!(pace.blocked(now + HOUR), Duration::ZERO);
    }

    /// H1: edits leave a part of the hour to first comments and outcomes.
    #[tokio::test(start_paused = true)]
    async fn edits_leave_a_reserve_for_news() {
        let comments = CommentLimits { per_minute: 100, per_hour: 5, reserved_per_hour: 2 };
        let mut pace = Pace::new(&WritePace { between: Duration::ZERO, comments });
        let edit = Cost::Content { is_news: false };
        for _ in 0..3 {
            assert_eq!(pace.most_rank(Instant::now()), RANK_EDIT);
            pace.spend(edit, Instant::now());
        }
        assert_eq!((pace.wait(edit, Instant::now()), pace.wait(NEWS, Instant::now())), (HOUR, Duration::ZERO));
        assert_eq!(pace.most_rank(Instant::now()), RANK_NEWS);
        for _ in 0..2 {
            pace.spend(NEWS, Instant::now());
        }
        assert_eq!((pace.wait(NEWS, Instant::now()), pace.most_rank(Instant::now())), (HOUR, RANK_STATUS));
    }
}
