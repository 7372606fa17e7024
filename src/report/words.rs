//! Formatting of numbers, lists and durations.

/// `1 object`, `3 objects`.
pub fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// The first few, and how many more.
pub fn join<T: AsRef<str>>(items: &[T], most: usize) -> String {
    let shown: Vec<&str> = items.iter().take(most).map(AsRef::as_ref).collect();
    match items.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `45 s`, `3 min 5 s`.
pub(super) fn seconds(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// As people count: `chart2` before `chart10`.
pub(super) fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    fn next<'a>(rest: &mut &'a str) -> Option<(u64, &'a str)> {
        let is_digit = rest.starts_with(|char: char| char.is_ascii_digit());
        let end = rest.find(|char: char| char.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (piece, left) = rest.split_at(end);
        *rest = left;
        (!piece.is_empty()).then(|| (if is_digit { piece.parse().unwrap_or(u64::MAX) } else { 0 }, piece))
    }
    let (mut left, mut right) = (a, b);
    loop {
        let order = match (next(&mut left), next(&mut right)) {
            (None, None) => return a.cmp(b),
            (Some((one, text)), Some((other, beside))) if one > 0 && other > 0 => {
                one.cmp(&other).then_with(|| text.cmp(beside))
            }
            (one, other) => one.map(|(_, text)| text).cmp(&other.map(|(_, text)| text)),
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["chart10", "chart2", "chart", "chart2b", "a"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a", "chart", "chart2", "chart2b", "chart10"]);
    }
}
