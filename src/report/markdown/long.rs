//! Shortens lines that are too long for a comment, so that their changes are still visible.

/// The longest line of a diff; nobody reads a longer one in a comment.
pub(super) const LONGEST_LINE: usize = 4_000;
/// What is shown of a long line around what changes in it.
const AROUND: usize = 120;
/// The most of a change that is shown from its beginning.
const MOST: usize = 1_500;

/// Cuts the long lines of a diff: those that stand against each other around their difference, others at their end.
pub(super) fn shorten(text: &str) -> String {
    if text.lines().all(|line| line.len() <= LONGEST_LINE) {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    let mut shown: Vec<String> = Vec::with_capacity(lines.len());
    let mut at = 0;
    while at < lines.len() {
        let removed = run(&lines[at..], '-');
        let added = run(&lines[at + removed..], '+');
        if removed == 0 || added == 0 {
            shown.push(cut(lines[at]));
            at += 1;
            continue;
        }
        let (old, new) = (&lines[at..at + removed], &lines[at + removed..at + removed + added]);
        let pairs: Vec<(String, String)> = old.iter().zip(new).map(|(old, new)| pair(old, new)).collect();
        shown
            .extend(pairs.iter().map(|(old, _)| old.clone()).chain(old.iter().skip(pairs.len()).map(|line| cut(line))));
        shown
            .extend(pairs.iter().map(|(_, new)| new.clone()).chain(new.iter().skip(pairs.len()).map(|line| cut(line))));
        at += removed + added;
    }
    shown.join("\n")
}

/// How many lines begin with this sign.
fn run(lines: &[&str], sign: char) -> usize {
    lines.iter().take_while(|line| line.starts_with(sign)).count()
}

/// Two lines that stand for each other.
fn pair(old: &str, new: &str) -> (String, String) {
    if old.len() <= LONGEST_LINE && new.len() <= LONGEST_LINE {
        return (old.to_owned(), new.to_owned());
    }
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    // Their signs differ.
    let same = |(a, b): &(&char, &char)| a == b;
    let prefix = 1 + old[1..].iter().zip(&new[1..]).take_while(same).count();
    let most = old.len().min(new.len()) - prefix;
    let suffix = old.iter().rev().zip(new.iter().rev()).take(most).take_while(same).count();
    (around(&old, prefix, suffix), around(&new, prefix, suffix))
}

/// The line between what it has in common with the other, and a little of that.
fn around(line: &[char], prefix: usize, suffix: usize) -> String {
    let sign = line.first().copied().unwrap_or(' ');
    let from = prefix.saturating_sub(AROUND).max(1);
    let end = line.len() - suffix;
    let (to, rest) =
        if end - prefix > MOST { (prefix + MOST, end - prefix - MOST) } else { ((end + AROUND).min(line.len()), 0) };
    let text: String = line[from..to].iter().collect();
    let before = if from > 1 { format!("… ({} characters before) ", from - 1) } else { String::new() };
    let after = match (rest, line.len() - to) {
        (_, 0) => String::new(),
        (0, left) => format!(" … ({left} more characters, the same)"),
        (rest, _) => format!(" … ({rest} more characters up to the end of the difference)"),
    };
    format!("{sign}{before}{text}{after}")
}

/// A line of which only the beginning is shown.
fn cut(line: &str) -> String {
    let length = line.chars().count();
    // A character may need two units and be written out in ten, but a line of so many is still far below the limit of a
    // part.
    if length <= LONGEST_LINE {
        return line.to_owned();
    }
    let shown: String = line.chars().take(LONGEST_LINE - 40).collect();
    format!("{shown}… ({} more characters)", length - (LONGEST_LINE - 40))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// P1: `threshold 90 → 9000` behind the first four thousand characters.
    #[test]
    fn a_change_late_in_a_long_line_is_shown() {
        let line = |sign: char, value: u32| {
            format!("{sign}  d.json: {}\"threshold\":{value},{}", "x".repeat(9_000), "y".repeat(500))
        };
        let text = shorten(&format!(" data:\n{}\n{}", line('-', 90), line('+', 9000)));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("-… (8,") || lines[1].starts_with("-… (8"), "{text}");
        assert!(lines[1].contains("\"threshold\":90,") && lines[2].contains("\"threshold\":9000,"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() < 400), "{text}");
    }

    #[test]
    fn lines_without_a_counterpart_show_their_beginning() {
        let long = format!("+{}", "z".repeat(5_000));
        assert_eq!(shorten(&long).chars().count(), LONGEST_LINE - 40 + "… (1041 more characters)".chars().count());
        assert_eq!(shorten("-a\n+b"), "-a\n+b");
    }

    proptest! {
        /// P1: two different lines never look equal.
        #[test]
        fn what_differs_looks_different(head in "[a-c]{0,5000}", old in "[a-c]{0,9}", new in "[a-c]{0,9}",
            tail in "[a-c]{0,5000}") {
            prop_assume!(old != new);
            let text = shorten(&format!("-{head}{old}{tail}\n+{head}{new}{tail}"));
            let lines: Vec<&str> = text.lines().collect();
            prop_assert_ne!(&lines[0][1..], &lines[1][1..]);
        }
    }
}
