//! Medians, and the table that is printed at the end.

use std::fmt::Write;
use std::time::Duration;

/// One line of the table.
pub struct Line {
    what: String,
    ours: String,
    floor: String,
    ratio: String,
    aim: String,
}

impl Line {
    pub fn new(what: String, ours: String) -> Self {
        Self { what, ours, floor: String::new(), ratio: String::new(), aim: String::new() }
    }

    pub fn compared(what: String, ours: Duration, floor: Duration, show: fn(Duration) -> String) -> Self {
        Self::new(what, show(ours)).floor(show(floor), ours.as_secs_f64() / floor.as_secs_f64())
    }

    pub fn floor(mut self, floor: String, ratio: f64) -> Self {
        (self.floor, self.ratio) = (floor, format!("{ratio:.2}"));
        self
    }

    pub fn aim(mut self, aim: &str) -> Self {
        aim.clone_into(&mut self.aim);
        self
    }

    pub fn table(lines: &[Self]) -> String {
        let mut text = "| measurement | Driftless | floor | ratio | target |\n|---|---|---|---|---|\n".to_owned();
        for Self { what, ours, floor, ratio, aim } in lines {
            // Writing to a string does not fail.
            let _ = writeln!(text, "| {what} | {ours} | {floor} | {ratio} | {aim} |");
        }
        text
    }
}

pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

pub fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

pub fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}
