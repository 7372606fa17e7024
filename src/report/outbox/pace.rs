//! How fast one forge may be written to.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::options::OutboxOptions;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// Sets a status or deletes a comment.
    Write,
    /// Makes or edits what people read: GitHub counts those apart.
    Content,
}

#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    per_minute: usize,
    per_hour: usize,
    last: Option<Instant>,
    /// The newest writes of content, oldest first; never more than an hour may have.
    content: VecDeque<Instant>,
    blocked: Option<Instant>,
}

impl Pace {
    pub(super) fn new(options: &OutboxOptions) -> Self {
        Self {
            between: options.between_writes,
            per_minute: options.comments_per_minute.max(1),
            per_hour: options.comments_per_hour.max(1),
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
        let mut ready = self.last.map_or(now, |last| last + self.between);
        if cost == Cost::Content {
            for (count, span) in [(self.per_minute, MINUTE), (self.per_hour, HOUR)] {
                // The write that has to be out of the span before another may be in it.
                if let Some(oldest) = self.content.len().checked_sub(count).and_then(|index| self.content.get(index)) {
                    ready = ready.max(*oldest + span);
                }
            }
        }
        ready.saturating_duration_since(now)
    }

    pub(super) fn spend(&mut self, cost: Cost, now: Instant) {
        self.last = Some(now);
        if cost == Cost::Content {
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

    fn pace() -> Pace {
        Pace::new(&OutboxOptions::new("test"))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_write_goes_at_once_and_the_next_a_second_later() {
        let mut pace = pace();
        assert_eq!(pace.wait(Cost::Write, Instant::now()), Duration::ZERO);
        pace.spend(Cost::Write, Instant::now());
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!(pace.wait(Cost::Content, Instant::now()), Duration::from_millis(700));
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_has_more_than_eighty_comments_and_no_hour_more_than_five_hundred() {
        let mut pace = Pace { between: Duration::ZERO, ..pace() };
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..700 {
            let wait = pace.wait(Cost::Content, Instant::now());
            tokio::time::advance(wait).await;
            pace.spend(Cost::Content, Instant::now());
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
            pace.spend(Cost::Content, Instant::now());
        }
        assert_eq!(pace.wait(Cost::Content, Instant::now()), MINUTE);
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
}
