//! The commands that were given in comments, and what came of them.

use super::document::{Block, Document};
use super::escape::span;
use crate::report::given::{CameTo, Given};

/// So many answers are shown.
const SHOWN: usize = 5;

/// Of what was refused or not understood, the newest is enough: anybody can write such a line.
const SHOWN_REFUSED: usize = 1;

pub(super) fn write(commands: &[Given], document: &mut Document) {
    let lines: Vec<String> = shown(commands).iter().map(|row| line(row)).collect();
    if !lines.is_empty() {
        document.tail(Block::Lines(format!("**Commands**\n\n{}", lines.join("\n"))));
    }
}

/// The newest, in the order in which they were given.
fn shown(commands: &[Given]) -> Vec<&Given> {
    let (mut done, mut refused) = (SHOWN, SHOWN_REFUSED);
    let mut newest: Vec<&Given> = commands
        .iter()
        .rev()
        .filter(|row| {
            let left = match row.came_to {
                CameTo::Done => &mut done,
                CameTo::Refused | CameTo::Mistaken => &mut refused,
            };
            let is_shown = *left > 0;
            *left = left.saturating_sub(1);
            is_shown
        })
        .collect();
    newest.reverse();
    newest
}

fn line(row: &Given) -> String {
    let at = row.at.strftime("%Y-%m-%d %H:%M UTC");
    let not = match row.came_to {
        CameTo::Refused => "**not done**: ",
        CameTo::Mistaken => "**not understood**: ",
        CameTo::Done => "",
    };
    format!("- {} by {}, {}: {not}{}", span(&row.command), span(&row.who), at, row.answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(minute: i64, command: &str, came_to: CameTo, answer: &str) -> Given {
        let at = jiff::Timestamp::from_second(1_764_600_000 + minute * 60).expect("a time");
        let (command, answer) = (command.to_owned(), answer.to_owned());
        Given { at, who: "ann`<b>@all".into(), command, came_to, answer }
    }

    #[test]
    fn the_newest_answers_are_shown_and_one_refusal() {
        use CameTo::{Done, Mistaken, Refused};
        let rows = [
            row(1, "sync", Done, "too old to be shown"),
            row(2, "approve", Refused, "too old to be shown"),
            row(3, "sync", Done, "sync of `web` requested"),
            row(4, "sync web", Done, "sync of `web` requested"),
            row(5, "aprove", Mistaken, "there is no command `aprove`; did you mean `approve`?"),
            row(6, "pause", Done, "`web` is paused"),
            row(7, "resume", Done, "`web` is resumed"),
            row(8, "preview", Done, "the preview is made again"),
        ];
        let lines: Vec<String> = shown(&rows).into_iter().map(line).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
